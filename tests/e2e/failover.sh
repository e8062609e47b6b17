#!/usr/bin/env bash
# Machines, daemons and networks die under load; what was acknowledged stays.
#
# covers: node/io/peers.c coordinator/io/peers.c
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 3
cd "$work" || exit 1
mib=${FAILOVER_MIB:-256}
head -c "$((mib << 20))" /dev/urandom >disk

copy() { # nodes kill-command name
    "$top/deploy/resilient_copy.py" --nodes "$1" --share vms --password "$password" --kill "$2" disk "$3"
}
same_on() { rm -f back && smb "$1" vms "get $2 back" && cmp disk back; }

check "a disk of $mib MiB is copied while its node is killed" copy 127.0.0.11,127.0.0.12 "$top/deploy/devcluster kill 1" disk1
check 'it is there, read through a third node' same_on 3 disk1
dev start 1
check 'the dead machine comes back and catches up' flotilla status --wait 120
check 'it serves the disk again' same_on 1 disk1

check 'a disk is copied while the leading coordinator is killed' \
    copy 127.0.0.12,127.0.0.13 "$top/deploy/devcluster kill \$(flotilla status --json | jq .leader) coordinator" disk2
for i in 1 2 3; do dev start "$i"; done
check 'all coordinators are back' flotilla status --wait 60
check 'the disk is there' same_on 2 disk2

check 'a disk is copied while its node is cut off' copy 127.0.0.13,127.0.0.11 "$top/deploy/devcluster partition 3" disk3
dev heal
check 'the cut-off machine comes back' flotilla status --wait 120
check 'the disk is there, read through it' same_on 3 disk3

storm() { # rounds: one daemon after another dies under a copy that goes on
    local round=0 d n
    local daemons=(node coordinator witness)
    while [ "$round" -lt "$1" ]; do
        round=$((round + 1)) d=${daemons[RANDOM % 3]} n=$((RANDOM % 3 + 1))
        dev kill "$n" "$d" && sleep 0.$((RANDOM % 10)) && dev start "$n" "$d"
        flotilla status --wait 60 >/dev/null || return 1
    done
}
under_load() {
    (while [ ! -e stop ]; do
        "$top/deploy/resilient_copy.py" --nodes 127.0.0.11,127.0.0.12,127.0.0.13 --share vms \
            --password "$password" --patience 60 small storm || { touch lost; break; }
    done) >storm.log 2>&1 &
    local load=$!
    storm "$1" || { tail -n 20 storm.log; touch stop; wait $load; return 1; }
    touch stop
    wait $load
    [ ! -e lost ] || { tail -n 20 storm.log; return 1; }
}
head -c $((16 << 20)) /dev/urandom >small
check "kill -9 of one daemon, ${STORM:-20} times in a row, under load" under_load "${STORM:-20}"
check 'everything is up afterwards' flotilla status --wait 120
all_there() { same_on 1 disk1 && same_on 2 disk2 && same_on 3 disk3; }
check 'the three disks are as they were' all_there

dev kill 2 coordinator && dev kill 3 coordinator
refute 'without a majority of coordinators nothing is invented' 'majority\|no coordinator\|no answer' flotilla --timeout 4 user add ghost --password x
dev start 2 coordinator
check 'with a majority again metadata goes on' flotilla status --timeout 20
