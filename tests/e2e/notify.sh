#!/usr/bin/env bash
# Who watches a directory through one node is told of what is done through another.
# covers: node/smb/notify.c coordinator/meta/notify.c
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 3
cd "$work" || exit 1

watch() { USERNAME=admin PASSWORD=$password timeout 90 /usr/bin/python3 "$top/tests/e2e/notify.py" 127.0.0.11 "$@"; }
check 'names: added, renamed, moved, removed' watch 127.0.0.12 names
check 'the same through one node' eval "smb 1 general 'deltree watched' >/dev/null; watch 127.0.0.11 names"
check 'data, times, security' watch 127.0.0.13 data
check 'more than there is room for' watch 127.0.0.12 overflow
check 'the directory itself goes' watch 127.0.0.12 removed
leader=$(flotilla status --json --timeout 10 | jq .leader)
check 'a leader that dies: nothing is lost silently' \
    watch 127.0.0.12 meanwhile "$top/deploy/devcluster kill $leader coordinator"
dev start "$leader" coordinator
check 'the cluster is healthy' flotilla status --wait 30
