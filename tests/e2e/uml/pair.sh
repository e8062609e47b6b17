# The work of one of two guests, each on a node of its own; /role says which of them this is, first or second.
# They meet in the folder `pair` of the share: a file there is a word from one to the other.

password=$(cat /password)
net=$(cat /net)
role=$(cat /role)

check() {
    local name=$1
    shift
    if "$@" >/out 2>&1; then
        echo "ok - $name" >>/report
    else
        echo "not ok - $name" >>/report
        { tail -n 5 /out; dmesg | grep -i cifs | tail -n 5; } | sed 's/^/    /' >>/report
    fi
    sync
}

say() { : >"/mnt/pair/$1"; }
heard() { # what the other one says within two minutes
    local end=$(($(cut -d. -f1 /proc/uptime) + 120))
    until [ -e "/mnt/pair/$1" ]; do
        [ "$(cut -d. -f1 /proc/uptime)" -lt $end ] || { echo "$1 was not said"; return 1; }
        usleep 20000
    done
}

# By read(): cat would splice, and Linux 6.1 splices an uncached file with pages that were never filled.
text() { head -c 100 "$1"; }

# One more, so often, with the lock held: as many as both together have made are there in the end.
count_up() { # times
    local i
    for i in $(seq "$1"); do
        lockdo /mnt/pair/lock sh -c 'n=$(head -c 20 /mnt/pair/count) && echo $((n + 1)) >/mnt/pair/count' || return 1
    done
}

lock_refused() { ! lockdo /mnt/pair/lock && grep -q 'temporarily unavailable\|denied' /out; }

node=1
[ "$role" = first ] || node=2
mount -t cifs "//$net.1$node/general" /mnt -o "user=admin,pass=$password,vers=3.1.1,cache=none,actimeo=0" || exit 1

first() {
    mkdir -p /mnt/pair && echo 0 >/mnt/pair/count && : >/mnt/pair/lock && echo 'from the first' >/mnt/pair/letter && say begun
    check 'the second guest answers' heard answered
    check 'what it changed is seen' [ "$(text /mnt/pair/reply)" = 'from the second' ]
    check 'what it renamed has its new name only' [ -e /mnt/pair/moved -a ! -e /mnt/pair/letter ]
    check 'a lock is held until the second guest has tried it' lockdo /mnt/pair/lock sh -c \
        ': >/mnt/pair/locked; until [ -e /mnt/pair/tried ]; do usleep 20000; done'
    say free
    check 'both count up under a lock' count_up 40
    check 'the second guest has finished' heard counted
    check 'no count is lost' [ "$(text /mnt/pair/count)" = 80 ]
}

second() {
    check 'the first guest has begun' heard begun
    check 'what it wrote is there' [ "$(text /mnt/pair/letter)" = 'from the first' ]
    echo 'from the second' >/mnt/pair/reply && mv /mnt/pair/letter /mnt/pair/moved && say answered
    check 'the first guest has the lock' heard locked
    check 'it cannot be taken here' lock_refused
    say tried
    check 'it was let go' heard free
    check 'the second guest counts up, too' count_up 40
    say counted
}

"$role"
exit 0
