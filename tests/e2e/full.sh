#!/usr/bin/env bash
# Disks that are full: clients hear STATUS_DISK_FULL, nothing acknowledged is harmed, deleting helps. A
# coordinator without space stops with a sentence and goes on when there is room.
# covers: node/io/disk.c node/io/extents.c coordinator/io/disk.c
set -u
. "$(dirname "$0")/lib.sh"
. "$top/tests/e2e/load.sh"

mounted=()
unmount_all() {
    local rc=$? m
    dev down >/dev/null 2>&1
    for m in ${mounted[@]+"${mounted[@]}"}; do umount -l "$m"; done
    (exit $rc)
    finish
}
trap unmount_all EXIT
on_small_disk() { # directory MiB: what it holds moves to a file system of its own
    mv "$1" "$1.was" && mkdir "$1" && truncate -s "$2M" "$1.img" &&
        mkfs.ext4 -q -m 0 "$1.img" && mount -o loop "$1.img" "$1" || return 1
    mounted+=("$1")
    rmdir "$1/lost+found" && cp -a "$1.was/." "$1/"
}

cluster_up --nodes 3
cd "$work" || exit 1
for n in 1 2 3; do dev stop "$n"; done
if ! on_small_disk "$FLOTILLA_RUN/n2/data" 256 >mount.log 2>&1; then
    echo "skip - full disks # no loop devices here: $(tail -n 1 mount.log)"
    exit 0
fi
small() { on_small_disk "$FLOTILLA_RUN/n1/data" 320 && on_small_disk "$FLOTILLA_RUN/n3/data" 320 &&
    on_small_disk "$FLOTILLA_RUN/n1/coordinator" 32; }
check 'data on small disks' small
for n in 1 2 3; do dev start "$n"; done
check 'the cluster serves from them' flotilla status --wait 60

head -c $((20 << 20)) /dev/urandom >keep
head -c $((100 << 20)) /dev/urandom >hundred
free_mib() { smb 1 general du 2>/dev/null | awk '/blocks available/ { print int($(NF - 2) * $(NF - 3) / 1048576) }'; }
free_at_most() { [ "$(free_mib)" -le "$1" ]; }
free_at_least() { [ "$(free_mib)" -ge "$1" ]; }
until_true() { # seconds command...
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -le "$deadline" ] || { echo "not in time: $*; $(free_mib) MiB free"; return 1; }
        sleep 0.2
    done
}
keep_is_there() { for n in 1 2 3; do rm -f back && smb "$n" general 'get keep back' && cmp keep back || return 1; done; }

check 'some files' smb 1 general 'put keep; put hundred one'
before=$(free_mib)
echo "# $before MiB free"
check 'the free space that is shown has shrunk' until_true 20 free_at_most 220
load_options+=(--blocks 2048 --files 2)
load_start
check 'a load runs' load_advances 30
fill() { smb 2 general 'put hundred two; put hundred three; put hundred four'; }
says 'writing until there is no space' NT_STATUS_DISK_FULL fill
check 'the free space shown is little' until_true 20 free_at_most 60
check 'other files are there, through each node' keep_is_there
check 'every daemon runs' all_run
for name in one two three four; do smb 3 general "del $name" >/dev/null; done
check 'the space comes back' until_true 60 free_at_least 180
check 'writing works again' smb 1 general 'put hundred five'
check 'the load goes on' load_advances 30
there() { rm -f back && smb 3 general 'get five back' && cmp hundred back; }
check 'what was written is there' there
check 'other files are still there' keep_is_there
check 'nothing acknowledged was missing at any time' load_stop
check 'everything acknowledged is there, through each node' load_verify
check 'no member was left behind' flotilla status --wait 60
check 'all copies are equal' copies_equal

disk=$FLOTILLA_RUN/n1/coordinator
head -c $((64 << 20)) /dev/zero >"$disk/filler" 2>/dev/null
coordinator_ended() {
    smb 2 general "mkdir d$RANDOM; put keep k; del k" >/dev/null
    ! dev status 2>/dev/null | grep '^n1 ' | grep -q 'coordinator:up'
}
check 'a coordinator without space stops' until_true 60 coordinator_ended
check '... and says why' grep -q 'No space left' "$FLOTILLA_RUN/n1/coordinator.log"
check 'the others go on' smb 2 general 'mkdir goes; rmdir goes'
rm -f "$disk/filler"
dev start 1
check 'with space again it comes back' flotilla status --wait 60
