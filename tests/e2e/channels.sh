#!/usr/bin/env bash
# How clients protect what they say, and by how many connections they say it: each algorithm of signing and sealing
# with a client that offers just that one, what the settings forbid, and a session that loses channels.
# covers: node/io/interfaces.c
set -u
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 3

# A file there and back through two nodes. The client takes no other algorithm than it has offered.
there_and_back() { # smbclient's options
    head -c 3000000 /dev/urandom >"$work/file"
    smb 1 general "put $work/file protected" "$@" && smb 2 general "get protected $work/back; del protected" "$@" &&
        cmp "$work/file" "$work/back"
}

torture() { # tests
    smbtorture //127.0.0.12/general -U "admin%$password" "$@" --option=torture:progress=no
}

for signing in AES-128-GMAC AES-128-CMAC HMAC-SHA256; do
    check "signed with $signing" there_and_back --client-protection=sign \
        --option="client smb3 signing algorithms=$signing"
done
for cipher in AES-128-GCM AES-128-CCM AES-256-GCM AES-256-CCM; do
    check "sealed with $cipher" there_and_back --client-protection=encrypt \
        --option="client smb3 encryption algorithms=$cipher"
done

check 'a client is told where the node is' torture smb2.multichannel.generic.interface_info
check 'a session has 32 channels and no more' torture smb2.multichannel.generic.num_channels
check 'a session outlives the loss of channels, the first included' torture smb2.session.bind2

# Twice: with the old session on another node, and on the same.
come_back() { python3 "$top/tests/e2e/previous.py" 127.0.0.11 "$1" general "$password" user1; }
python3 -c 'import impacket' 2>/dev/null || PATH=/usr/bin:$PATH
if python3 -c 'import impacket' 2>/dev/null; then
    check 'a session left behind on another node ends first' come_back 127.0.0.12
    check 'so does one on the same' come_back 127.0.0.11
else
    echo 'skip - a session left behind ends first # python3-impacket is not installed'
fi

dev stop 1 node >/dev/null 2>&1
printf '\n[smb]\nciphers = aes-256-gcm\nsigning = aes-gmac\n' >>"$FLOTILLA_RUN/n1/flotilla.conf"
dev start 1 node >/dev/null 2>&1
check 'a node that allows AES-256-GCM and AES-GMAC alone serves' flotilla status --wait 30
check 'who has both gets in' smb 1 general ls --client-protection=encrypt
refute 'who has another cipher does not' "doesn't support SMB3 encryption" smb 1 general ls --client-protection=encrypt \
    --option="client smb3 encryption algorithms=AES-128-GCM"
check 'every daemon is still alive, and the cluster healthy' flotilla status --wait 30
