#!/usr/bin/env bash
# The witness service as clients use it: Samba's own MS-SWN client against a running cluster.
# covers: witness/io/net.c witness/io/conn.c witness/io/follow.c
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 3
cd "$work" || exit 1
export USERNAME=user1 PASSWORD=$password
client() { timeout 90 /usr/bin/python3 "$top/tests/e2e/witness.py" "$@" 2> >(grep -v WARNING >&2); }

# The users reach a witness a moment after the cluster knows them.
for i in 1 2 3; do
    SECONDS=0
    until client "127.0.0.1$i" sign list >/dev/null 2>&1 || [ $SECONDS -gt 20 ]; do sleep 0.1; done
done

# INTERFACE_WITNESS exactly on what the asked witness does not host itself.
lists() { # asked options
    client "127.0.0.1$1" "$2" list >list || return 1
    cat list
    local i want=''
    for i in 1 2 3; do
        want+="n$i 127.0.0.1$i up $([ "$i" = "$1" ] && echo own || echo witness) 20000"$'\n'
    done
    [ "$(sort list)" = "${want%$'\n'}" ]
}
for options in sign seal sign,ntlm seal,ntlm sign,spnego seal,spnego; do
    check "GetInterfaceList [$options]" lists 1 "$options"
done
check 'GetInterfaceList at n2' lists 2 sign
check 'GetInterfaceList at n3' lists 3 seal

with() { env "$1" timeout 60 /usr/bin/python3 "$top/tests/e2e/witness.py" "${@:2}"; }
check 'a user who names another domain' with DOMAIN=OTHER 127.0.0.11 sign list
check 'a user who writes his name otherwise' with USERNAME=USER1 127.0.0.11 sign list
refute 'neither signed nor sealed' WERR_ACCESS_DENIED client 127.0.0.11 connect list
refute 'a wrong password' 'LOGON_FAILURE\|logon is invalid\|ACCESS_DENIED' with PASSWORD=wrong 127.0.0.11 sign list
refute 'an unknown user' 'LOGON_FAILURE\|logon is invalid\|ACCESS_DENIED' with USERNAME=nobody 127.0.0.11 sign list
refute 'nobody in particular' . with USERNAME= 127.0.0.11 sign list
refute 'an interface nobody has' 'operating at the destination\|PORT_UNREACHABLE\|EPT_NT' client 127.0.0.11 sign absent

check 'register and unregister' client 127.0.0.11 seal register 127.0.0.12
check 'register for a share' client 127.0.0.11 sign register 127.0.0.12 vms
refute 'register for a share that is not there' WERR_INVALID_STATE client 127.0.0.11 sign register 127.0.0.12 nothere
refute 'register for an address that is not there' WERR_INVALID_STATE client 127.0.0.11 sign register 127.0.0.99 vms
refute 'register for another cluster' WERR_INVALID_PARAMETER client 127.0.0.11 sign register 127.0.0.12 vms other

# The registration of a client of n2 lives at n1, and hears that n2 has died and that it is back.
client 127.0.0.11 sign watch 127.0.0.12 2 >watch 2>&1 &
watcher=$!
settle() { timeout "$1" bash -c "until grep -qs '$2' watch; do sleep 0.1; done"; }
check 'a client watches n2 from n1' settle 20 watching
before=$(date +%s%N)
dev kill 2 node >/dev/null
check 'it hears that n2 has died' settle 20 'n2 down'
echo "# after $((($(date +%s%N) - before) / 1000000)) ms"
dev start 2 node >/dev/null
check 'and that n2 is back' settle 60 'n2 up'
check 'and unregisters' wait "$watcher"

# What strangers send costs their own connection only.
strangers() {
    local i
    for i in $(seq 20); do
        head -c $((i * 700)) /dev/urandom | timeout 5 bash -c 'cat >/dev/tcp/127.0.0.11/135' || true
        printf '\005\000\013\003\020\000\000\000\377\377\000\000\001\000\000\000' |
            timeout 5 bash -c 'cat >/dev/tcp/127.0.0.11/135' || true
    done 2>/dev/null
    for i in $(seq 5); do client 127.0.0.11 sign leave 127.0.0.12 || return 1; done
}
check 'strangers and leavers' strangers
check 'n1 still answers' lists 1 sign

restart() { dev kill 1 witness && dev start 1 witness && timeout 30 bash -c "until /usr/bin/python3 '$top/tests/e2e/witness.py' 127.0.0.11 sign list; do sleep 0.3; done" && lists 1 sign; }
check 'a witness that was killed comes back' restart
