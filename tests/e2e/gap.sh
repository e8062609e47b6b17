#!/usr/bin/env bash
# What a client on another node notices when a process dies: the longest wait of its 4 KiB writes.
# The limits are those of the design for a node, and wide for a machine that is busy with other things.
# KILLS (10) says how often.
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 3
cd "$work" || exit 1
export top FLOTILLA_RUN

measure() { # kill-command heal-command
    "$top/tests/e2e/gap.py" --nodes 127.0.0.12 --dir "$work" --password "$password" --kills "${KILLS:-10}" \
        --kill "$1" --heal "$2" --limit "${LIMIT:-2}"
}
shown() { measure "$@" | tee -a gaps; return "${PIPESTATUS[0]}"; }
start_all='for n in 1 2 3; do "$top/deploy/devcluster" start $n; done; flotilla status --wait 60'

check 'a node process dies' shown '"$top/deploy/devcluster" kill $((i % 2 * 2 + 1)) node' "$start_all"
check 'the leading coordinator dies' shown \
    '"$top/deploy/devcluster" kill $(flotilla status --json | jq .leader) coordinator' "$start_all"
sed 's/^/# /' gaps
