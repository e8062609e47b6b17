#!/usr/bin/env bash
# The SMB client of the Linux kernel, in a User Mode Linux guest: trees written through one node and read
# through another, plain, sealed and in every dialect, and what smbclient then sees of them.
set -u
. "$(dirname "$0")/lib.sh"
. "$top/tests/e2e/uml/guest.sh"

if reason=$(guest_missing); then
    echo "skip - the Linux kernel's client # $reason"
    exit 0
fi

# 200 small files of many sizes in 10 folders, and one that is written in pieces of any size.
make_tree() {
    local i
    for ((i = 0; i < 200; i++)); do
        mkdir -p "$guest/tree/$((i % 10))"
        head -c $((i * i * 2)) /dev/urandom >"$guest/tree/$((i % 10))/file$i"
    done
    head -c $((64 << 20)) /dev/urandom >"$guest/tree/large"
    (cd "$guest/tree" && find . -type f -exec sha256sum {} +) >"$guest/sums"
}

# Something to unpack: this repository's sources.
make_archive() {
    tar cf "$guest/storm.tar" -C "$top" proto node coordinator witness
    (cd "$top" && find proto node coordinator witness -type f -exec sha256sum {} +) >"$guest/storm.sums"
}

seen_by_smbclient() { # folder
    rm -rf "$work/back" && mkdir "$work/back" && cd "$work/back" &&
        smb 3 general "cd $1; prompt; recurse; mget *" && sha256sum --quiet -c "$guest/sums"
}

make_tree
make_archive
check 'the programs of the guest compile' guest_program "$top/tests/e2e/uml/fsx.c"
check 'and the other one' guest_program "$top/tests/e2e/uml/locks.c"
echo "$password" >"$guest/password"
cluster_up --nodes 3
guest_run 480 "$top/tests/e2e/uml/mount.sh"
finished=$?
cat "$guest/report" 2>/dev/null
check 'the guest finishes' test "$finished" = 0
for folder in plain sealed; do
    check "smbclient sees the folder the kernel wrote $folder" seen_by_smbclient "$folder"
done

# Two guests, two nodes: what one does the other sees, and a lock of one keeps the other out.
in_pair() { # number role
    guest_choose "$1"
    guest_ready && guest_program "$top/tests/e2e/uml/lockdo.c" && echo "$password" >"$guest/password" && echo "$2" >"$guest/role" &&
        guest_run 300 "$top/tests/e2e/uml/pair.sh"
}
in_pair 2 first &
first=$!
in_pair 3 second &
second=$!
check 'the first of two guests finishes' wait "$first"
check 'and the second' wait "$second"
cat "$work"/guest[23]/report 2>/dev/null
