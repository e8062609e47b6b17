#!/usr/bin/python3
"""A client that loses its connection to one node and comes back to another, in raw SMB: it names the session it had,
and may open at once what that session held open for itself alone.

usage: previous.py HERE THERE SHARE PASSWORD OTHER-USER     prints one word for each thing it has seen; exit status 77:
impacket is not installed
"""

import sys

try:
    from impacket import ntlm, smb3, smb3structs
    from impacket.nmb import NetBIOSError
    from impacket.smbconnection import SessionError, SMBConnection
except ImportError:
    sys.exit(77)

HERE, THERE, SHARE, PASSWORD, OTHER = sys.argv[1:6]
STATUS_SHARING_VIOLATION = 0xC0000043
STATUS_USER_SESSION_DELETED = 0xC0000203
previous = 0


class SessionSetup(smb3structs.SMB2SessionSetup):
    """One that names the session left behind."""

    def __init__(self, data=None):
        super().__init__(data)
        self["PreviousSessionId"] = previous


def tells_version():
    """[MS-NLMP] 2.2.1: gss-ntlmssp reads messages with a Version only, which impacket has to be given."""

    def extended(cls, fields):
        plain = cls.__init__

        def init(self, *args, **words):
            plain(self, *args, **words)
            for name, value in fields.items():
                self[name] = value

        cls.__init__ = init

    version = bytes((10, 0, 0, 0, 0, 0, 0, 15))
    extended(ntlm.NTLMAuthNegotiate, {"os_version": version})
    extended(ntlm.NTLMAuthChallengeResponse, {"Version": version, "MIC": bytes(16)})


def log_on(node, user):
    c = SMBConnection(node, node, preferredDialect=smb3structs.SMB2_DIALECT_30)
    c.login(user, PASSWORD)
    return c, c.connectTree(SHARE)


def open_alone(c, tree):
    """The status of opening a file that nobody else may have open."""
    try:
        c.openFile(tree, "alone", desiredAccess=0x12019F, shareMode=0, creationDisposition=3)
    except SessionError as e:
        return e.getErrorCode()
    return 0


def session_id(c):
    return c.getSMBServer()._Session["SessionID"]


def main():
    global previous
    tells_version()
    smb3.SMB2SessionSetup = SessionSetup
    old, old_tree = log_on(HERE, "admin")
    assert open_alone(old, old_tree) == 0
    stranger, tree = log_on(THERE, "admin")
    assert open_alone(stranger, tree) == STATUS_SHARING_VIOLATION
    print("kept")
    previous = session_id(old)
    other, tree = log_on(THERE, OTHER)
    assert open_alone(other, tree) == STATUS_SHARING_VIOLATION
    print("not-another-user's")
    new, tree = log_on(THERE, "admin")
    status = open_alone(new, tree)
    assert status == 0, hex(status)
    print("taken-over")
    try:  # what is sealed for a session that is not there costs the connection ([MS-SMB2] 3.3.5.2.1.1)
        status = open_alone(old, old_tree)
    except NetBIOSError:
        status = STATUS_USER_SESSION_DELETED
    assert status == STATUS_USER_SESSION_DELETED, hex(status)
    print("gone")


main()
