#!/usr/bin/env bash
# `make run`: three nodes on loopback, a share, a virtual disk copied in, and the node it was being
# written to killed in the middle. Then the cluster stays up until Ctrl-C.
# usage: demo.sh [--once]     --once: do not stay
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
dir=${FLOTILLA_RUN:-$top/run}
mib=${DEMO_MIB:-1024}
dev() { "$top/deploy/devcluster" "$@" --dir "$dir"; }
say() { printf '\n== %s\n' "$*"; }
sum() { sha256sum "$1" | cut -d' ' -f1; }

work=$(mktemp -d)
cleanup() {
    rm -rf "$work"
    dev down || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "Three machines, each with its own disk, one server"
dev up --nodes 3
# shellcheck disable=SC1091
. "$dir/env"
flotilla status

say "A virtual disk of $mib MiB is copied in through n1 (127.0.0.11); half-way n1 is killed with SIGKILL"
head -c "$((mib << 20))" /dev/urandom >"$work/disk.vhdx"
"$top/deploy/resilient_copy.py" --nodes 127.0.0.11,127.0.0.12 --share vms --user admin \
    --password "$FLOTILLA_PASSWORD" --kill "'$top/deploy/devcluster' kill 1 --dir '$dir'" \
    "$work/disk.vhdx" disk.vhdx
flotilla status || true

say "It is read back through n3 (127.0.0.13) with smbclient"
(cd "$work" && smbclient //127.0.0.13/vms -U "admin%$FLOTILLA_PASSWORD" -c 'get disk.vhdx back.vhdx')
before=$(sum "$work/disk.vhdx") after=$(sum "$work/back.vhdx")
printf 'written   %s\nread back %s\n' "$before" "$after"
[ "$before" = "$after" ] || { echo "demo: the sums differ: acknowledged bytes are missing" >&2; exit 1; }

say "n1 comes back and is brought up to date"
dev start 1
flotilla status --wait 120
smbclient //127.0.0.11/vms -U "admin%$FLOTILLA_PASSWORD" -c 'del disk.vhdx' >/dev/null

say "Survived: $mib MiB, every acknowledged byte, the death of the node they were being written to."
[ "${1:-}" = --once ] && exit 0
cat <<TXT

The cluster is up. Connect with:
    smbclient //127.0.0.11/general -U user1%$FLOTILLA_PASSWORD
    source $dir/env && flotilla status
Ctrl-C stops it.
TXT
while sleep 3600; do :; done
