#!/usr/bin/env bash
# Clients of other makes, each through two nodes at once: what it did at one it finds at the other. impacket is
# SMB in Python by others; libsmbclient is what file managers use; Samba's library below it says more of Windows.
set -u
. "$(dirname "$0")/lib.sh"

has() { /usr/bin/python3 -c "import $1" 2>/dev/null; }

client() { # make module package
    if ! has "$2"; then
        echo "skip - $1 # the package $3 is not installed"
        return
    fi
    timeout 120 /usr/bin/python3 "$top/tests/e2e/clients.py" "$1" 127.0.0.11 127.0.0.12 "$password" 2>"$work/$1.log"
    local rc=$?
    [ $rc = 0 ] || { echo "not ok - $1 comes to an end (status $rc)"; tail -n 5 "$work/$1.log"; }
}

# Settings of this machine's Samba are nobody's business here.
export SMB_CONF_PATH=$work/smb.conf HOME=$work
printf '[global]\n  workgroup = FLOTILLA\n  client min protocol = SMB2\n' >"$work/smb.conf"
cluster_up --nodes 3
client impacket impacket python3-impacket
client libsmbclient smbc python3-smbc
client libsmb samba.samba3 python3-samba
# Debian 12 has no libsmb2; where there is one, it is asked, too.
if command -v smb2-ls-async >/dev/null; then
    check 'libsmb2 lists a folder' smb2-ls-async "smb://FLOTILLA;admin:$password@127.0.0.13/general?vers=3.1.1"
else
    echo 'skip - libsmb2 # this Debian has no package of its programs'
fi
check 'every daemon is still alive, and the cluster healthy' flotilla status --wait 30
