#!/usr/bin/env bash
# What people do with files, through smbclient, on one node and seen from another.
#
# covers: node/io/auth.c node/io/control.c node/io/disk.c node/io/extents.c node/io/reactor.c
# covers: node/io/shell.c node/io/smbnet.c node/io/tlslink.c
# covers: coordinator/io/clients.c coordinator/io/disk.c coordinator/io/server.c
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 3
cd "$work" || exit 1

list_shares() { smbclient -L //127.0.0.12 -U "user1%$password" >list && grep -q '^[[:space:]]*vms ' list && grep -q '^[[:space:]]*general ' list; }
check 'smbclient -L lists the shares' list_shares

head -c 5000000 /dev/urandom >five
round_trip() { # options...
    smb 1 general 'put five five.bin' "$@" && rm -f back && smb 2 general 'get five.bin back' "$@" && cmp five back
}
check 'put on n1, get on n2, equal' round_trip
check 'the same, encrypted' round_trip --client-protection=encrypt
check 'the same, signed' round_trip --client-protection=sign
for dialect in SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11; do
    check "put and get with $dialect" round_trip -m "$dialect" --option="client min protocol=$dialect"
done

manage() {
    smb 1 general 'mkdir one; mkdir one\two; cd one; rename two three; ls' | grep -q three &&
        smb 2 general 'put five one\three\a.bin; rename one\three\a.bin one\b.bin; du' &&
        smb 3 general 'ls one\b.bin' | grep -q b.bin &&
        smb 3 general 'del one\b.bin; rmdir one\three; rmdir one; ls' >out2 && ! grep -q ' one ' out2
}
check 'mkdir, rename, del, rmdir, du, each seen by the next node' manage

# Names that differ in case only are one name to SMB.
mkdir tree
(cd /usr && find include share lib/python3* -type f -size -256k 2>/dev/null |
    awk '!seen[tolower($0)]++' | head -n "${TREE_FILES:-10000}" |
    cpio -pdm --quiet "$work/tree" 2>/dev/null)
files=$(find tree -type f | wc -l)
put_tree() { (cd tree && smb 1 general 'mkdir tree; cd tree; prompt; recurse; mput *' "$@"); }
get_tree() { rm -rf back.d && mkdir back.d && (cd back.d && smb 2 general 'cd tree; prompt; recurse; mget *' "$@") && diff -r tree back.d; }
check "mput of a source tree of $files files" put_tree
check 'mget of it from another node, every byte equal' get_tree
check 'mget of it from another node, encrypted' get_tree --client-protection=encrypt

refute 'a wrong password' NT_STATUS_LOGON_FAILURE smbclient //127.0.0.11/general -U 'admin%wrong' -c ls
refute 'an unknown user' NT_STATUS_LOGON_FAILURE smbclient //127.0.0.11/general -U 'nobody%x' -c ls
refute 'an unknown share' NT_STATUS_BAD_NETWORK_NAME smb 1 nosuch ls
refute 'anonymous' NT_STATUS smbclient //127.0.0.11/general -N -U '%' -c ls
says 'a name too long' NT_STATUS_OBJECT_NAME_INVALID smb 1 general "mkdir $(printf 'x%.0s' {1..256})"
refute 'a path through a file' NT_STATUS_OBJECT_PATH_NOT_FOUND smb 1 general 'get five.bin\x y'
refute 'a missing file' NT_STATUS_OBJECT_NAME_NOT_FOUND smb 1 general 'get missing y'
says 'a directory in the way' NT_STATUS_OBJECT_NAME_COLLISION smb 1 general 'mkdir tree'
says 'a directory that is not empty' NT_STATUS_DIRECTORY_NOT_EMPTY smb 1 general 'rmdir tree'
