# The guest's work: what the kernel's SMB client does with the share `general` of three nodes.
# /tree and /sums are what it copies and their SHA-256; /password is admin's. One line in /report for each
# thing it states, in the form of check and refute of lib.sh.

password=$(cat /password)
net=$(cat /net)

check() {
    local name=$1
    shift
    if "$@" >/out 2>&1; then
        echo "ok - $name" >>/report
    else
        echo "not ok - $name" >>/report
        umount /mnt2
        umount /mnt
        { head -n 2 /out; tail -n 10 /out; dmesg | grep -i cifs | tail -n 8; } | sed 's/^/    /' >>/report
    fi
    dmesg -c >>/dmesg
    echo "$(cut -d' ' -f1 /proc/uptime) $name" >>/times
    sync # a guest that is killed has told what it did
}

share() { # node folder options: mounts it as /mnt, or /mnt2
    mkdir -p "$2"
    timeout 20 mount -t cifs "//$net.1$1/general" "$2" -o "user=admin,pass=$password,$3"
}

mounted_so() { grep -q "^//$net.1$1/general /mnt cifs .*vers=$2" /proc/mounts; }

# By read(): cat would splice, and Linux 6.1 splices an uncached file with pages that were never filled.
text() { head -c 100 "$1"; }

same_tree() { (cd "$1" && sha256sum -c /sums >/tmp/sums 2>&1) || { grep -v ": OK" /tmp/sums | tail -n 5; return 1; }; }

copy_tree() { # node other-node options folder
    share "$1" /mnt "$3" && cp -r /tree "/mnt/$4" && same_tree "/mnt/$4" && umount /mnt &&
        share "$2" /mnt "$3" && same_tree "/mnt/$4" && umount /mnt
}

copy_small() { # node other-node options version folder
    share "$1" /mnt "$3" && mounted_so "$1" "$4" && mkdir "/mnt/$5" && cp -r /tree/0 "/mnt/$5/0" && umount /mnt &&
        share "$2" /mnt "$3" && diff -r /tree/0 "/mnt/$5/0" && rm -r "/mnt/$5" && umount /mnt
}

names() { # on /mnt, another node on /mnt2
    mkdir -p /mnt/names/one && echo first >/mnt/names/a && echo second >/mnt/names/b &&
        mv /mnt/names/a /mnt/names/b && [ "$(text /mnt2/names/b)" = first ] && [ ! -e /mnt2/names/a ] &&
        mv /mnt/names/one '/mnt/names/größer als zwei' && [ -d '/mnt2/names/größer als zwei' ] &&
        ! rmdir /mnt/names 2>/dev/null && rm /mnt2/names/b && rmdir /mnt/names/gr* && rmdir /mnt2/names &&
        [ ! -e /mnt/names ]
}

sizes() {
    echo -n abc >/mnt/s && echo -n def >>/mnt/s && [ "$(text /mnt2/s)" = abcdef ] &&
        truncate -s 4 /mnt2/s && [ "$(text /mnt/s)" = abcd ] &&
        dd if=/dev/zero of=/mnt/s bs=1 count=1 seek=5000000000 conv=notrunc 2>/dev/null &&
        [ "$(stat -c %s /mnt2/s)" = 5000000001 ] && [ "$(head -c 4 /mnt2/s)" = abcd ] &&
        df /mnt | grep -q /mnt && rm /mnt/s
}

many() {
    mkdir /mnt/many && (cd /mnt/many && seq 1 400 | xargs touch) && [ "$(ls /mnt2/many | wc -l)" = 400 ] &&
        rm -r /mnt2/many && [ ! -e /mnt/many ]
}

open_and_deleted() { # the client renames or marks it; what was open must be readable until it closes
    echo still here >/mnt/gone && exec 5</mnt/gone && rm /mnt/gone && [ "$(head -n 1 <&5)" = 'still here' ]
    local rc=$?
    exec 5<&-
    [ $rc = 0 ] && [ ! -e /mnt2/gone ]
}

two_at_once() { # one file, two nodes, each its own half: no byte of either is lost
    : >/mnt/two
    for i in $(seq 0 2 38); do dd if=/tree/large of=/mnt/two bs=65536 count=1 skip="$i" seek="$i" conv=notrunc; done 2>/dev/null &
    for i in $(seq 1 2 39); do dd if=/tree/large of=/mnt2/two bs=65536 count=1 skip="$i" seek="$i" conv=notrunc; done 2>/dev/null
    wait
    head -c 2621440 /tree/large >/tmp/two
    cmp /tmp/two /mnt/two && cmp /tmp/two /mnt2/two && rm /mnt/two
}

refused() { # text mount-options share
    timeout 20 mount -t cifs "//$net.11/$3" /mnt -o "$2" 2>/tmp/refused && { umount /mnt; return 1; }
    cat /tmp/refused
    grep -qi "$1" /tmp/refused
}

# As unpacking and compiling do: many small files made, written, renamed over others, read, removed.
storm() { # node other-node options folder
    share "$1" /mnt "$3" && mkdir "/mnt/$4" && tar xf /storm.tar -C "/mnt/$4" && compile "/mnt/$4" &&
        umount /mnt && share "$2" /mnt "$3" &&
        (cd "/mnt/$4" && sha256sum -c /storm.sums >/tmp/sums 2>&1 || { grep -v ': OK' /tmp/sums | tail -n 5; false; }) &&
        [ "$(find "/mnt/$4" -name '*.o' | wc -l)" = "$(find "/mnt/$4" -name '*.c' | wc -l)" ] &&
        [ -z "$(find "/mnt/$4" -name '*.tmp')" ] && rm -r "/mnt/$4" && [ ! -e "/mnt/$4" ] && umount /mnt
}

compile() {
    find "$1" -name '*.c' | while read -r source; do
        sha256sum <"$source" >"$source.tmp" && cat "$source" >>"$source.tmp" && echo old >"${source%.c}.o" &&
            mv "$source.tmp" "${source%.c}.o" || return 1
    done
}

random_io() { # seed options [nomap]: on one node, seen from another
    share 1 /mnt "$2" && share 2 /mnt2 "$uncached,nosharesock" &&
        fsx "/mnt/fsx$1" "/mnt2/fsx$1" "$1" 3000 $3 && rm "/mnt/fsx$1" && umount /mnt2 && umount /mnt
}

posix_locks() { # two clients, two nodes
    share 1 /mnt "$1" && share 2 /mnt2 "$1,nosharesock" && locks /mnt/locks /mnt2/locks && rm /mnt/locks &&
        umount /mnt2 && umount /mnt
}

uncached=vers=3.1.1,cache=none,actimeo=0
check 'vers=3.1.1: a tree there and back through another node' copy_tree 1 2 vers=3.1.1,cache=none plain
check 'vers=3.1.1,seal: the same' copy_tree 2 3 vers=3.1.1,seal,cache=none sealed
check 'vers=3.1.1 with caching: a folder' copy_small 3 1 vers=3.1.1 3.1.1 cached
check 'vers=3.1.1,sign: a folder' copy_small 1 2 vers=3.1.1,sign,cache=none 3.1.1 d0
for dialect in 3.0.2 3.0 2.1; do
    check "vers=$dialect: a folder" copy_small 1 2 "vers=$dialect,cache=none" "${dialect%%.2}" "d$dialect"
done
check 'vers=3.0,seal: a folder' copy_small 3 1 vers=3.0,seal,cache=none 3.0 d30

check 'an archive unpacked, compiled, removed' storm 1 2 vers=3.1.1 storm
check 'the same, sealed' storm 2 3 vers=3.1.1,seal storm
check 'random operations on a file, cached' random_io 1 vers=3.1.1,actimeo=0
check 'the same, not cached' random_io 2 "$uncached" nomap
check 'the same, sealed' random_io 3 vers=3.1.1,actimeo=0,seal
check 'the same, vers=2.1' random_io 4 vers=2.1,actimeo=0
check 'locks of two clients' posix_locks "$uncached"

share 1 /mnt "$uncached"
share 2 /mnt2 "$uncached,nosharesock"
check 'names: made, replaced, removed, as another node sees them' names
check 'sizes: appended, cut, sparse over 4 GiB' sizes
check 'a folder of 400 files' many
check 'a file deleted while it is open' open_and_deleted
check 'two nodes write one file by turns' two_at_once
umount /mnt2
umount /mnt

check 'a wrong password' refused 'permission denied' user=admin,pass=wrong,vers=3.1.1 general
check 'an unknown share' refused 'no such file' "user=admin,pass=$password,vers=3.1.1" nosuch
check 'nobody without a name' refused 'permission denied' sec=none,vers=3.1.1 general
exit 0
