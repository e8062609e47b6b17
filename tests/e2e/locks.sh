#!/usr/bin/env bash
# A byte range that is locked through one node is locked on every other one at once, until it is unlocked there, or its
# node is gone.
# covers: node/smb/lock.c coordinator/meta/locks.c
set -u
. "$(dirname "$0")/lib.sh"

if ! /usr/bin/python3 -c 'import impacket' 2>/dev/null; then
    echo 'skip - byte-range locks through two nodes # the package python3-impacket is not installed'
    exit 0
fi
cluster_up --nodes 3
cd "$work" || exit 1

locks() { USERNAME=admin PASSWORD=$password timeout 90 /usr/bin/python3 "$top/tests/e2e/locks.py" "$@"; }
check 'a lock forbids I/O and locks at another node, until it is unlocked' locks 127.0.0.11 127.0.0.12 excludes
check 'the same at one node' locks 127.0.0.11 127.0.0.11 excludes
check 'readers share' locks 127.0.0.12 127.0.0.13 shared
check 'a lock is waited for, and no longer' locks 127.0.0.11 127.0.0.12 waits
check 'more ranges than a node keeps' locks 127.0.0.11 127.0.0.13 many
check 'locks end with the handle, and with the connection' locks 127.0.0.11 127.0.0.12 ends
leader=$(flotilla status --json --timeout 10 | jq .leader)
check 'locks outlive the leader' locks "127.0.0.1$((leader % 3 + 1))" "127.0.0.1$(((leader + 1) % 3 + 1))" leader \
    "$top/deploy/devcluster kill $leader coordinator"
dev start "$leader" coordinator >/dev/null 2>&1
check 'the cluster is healthy' flotilla status --wait 30
check 'locks end with their node' locks 127.0.0.11 127.0.0.12 killed "$top/deploy/devcluster kill 1 node"
dev start 1 node >/dev/null 2>&1
check 'every daemon is still alive, and the cluster healthy' flotilla status --wait 30
