# The guest's work: one file before, one while and after a channel is cut. multichannel.sh watches the marks.
password=$(cat /password)

check() {
    local name=$1
    shift
    if "$@" >/out 2>&1; then
        echo "ok - $name" >>/report
    else
        echo "not ok - $name" >>/report
        { tail -n 10 /out; dmesg | grep -i cifs | tail -n 8; } | sed 's/^/    /' >>/report
    fi
}

# A mark of the host's: hostfs shows it when the name is asked for.
wait_for() { for i in $(seq 600); do [ -e "/$1" ] && return; usleep 100000; done; return 1; }
same() { [ "$(sha256sum <"$1")" = "$(sha256sum </bytes)" ]; }
piece() { dd if=/bytes of=/mnt/two bs=1048576 count=1 skip="$1" seek="$1" conv=notrunc,fsync 2>/dev/null; }
writes() { # half of it, and the rest when the way is cut: some of that goes by the other channel, some waits
    for i in $(seq 0 11); do piece "$i" || return; done
    touch /written
    wait_for cut || return
    for i in $(seq 12 23); do piece "$i" || return; done
}

check 'mount with multichannel' timeout 20 mount -t cifs //10.77.1.21/general /mnt \
    -o "user=admin,pass=$password,vers=3.1.1,hard,multichannel,max_channels=2,cache=none,actimeo=0,echo_interval=1"
touch /mounted
check 'a file by two channels' cp /bytes /mnt/one
check 'it is the same' same /mnt/one
check 'another while one of them is cut' writes
check 'it is the same too' same /mnt/two
touch /through
cat /proc/fs/cifs/DebugData >/debug
umount /mnt
exit 0
