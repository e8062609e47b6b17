#!/usr/bin/env bash
# The power fails: all machines die at once in the middle of writes, again and again, and what was
# acknowledged is there, on equal copies. Then one machine stays away, catches up, and another goes.
# SEED and POWER (how often) change what is done.
# covers: node/io/disk.c node/io/extents.c
set -u
. "$(dirname "$0")/lib.sh"
. "$top/tests/e2e/load.sh"
RANDOM=${SEED:=$((RANDOM))}
echo "# SEED=$SEED POWER=${POWER:=4}"
cluster_up --nodes 3
cd "$work" || exit 1

power_fails() { # every process at the same moment
    pause $((RANDOM % 2000))
    cat "$FLOTILLA_RUN"/n*/*.pid | xargs kill -KILL
    for n in 1 2 3; do dev kill "$n"; done
}
comes_back() {
    local n
    for n in 1 2 3; do dev start "$n"; done
    flotilla status --wait 120 >/dev/null && load_advances 60
}
proved() { load_stop && load_verify && copies_equal; }

load_start --seed "$SEED"
check 'the load runs' load_advances 30
for ((i = 1; i <= POWER; i++)); do
    power_fails
    check "power failure $i: the cluster comes back and the writers get on" comes_back
    check "power failure $i: all that was acknowledged is there, on equal copies" proved
    load_start --seed "$SEED.$i"
    check 'the load runs again' load_advances 30
done

dev kill 3
check 'a machine is gone, the writers get on' load_advances 30
check '... and on' load_advances 30
dev start 3
check 'it catches up while they do' flotilla status --wait 120
dev kill 1
check 'then another one goes' load_advances 30
dev start 1
check 'that one catches up as well' flotilla status --wait 120
check 'all that was acknowledged is there, on equal copies' proved
