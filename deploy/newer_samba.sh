#!/usr/bin/env bash
# Samba 4.22 beside the 4.17 of Debian 12, for tests: the packages of backports unpacked into a folder, not
# installed. Debian 13 has 4.22 itself: nothing is done there. Run by deps.sh.
# usage: newer_samba.sh            prints where it is; fetches it (as root) when it is not there yet
#        newer_samba.sh --where    prints where it is, or nothing
set -euo pipefail

# The libraries that its programs bring along; all others are those of the system.
packages=(samba-testsuite samba samba-libs samba-common-bin samba-vfs-modules samba-dsdb-modules winbind smbclient
    libsmbclient libldb2 libwbclient0 libtalloc2 libtdb1 libtevent0 python3-samba python3-ldb python3-talloc python3-tdb)
home=${FLOTILLA_TEST_HOME:-/var/lib/flotilla-test}/samba-4.22

fail() { echo "newer_samba: $*" >&2; exit 1; }

if [ -e "$home/usr/bin/smbtorture" ]; then
    echo "$home"
    exit 0
fi
[ "${1:-}" = --where ] && exit 0
. /etc/os-release
[ "${VERSION_ID:-}" = 12 ] || exit 0
[ "$(id -u)" = 0 ] || fail "not root, and $home is missing; run: sudo make deps-test"

mkdir -p "${home%/*}"
work=$(mktemp -d "${home%/*}/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
# apt's own user fetches, so that nothing from outside is parsed as root before its checksum is known.
chmod 755 "$work" && mkdir "$work/debs" && chown _apt "$work/debs"
(cd "$work/debs" && apt-get -q download "${packages[@]/%//bookworm-backports}") >&2 ||
    fail "cannot fetch Samba 4.22 from bookworm-backports"
for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/tree"; done
chmod 755 "$work/tree"
mv -T "$work/tree" "$home"
echo "$home"
