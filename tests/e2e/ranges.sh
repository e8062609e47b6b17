#!/usr/bin/env bash
# Ranges and copies within the server, each asked of another node than wrote the bytes: what is made zero is zero
# on every disk, its blocks are given back, and what is copied is there through every node.
# covers: node/smb/sparse.c node/smb/zero.c node/smb/copy.c node/io/disk.c
set -u
. "$(dirname "$0")/lib.sh"
if ! /usr/bin/python3 -c 'import impacket' 2>/dev/null; then
    echo "skip - ranges and copies # the package python3-impacket is not installed"
    exit 0
fi
cluster_up --nodes 3
cd "$work" || exit 1

ranges() { USERNAME=admin PASSWORD=$password timeout 90 /usr/bin/python3 "$top/tests/e2e/ranges.py" "$@"; }
blocks() { # what the extents of all nodes take, in KiB
    du -sck "$FLOTILLA_RUN"/n*/*/extents 2>/dev/null | awk '/total/ { print $1 }'
}
check 'a hole and what is beside it' ranges sparse
check 'a copy of 20 MiB through another node' ranges copy
check 'extents duplicated through another node' ranges duplicate
check '64 MiB are written' ranges fill
full=$(blocks)
check 'and made zero through another node' ranges zero
empty=$(blocks)
check "their blocks are given back on every node ($full KiB, then $empty KiB)" test $((full - empty)) -ge $((3 * 65536))
check 'a file of a terabyte that holds one block is zeroed and cut at once' ranges terabyte
check 'the cluster is healthy' flotilla status --wait 30
