#!/usr/bin/env bash
# kill -9 of any daemon, at any moment, under load, a hundred times in a row: no acknowledged write is
# lost, and every daemon comes back. KILLS, SEED and DAEMONS ("node coordinator") change what is done.
set -u
. "$(dirname "$0")/lib.sh"
. "$top/tests/e2e/load.sh"
RANDOM=${SEED:=$((RANDOM))}
echo "# SEED=$SEED KILLS=${KILLS:=100}"
cluster_up --nodes 3
cd "$work" || exit 1

kill_one() { # number: one daemon dies and comes back; the writers get on in between
    local daemons
    read -ra daemons <<<"${DAEMONS:-node coordinator witness}"
    local d=${daemons[RANDOM % ${#daemons[@]}]} n=$((RANDOM % 3 + 1))
    echo "$(date +%T.%3N) kill $1: $d of n$n" >>kills.log
    dev kill "$n" "$d"
    pause $((RANDOM % 500))
    dev start "$n" "$d"
    # Mostly the next one dies at once; at times everything is as it should be first.
    case $((RANDOM % 6)) in
    0) flotilla status --wait 60 >/dev/null || { echo "kill $1: $d of n$n: not healthy after 60 s"; return 1; } ;;
    1 | 2) load_advances 60 || { echo "kill $1: $d of n$n: the writers are stuck"; return 1; } ;;
    *) pause $((RANDOM % 800)) ;;
    esac
}
storm() {
    local i
    for ((i = 1; i <= KILLS; i++)); do
        kill_one "$i" || { tail -n 6 kills.log; flotilla status; return 1; }
        [ ! -e load/lost ] || { cat load/lost; tail -n 6 kills.log; return 1; }
    done
}
load_start --seed "$SEED"
check "$KILLS times kill -9 of a daemon, under load" storm
check 'everything is up afterwards' flotilla status --wait 120
check 'every daemon runs' all_run
check 'the writers get on' load_advances 30
check 'nothing acknowledged was missing at any time' load_stop
check 'everything acknowledged is there, through each node' load_verify
check 'all copies are equal' copies_equal
