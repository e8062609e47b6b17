#!/usr/bin/env bash
# The SMB client of the Linux kernel, in a User Mode Linux guest, with two channels to one node that has three
# addresses. Amid the guest's writing the second channel is reset: the session outlives it, no byte is lost, and
# the client binds another.
set -u
. "$(dirname "$0")/lib.sh"
. "$top/tests/e2e/uml/guest.sh"

if reason=$(guest_missing); then
    echo "skip - the Linux kernel's client # $reason"
    exit 0
fi

connections() { ss -Htn state established "( sport = :445 and src 10.77.1.$1 )" | awk '{ print $NF }'; }
wait_for() { for _ in $(seq 900); do [ -e "$guest/$1" ] && return; read -rt 0.1 <> <(:); done; return 1; }
eventually() { for _ in $(seq 300); do "$@" && return; read -rt 0.1 <> <(:); done; return 1; }
has_channel() { [ -n "$(connections 22)" ]; }
has_another() { connections 22 | grep -qvxF "$before"; }
was_reset() { nft list table ip channel | grep -q 'packets [1-9]'; }
cut() {
    nft add table ip channel && nft add chain ip channel cut '{ type filter hook input priority 0; }' &&
        nft add rule ip channel cut ip daddr 10.77.1.22 tcp dport 445 counter reject with tcp reset
}

for n in 21 22; do ip addr add "10.77.1.$n/24" dev "$guest_tap"; done
echo "$password" >"$guest/password"
head -c $((24 << 20)) /dev/urandom >"$guest/bytes"
(cd "$guest" && sha256sum bytes >sums)
cluster_up --nodes 1
dev stop 1 node >/dev/null 2>&1
sed -i '/^\[node\]/a smb_addresses = 10.77.1.21 10.77.1.22' "$FLOTILLA_RUN/n1/flotilla.conf"
dev start 1 node >/dev/null 2>&1
check 'a node with three addresses serves' flotilla status --wait 30

rm -f "$guest"/{mounted,written,cut,through}
guest_run 150 "$top/tests/e2e/uml/channels.sh" &
run=$!
check 'the guest has mounted the share' wait_for mounted
check 'by two channels' eventually has_channel
check 'it has written half a file' wait_for written
before=$(connections 22)
check 'the second channel is reset' cut
touch "$guest/cut"
check 'the guest meets it' eventually was_reset
nft delete table ip channel
check 'another is bound' eventually has_another
check 'the guest has written all of it, and read it' wait_for through
wait $run
finished=$?
cat "$guest/report" 2>/dev/null
check 'the guest finishes' test "$finished" = 0
check 'smbclient reads what the kernel wrote' eval 'smb 1 general "get one $work/one; get two $work/two" &&
    cmp "$work/one" "$guest/bytes" && cmp "$work/two" "$guest/bytes"'
