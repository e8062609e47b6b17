#!/usr/bin/env bash
# Coordinators that are lost: one whose disk is empty may not come back under its id and is replaced; and
# without a majority nothing is invented.
set -u
. "$(dirname "$0")/lib.sh"
. "$top/tests/e2e/load.sh"
cluster_up --nodes 3
cd "$work" || exit 1

until_true() { # seconds command...: a condition, waited for
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -le "$deadline" ] || { echo "not in time: $*"; return 1; }
        sleep 0.1
    done
}
voters() { flotilla status --json --timeout 5 2>/dev/null | jq -c '.voters | sort'; }
voters_are() { [ "$(voters)" = "$1" ]; }
leader() { flotilla status --json --timeout 10 | jq .leader; }
coordinator_ended() { ! dev status 2>/dev/null | grep "^n$1 " | grep -q 'coordinator:up'; }

load_start
check 'the load runs' load_advances 30

# One that does not lead, to begin with.
lost=1
[ "$(leader)" != 1 ] || lost=2
dev stop "$lost" coordinator
rm -rf "$FLOTILLA_RUN/n$lost/coordinator"
: >"$FLOTILLA_RUN/n$lost/coordinator.log"
dev start "$lost" coordinator
check 'a coordinator that lost its disk ends by itself' until_true 30 coordinator_ended "$lost"
check '... and says why' grep -q 'replace it under a new id' "$FLOTILLA_RUN/n$lost/coordinator.log"
check 'the others go on' load_advances 30

join() {
    local token
    token=$(flotilla node add n4 --address 127.0.0.14 --coordinator | grep -o 'flotilla1\.[^ ]*') &&
        flotilla node join "$token" --out "$FLOTILLA_RUN/n4" --state-dir . && dev start 4
}
remaining=$(jq -nc --argjson l "$lost" '[1,2,3,4] - [$l]')
check 'the lost machine is removed' flotilla node rm "n$lost" --force
dev kill "$lost"
check 'a new machine joins' join
check 'it votes, the lost one does not' until_true 60 voters_are "$remaining"
check 'the cluster is healthy' flotilla status --wait 60
old=$(jq -r '[.[] | select(. != 4)][0]' <<<"$remaining")
load_nodes() { jq -r 'map("127.0.0.1\(.)") | join(",")' <<<"$1"; }
load_stop_and_go() {
    load_stop || return 1
    load_options=(--nodes "$(load_nodes "$remaining")" --dir "$work/load" --password "$password")
    load_start
    load_advances 60
}
check 'the load goes on, the new machine among its nodes' load_stop_and_go
dev kill "$old" coordinator
check 'the loss of another coordinator is survived' load_advances 30
check '... metadata goes on, too' flotilla user add somebody --password Some-body-1
dev start "$old" coordinator
check 'all is well again' flotilla status --wait 60

# Without a majority: open files are served until the leases end, and nothing is invented.
a=$(jq -r '.[0]' <<<"$remaining") b=$(jq -r '.[1]' <<<"$remaining")
dev kill "$a" coordinator
dev kill "$b" coordinator
leases_end() { until_true 15 quiet; } # by then no write is acknowledged any more
quiet() {
    local before
    before=$(load_counts)
    sleep 1
    [ "$before" = "$(load_counts)" ]
}
check 'without a majority writes end with the leases' leases_end
refute '... and no new user is made' 'majority\|no coordinator\|no answer' flotilla --timeout 4 user add ghost --password Gho-st-11
refute '... nothing new is opened' NT_STATUS smb 4 vms 'put /etc/hostname ghost'
dev start "$a" coordinator
dev start "$b" coordinator
check 'with a majority everything goes on' load_advances 60
check 'the cluster is healthy again' flotilla status --wait 60
no_ghost() { ! flotilla user ls | grep -q ghost && ! smb 4 vms 'ls' | grep -q ghost; }
check 'there is no ghost' no_ghost
check 'nothing acknowledged was missing at any time' load_stop
check 'everything acknowledged is there, through each node' load_verify
