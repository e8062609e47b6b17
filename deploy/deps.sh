#!/usr/bin/env bash
# Installs the Debian packages Flotilla needs, and nothing that is there already.
# usage: deps.sh build|test      build: compile and run;  test: also what `make test` drives
set -euo pipefail

build=(build-essential clang lld pkg-config ca-certificates libraft-dev libuv1-dev liburing-dev libssl-dev
    libkrb5-dev gss-ntlmssp libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libibverbs-dev
    librdmacm-dev libxxhash-dev libjansson-dev libinih-dev openssl smbclient)
test=(libcmocka-dev clang-format clang-tidy libclang-rt-dev-any krb5-user python3 python3-samba python3-impacket
    python3-smbc samba
    samba-testsuite samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind attr iproute2
    nftables iptables xfsprogs rsync procps psmisc cpio user-mode-linux busybox-static
    fio ansible-core jq tshark faketime)

fail() { echo "deps: $*" >&2; exit 1; }

. /etc/os-release
[ "${ID:-}" = debian ] || fail "this is ${PRETTY_NAME:-not Debian}; Flotilla is built on Debian 12 or 13"
case "${VERSION_ID:-}" in 12 | 13) ;; *) fail "Debian ${VERSION_ID:-unknown} is not supported; use 12 or 13" ;; esac

# The sanitizer and fuzzer runtimes carry clang's version in their name; Debian 13 has taken the domain
# controller out of samba.
resolve() {
    case $1 in
    libclang-rt-dev-any) [ "$VERSION_ID" = 12 ] && echo libclang-rt-14-dev || echo libclang-rt-19-dev ;;
    samba) [ "$VERSION_ID" = 12 ] && echo samba || echo samba samba-ad-dc ;;
    *) echo "$1" ;;
    esac
}

want=("${build[@]}")
[ "${1:-build}" = test ] && want+=("${test[@]}")
missing=()
for name in "${want[@]}"; do
    for package in $(resolve "$name"); do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
done
# 0.15.0 of Debian 12 itself loses acknowledged metadata; only the backport will do.
raft=$(dpkg-query -W -f '${Version}' libraft-dev 2>/dev/null || true)
if [ -n "$raft" ] && dpkg --compare-versions "$raft" lt 0.22.1~; then missing+=(libraft-dev); fi
newer=
if [ "${1:-build}" = test ] && [ "$VERSION_ID" = 12 ] && [ -z "$("$(dirname "$0")/newer_samba.sh" --where)" ]; then
    newer='Samba 4.22'
fi
[ -z "${missing[*]}$newer" ] && { echo "deps: everything is installed"; exit 0; }
[ "$(id -u)" = 0 ] || fail "not root, and these packages are missing: ${missing[*]} $newer
      run: sudo make deps"

# Backports come from the mirror this machine already uses for bookworm itself, which apt only tells
# once it has fetched that mirror's lists.
add_backports() {
    grep -rqsE '^[^#]*bookworm-backports' /etc/apt/sources.list /etc/apt/sources.list.d && return
    local mirror
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(BASE_URI)' 2>/dev/null |
        awk '$2 == "bookworm" || $2 == "stable" {print $1; exit}')
    [ -n "$mirror" ] || fail "no apt source for bookworm found; add bookworm-backports and try again"
    printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: %s\n' \
        "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg \
        >/etc/apt/sources.list.d/flotilla-backports.sources
    apt-get -q update
}

# The file servers among the test packages must not start and take port 445 on this machine.
keep_services_down() {
    [ -e /usr/sbin/policy-rc.d ] && return
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

echo "deps: installing ${missing[*]} $newer"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
[ "$VERSION_ID" = 12 ] && add_backports
keep_services_down
plain=() backported=()
for package in "${missing[@]}"; do
    if [ "$package" = libraft-dev ] && [ "$VERSION_ID" = 12 ]; then
        backported+=(libraft-dev libraft0)
    else
        plain+=("$package")
    fi
done
[ ${#plain[@]} -eq 0 ] || apt-get -q install -y --no-install-recommends "${plain[@]}"
[ ${#backported[@]} -eq 0 ] || apt-get -q install -y --no-install-recommends -t bookworm-backports "${backported[@]}"
[ -z "$newer" ] || "$(dirname "$0")/newer_samba.sh"
