#!/usr/bin/env bash
# Who does not belong stays outside and is told why; what nobody should send costs its own connection only.
# covers: node/io/smbnet.c node/io/peers.c coordinator/io/clients.c
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 1
cd "$work" || exit 1

# --- a node with the papers of another cluster, or with none that count
flotilla cluster init --name other --node n1=127.0.0.12 --state-dir . --out other >/dev/null
id() { sed -n 's/^id = \([0-9a-f]\{32\}\)$/\1/p' "$1/flotilla.conf"; }
stranger() { # NAME: a machine whose papers are all of the other cluster, and that calls this one
    mkdir -p "$1" && cp other/n1/* "$1/"
    sed -i 's/^coordinator = .*/coordinator = 1 127.0.0.11:4460/' "$1/flotilla.conf"
}
ours() { sed -i "s/$(id "$1")/$(id "$FLOTILLA_RUN/n1")/" "$1/flotilla.conf"; } # NAME: says that it is of this cluster
told() { # NAME TEXT: the node is not let in and says TEXT
    timeout 20 flotilla-node --config "$1/flotilla.conf" >"$1.log" 2>&1 &
    local node=$! rc
    timeout 15 bash -c "until grep -q -- '$2' '$1.log'; do sleep 0.1; done"
    rc=$?
    kill "$node" 2>/dev/null
    wait "$node"
    cat "$1.log"
    return $rc
}
outside() { [ "$(flotilla node ls | grep -c '127\.0\.0\.1')" = 1 ]; } # n1 is all there is

stranger abroad && ours abroad
check 'a node of another cluster is refused and says why' told abroad 'another cluster'
noted() { grep '127.0.0.12:.* is refused' "$FLOTILLA_RUN/n1/coordinator.log"; }
check 'the coordinator notes it' noted

stranger forged && ours forged && cp "$FLOTILLA_RUN/n1/ca.crt" forged/
check 'so is one that shows our CA beside its own certificate' told forged 'not of the cluster whose CA'

stranger astray && cp "$FLOTILLA_RUN"/n1/{ca.crt,node.crt,node.key} astray/
check 'and one with the id of another cluster' told astray 'cluster id differs'

stranger clerk && ours clerk && cp "$FLOTILLA_RUN"/admin/{ca.crt,node.crt,node.key} clerk/
check 'an administrator is not a node' told clerk 'does not allow this role'

stranger double && ours double && cp "$FLOTILLA_RUN"/n1/{ca.crt,node.crt,node.key} double/
sed -i 's/^id = 1$/id = 7/' double/flotilla.conf
check 'nor is n1 another node than it is' told double 'belongs to another node'

sed 's/127\.0\.0\.12/127.0.0.11/' other/admin/flotilla.conf >other/admin/here.conf
refute 'an administrator of another cluster' 'another cluster' flotilla --config other/admin/here.conf --timeout 5 user ls
check 'nobody came in' outside

# --- bytes that mean nothing, at every door
nonsense() { # PORT
    local i
    for i in 1 2 3 4 5; do
        head -c $((i * 999)) /dev/urandom | timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.11/$1; cat >&3; cat <&3 >/dev/null" || true
        printf '\x16\x03\x01\xff\xff' | timeout 1 bash -c "exec 3<>/dev/tcp/127.0.0.11/$1; cat >&3; cat <&3 >/dev/null" || true
    done 2>/dev/null
    flotilla status --wait 5
}
for door in 4460 4461 135; do check "nonsense at port $door" nonsense $door; done
nameless() { # a TLS client without a certificate gets no further
    timeout 5 openssl s_client -connect 127.0.0.11:4461 -CAfile "$FLOTILLA_RUN/n1/ca.crt" <<<'let me in'
    tail -n 5 "$FLOTILLA_RUN/n1/node.log"
    tail -n 1 "$FLOTILLA_RUN/n1/node.log" | grep -q 'is refused'
}
check 'a node listens to nobody without a certificate' nameless

# --- packets that no client sends, beside one that works
head -c 64000000 /dev/urandom >big
(for i in 1 2 3; do smb 1 general "put big big$i" || exit 1; done) >put.log 2>&1 &
writer=$!
python3 "$top/tests/e2e/strangers.py" 127.0.0.11 445 list >cases
while read -r case; do
    check "SMB: $case" python3 "$top/tests/e2e/strangers.py" 127.0.0.11 445 "$case"
done <cases
crowd() { # many who say nothing, or half a packet
    timeout 20 python3 - <<'PY'
import socket
crowd = [socket.create_connection(('127.0.0.11', 445), 10) for _ in range(300)]
for i, s in enumerate(crowd):
    s.send(b'\0\0\1\0\xfeSMB'[:i % 9])
PY
    smb 1 general ls
}
check 'a crowd that says half a word' crowd
check 'a client beside all this wrote undisturbed' wait "$writer"
unharmed() { smb 1 general 'get big3 back' && cmp big back; }
check 'and what it wrote is there' unharmed
same() { [ "$(cat "$FLOTILLA_RUN"/n1/{node,coordinator,witness}.pid)" = "$pids" ] && dev status | grep -q 'coordinator:up  node:up  witness:up'; }
pids=$(cat "$FLOTILLA_RUN"/n1/{node,coordinator,witness}.pid)
check 'no daemon has died' same
