#!/usr/bin/env bash
# What Windows' administrators and Samba's tools do through the pipes of IPC$: shares, sessions, open files, names.
# smbtorture's suites of the same are in rpc.expected.
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 3
cd "$work" || exit 1

rpc() { # NODE COMMAND...: as admin
    local node=$1
    shift
    timeout 20 rpcclient "127.0.0.1$node" -U "admin%$password" -c "$*"
}
user_rpc() { timeout 20 rpcclient 127.0.0.11 -U "user1%$password" -c "$*"; }
both() { # TEXT TEXT COMMAND...: the output has both
    local one=$1 other=$2
    shift 2
    "$@" >both.out 2>&1
    cat both.out
    grep -q -- "$one" both.out && grep -q -- "$other" both.out
}

# --- shares
check 'shares are listed' both 'netname: vms' 'remark:.*Everything else' rpc 1 netshareenumall 1
check 'IPC$ among them' both 'netname: IPC\$' 'netname: general' rpc 2 netshareenumall 1
check 'those that stay are listed alone' sh -c "! rpcclient 127.0.0.11 -U 'admin%$password' -c netshareenum | grep 'IPC'"
check 'paths are those of volumes' both 'path:.C:.vol1.vms' 'max_uses:.-1' rpc 1 netshareenumall 502
check 'no cluster bits are on the wire' both 'netname: vms' 'type:.0x0$' rpc 1 netsharegetinfo vms 502
says 'paths are for administrators' WERR_ACCESS_DENIED user_rpc netsharegetinfo vms 2
check 'names are for everybody' both 'netname: vms' 'Virtual machines' user_rpc netsharegetinfo vms 1
says 'what is not there is not found' NETNAMENOTFOUND rpc 1 netsharegetinfo nothing 1
says 'others may not add shares' WERR_ACCESS_DENIED user_rpc 'netshareadd C:\\vol1\\x x'
says 'nor remove them' WERR_ACCESS_DENIED user_rpc 'netsharedel vms'
check 'an administrator adds one' rpc 1 'netshareadd C:\\vol1\\made\\here made 7 Made_here'
knows() { timeout 20 bash -c 'until rpcclient 127.0.0.1'"$1"' -U "admin%'"$password"'" -c "netsharegetinfo made 2" | grep -q "'"$2"'"; do :; done'; }
check 'each node knows it' knows 3 'C:.vol1.made.here'
check 'with its limit' both 'max_uses:.7' 'Made_here' rpc 1 netsharegetinfo made 502
says 'not twice' WERR_NERR_DUPLICATESHARE rpc 2 'netshareadd C:\\vol1\\made made'
says 'nor on no volume' UNKNOWNDEVDIR rpc 1 'netshareadd C:\\nowhere\\x x'
check 'files go there' smb 2 made 'mkdir inside'
check 'it gets another comment' rpc 2 netsharesetinfo made Changed
check 'which each node tells' knows 1 Changed
check 'the cluster lists it' sh -c 'flotilla share ls | grep made | grep -q Changed'
check 'it is removed' rpc 3 netsharedel made
gone() { timeout 20 bash -c 'until rpcclient 127.0.0.11 -U "admin%'"$password"'" -c "netsharegetinfo made" 2>&1 | grep -q NETNAMENOTFOUND; do :; done'; }
check 'and found no more' gone
check 'net rpc share lists' both vms general net rpc share list -S 127.0.0.11 -U "admin%$password"

# --- sessions and files: those of the node that is asked
# hold NUMBER: user1 opens a file on the first node; `hold N` lets it go on to write
holds() {
    mkfifo "hold$1"
    /usr/bin/python3 "$top/tests/e2e/hold.py" 127.0.0.11 general "kept$1" user1 "$password" <"hold$1" >"held$1.out" 2>&1 &
    eval "exec $((6 + $1))>hold$1"
    timeout 20 sh -c "until grep -q open held$1.out; do :; done"
}
lets_go() { echo >"hold$1" && timeout 20 sh -c "until [ \$(wc -l <held$1.out) -ge 2 ]; do :; done" && cat "held$1.out"; }
listed() { rpc 1 netfileenum | grep -q "general.kept$1"; }
check 'somebody opens a file' holds 1
check 'it is listed' listed 1
elsewhere() { ! rpc 2 netfileenum | grep -q kept; }
check 'by the node that has it' elsewhere
says 'not to everybody' WERR_ACCESS_DENIED user_rpc netfileenum
check 'so is the session' both 'Received 2 entries' . rpc 1 netsessenum
says 'not to everybody' WERR_ACCESS_DENIED user_rpc netsessenum
closes() { net rpc file close "$(net rpc file -S 127.0.0.11 -U "admin%$password" | awk '/general.kept1/ {print $1}')" -S 127.0.0.11 -U "admin%$password"; }
check 'net rpc file closes it' closes
closed() { ! listed 1; }
check 'it is open no more' closed
says 'which its client finds out' 0xC0000128 lets_go 1
check 'somebody opens another' holds 2
check 'his session is ended' rpc 1 'netsessdel \\\\127.0.0.1 user1'
says 'which he finds out' 0xC0000203 lets_go 2
exec 7>&- 8>&-

# --- the server, and who is who
check 'the server is described' both 'server type' 'os version.*10.0' rpc 1 srvinfo
check 'its time is told' net time -S 127.0.0.11 -U "admin%$password"
check 'so is its domain' both flotilla '(2)' rpc 1 wkssvc_getjoininformation
check 'and its policy' both 'Domain Name: flotilla' . rpc 1 lsaquery
check 'SIDs have names' both 'BUILTIN.Administrators (4)' 'Everyone (5)' rpc 1 lookupsids S-1-5-32-544 S-1-1-0
says 'unknown ones do not' unknown rpc 1 lookupsids S-1-5-21-9-9-9-500
check 'names have SIDs' both 'S-1-5-32-545' 'user1 S-1-5-21' rpc 1 lookupnames Users user1
says 'unknown ones do not' UNKNOWN rpc 1 lookupnames nobody user1
check 'privileges are named' both SeBackupPrivilege SeSecurityPrivilege rpc 1 enumprivs
check 'users are listed' both 'user:.admin.' 'user:.user1.' rpc 1 enumdomusers
says 'not to everybody' ACCESS_DENIED user_rpc enumdomusers
check 'and described' both 'User Name.*admin' 'user_rid :.0x3e8' rpc 1 queryuser 1000
check 'with their group' both 'rid:.0x201' . rpc 1 queryusergroups 1000
acl() { smbclient //127.0.0.11/general -U "admin%$password" -c 'mkdir acl' && smbcacls //127.0.0.11/general acl -U "admin%$password"; }
check 'a descriptor is shown with names' both 'BUILTIN.Administrators:ALLOWED' 'CREATOR OWNER:ALLOWED' acl

# --- Samba's bindings for python
check 'python3-samba calls the pipes' /usr/bin/python3 "$top/tests/e2e/rpc.py" 127.0.0.11 admin "$password"

# --- smbtorture
torture() { # suite: TEST pass|fail
    timeout -k 5 60 smbtorture ncacn_np:127.0.0.11 -U "admin%$password" --option=torture:dangerous=yes \
        --option=torture:progress=no "$1" 2>&1 | awk '
        /^(success|failure|error): / {
            is = $1 == "success:" ? "pass" : "fail"
            sub(/ \[$/, "")
            name = substr($0, index($0, ": ") + 2)
            gsub(/ /, "-", name)
            print name, is
        }'
}
for suite in $(awk '!/^#/ && !seen[$1]++ {print $1}' "$top/tests/e2e/rpc.expected"); do
    torture "$suite" >got
    while read -r _ name want reason; do
        got=$(awk -v name="$name" '$1 == name {print $2}' got)
        if [ "$got" = "$want" ]; then
            echo "ok - $suite $name${reason:+ ($want, as expected) $reason}"
        else
            echo "not ok - $suite $name: ${got:-not run}, expected: $want $reason"
        fi
    done < <(awk -v suite="$suite" '$1 == suite' "$top/tests/e2e/rpc.expected")
done
check 'every daemon is still alive, and the cluster healthy' flotilla status --wait 30
