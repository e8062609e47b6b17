#!/usr/bin/env bash
# Kerberos, with a real Active Directory: who gets in with a ticket, and what the log says of
# whoever does not.
#
# covers: node/io/auth.c proto/daemon/gss.c proto/rpc/pac.c
set -u
# shellcheck source=tests/e2e/ad.sh
. "$(dirname "$0")/ad.sh"
ad_namespace "$@"
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
ad_start
cluster_up --nodes 3
cd "$work" || exit 1
ad_wait

# Nodes get a keytab and nothing else: no krb5.conf tells them of the realm.
settings() { # LINES for [smb] of each node, which then starts again
    local i
    for i in 1 2 3; do
        sed -i "/^keytab *=/d; /^ntlm *=/d; /^\[smb\]/a $1" "$FLOTILLA_RUN/n$i/flotilla.conf"
        dev stop $i node
        KRB5_CONFIG=/dev/null KRB5RCACHEDIR=$work dev start $i node
    done
    timeout 30 flotilla status --wait 25 --shares
}
keytab=$work/krb5.keytab
cp "$ad/sofs.keytab" "$keytab"
check 'the nodes take a keytab' settings "keytab = $keytab"

export KRB5_CONFIG=$ad/krb5.conf KRB5CCNAME=$work/alice
alice() { # SERVER SHARE COMMANDS [smbclient options]
    local server=$1 share=$2 commands=$3
    shift 3
    timeout 20 smbclient "//$server/$share" -s "$ad/client.conf" --use-kerberos=required \
        --use-krb5-ccache="$KRB5CCNAME" "$@" -c "$commands"
}
logon() { # USER PASSWORD SERVICES...
    timeout 20 kinit -c "$work/$1" "$1" <<<"$2" && KRB5CCNAME=$work/$1 timeout 20 kvno "${@:3}"
}
host_logon() { timeout 20 kinit -c "$work/hv1" -kt "$ad/hv1.keytab" 'HV1$'; }
check 'alice gets tickets' \
    logon alice Alice-Passw0rd cifs/sofs.ad.test cifs/sofs cifs/other.ad.test
check 'bob gets one' logon bob Bob-Passw0rd cifs/sofs.ad.test
check 'a machine gets one with its keytab' host_logon

# --- who belongs
head -c 3000000 /dev/urandom >three
round_trip() { # SERVER options...
    local server=$1
    shift
    alice "$server" general 'put three three.bin' "$@" && rm -f back &&
        alice "$server" general 'ls; get three.bin back' "$@" && cmp three back
}
check 'put, list and get with a ticket' round_trip sofs.ad.test
check 'the same by the short name' round_trip sofs
check 'the same through another node' round_trip sofs.ad.test -I 127.0.0.12
check 'the same, encrypted' round_trip sofs.ad.test --client-protection=encrypt
check 'the same, signed' round_trip sofs.ad.test --client-protection=sign
for dialect in SMB2_02 SMB2_10 SMB3_00 SMB3_11; do
    check "the same with $dialect" \
        round_trip sofs.ad.test -m $dialect --option="client min protocol=$dialect"
done
as_host() { KRB5CCNAME=$work/hv1 alice sofs.ad.test vms 'mkdir hv1; put three hv1\disk; ls hv1\*'; }
check 'a computer account does the same' as_host

# --- how long: tickets of a few seconds, and what a session may when its own has ended
expire() { # all at once: each waits for the end of a ticket
    local test pids=() bad=0
    for test in 1n 1s 1e 2s 2e _disconnect; do
        timeout 90 smbtorture //sofs.ad.test/general -s "$ad/client.conf" --use-kerberos=required \
            -U 'alice@AD.TEST%Alice-Passw0rd' "smb2.session.expire$test" >"$work/expire$test" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
    grep -h -A1 '^\(success\|failure\|error\|skip\):' "$work"/expire*
    return $bad
}
check 'sessions end with their tickets, are renewed, or logged off' expire

# --- whose what is
acl() { # CACHE SHARE FILE [smbcacls options]
    local cache=$work/$1 share=$2 file=$3
    shift 3
    timeout 20 smbcacls "//sofs.ad.test/$share" "$file" -s "$ad/client.conf" --numeric \
        --use-kerberos=required --use-krb5-ccache="$cache" "$@"
}
says 'her file is her own' "^OWNER:$(cat "$ad/alice.sid")\$" acl alice general three.bin
says "the machine's is its own" "^OWNER:$(cat "$ad/hv1.sid")\$" acl hv1 vms 'hv1\disk'
bob() { KRB5CCNAME=$work/bob alice sofs.ad.test general 'get three.bin back'; }
full=ALLOWED/0x0/0x1f01ff read=ALLOWED/0x0/0x120089
users=$(sed 's/-[0-9]*$/-513/' "$ad/alice.sid") # Domain Users, a group both are in
check 'she keeps it for herself' \
    acl alice general three.bin --set "ACL:$(cat "$ad/alice.sid"):$full"
refute 'bob does not read it' NT_STATUS_ACCESS_DENIED bob
check 'she still does' alice sofs.ad.test general 'get three.bin back'
check 'she lets a group of the domain read it' acl alice general three.bin --add "ACL:$users:$read"
check 'bob reads it' bob

# --- who does not
# refused NAME TEXT COMMAND...: it fails, and a node's log has a new line that says why
refused() {
    local name=$1 text=$2 log=$FLOTILLA_RUN/n1/node.log before
    shift 2
    before=$(wc -l <"$log")
    refute "$name" NT_STATUS "$@"
    says "... and the log says '$text'" "$text" tail -n "+$((before + 1))" "$log"
}
other_key() { # KVNO: the right names with a key of our own
    rm -f "$keytab"
    printf 'addent -password -p %s@AD.TEST -k %s -e aes256-cts-hmac-sha1-96\nGuessed-Passw0rd\n' \
        cifs/sofs.ad.test "$1" 'SOFS$' "$1" | (cat && echo "wkt $keytab") | ktutil >/dev/null
}
kvno=$(klist -k "$ad/sofs.keytab" | awk '/SOFS/ {print $1; exit}')
other_key "$kvno"
refused 'a keytab with another key' "keytab's key is not the one the domain uses" \
    alice sofs.ad.test general ls
other_key $((kvno + 1))
refused 'a keytab of another version' 'another version of our key than the keytab' \
    alice sofs.ad.test general ls
cp "$ad/sofs.keytab" "$keytab"
check 'the right one counts at once' round_trip sofs.ad.test

refused "another server's ticket" 'service name (SPN) this keytab lacks' \
    alice other.ad.test general ls
late() { # the ticket is good and at hand, so nobody but the node sees the client's clock
    timeout 20 faketime '+1 hour' smbclient //sofs.ad.test/general -s "$ad/client.conf" \
        --use-kerberos=required --use-krb5-ccache="$KRB5CCNAME" -c ls
}
refused 'a client an hour ahead' 'clocks of client and server differ' late
rm -f "$keytab"
refused 'a ticket when there is no keytab' 'no usable keytab' alice sofs.ad.test general ls
cp "$ad/sofs.keytab" "$keytab"

# --- the cluster's own users beside the domain's
check "a user of the cluster's own" smb 1 general ls
refute 'not with a wrong password' NT_STATUS_LOGON_FAILURE \
    timeout 20 smbclient //127.0.0.11/general -U 'admin%wrong' -c ls
refused 'a user of the domain without a ticket' 'unknown user or wrong password' \
    timeout 20 smbclient //127.0.0.11/general -U 'ADTEST\alice%Alice-Passw0rd' \
    --use-kerberos=off -c ls

# --- nobody to ask: neither the controller nor its DNS answers (on input: a sender learns nothing)
cut() {
    nft add table ip ad && nft add chain ip ad cut '{ type filter hook input priority 0; }' &&
        nft add rule ip ad cut ip daddr $ad_address drop
}
check 'the controller is cut off' cut
check 'a ticket at hand still counts' alice sofs.ad.test general ls
own() { timeout 5 smbclient //127.0.0.11/general -U "admin%$password" --use-kerberos=off -c ls; }
check "and a user of the cluster's own does not wait" own
nft delete table ip ad

check 'the nodes do without NTLM' settings "keytab = $keytab\\nntlm = no"
check 'who has a ticket gets in' round_trip sofs.ad.test
refused 'and nobody else' 'NTLM is not allowed' smb 1 general ls
