#!/usr/bin/python3
"""SMB clients of other makes against two nodes of a running cluster, for clients.sh.

usage: clients.py MAKE HERE THERE PASSWORD     MAKE: impacket, libsmbclient or libsmb

Each does what it can through HERE and looks at it through THERE. One line for each thing it states: `ok - name`,
or `not ok - name` and why; `skip - name # reason` where the client itself cannot.
"""
import io
import os
import sys
import traceback

SHARE = 'general'
DATA = bytes(range(256)) * 12000 + b'and an end that is no multiple of anything'


def state(name, what):
    try:
        what()
        print('ok - ' + name, flush=True)
    except Exception:  # whatever the client throws
        print('not ok - ' + name, flush=True)
        print(''.join('    ' + line for line in traceback.format_exc().splitlines(True)[-8:]), flush=True)


def must(cond, what):
    if not cond:
        raise AssertionError(what)


# ---- impacket: SMB and DCE/RPC written in Python ----------------------------------------------------------------

# [MS-NLMP] 2.2.1: a message has no Version when the flag is not set, and impacket sets it only when it is given one;
# gss-ntlmssp, by which the server understands NTLM, reads messages with a Version only.
def impacket_tells_version():
    from impacket import ntlm

    def extended(cls, fields):
        old = cls.__init__

        def init(self, *args, **words):
            old(self, *args, **words)
            for name, value in fields.items():
                self[name] = value
        cls.__init__ = init

    version = bytes((10, 0, 0, 0, 0, 0, 0, 15))
    extended(ntlm.NTLMAuthNegotiate, {'os_version': version})
    extended(ntlm.NTLMAuthChallengeResponse, {'Version': version, 'MIC': bytes(16)})


def impacket(here, there, password):
    from impacket.smb3structs import SMB2_DIALECT_002, SMB2_DIALECT_21, SMB2_DIALECT_30, SMB2_DIALECT_311
    from impacket.smbconnection import SMBConnection, SessionError

    impacket_tells_version()

    def connect(address, dialect):
        c = SMBConnection(address, address, sess_port=445, preferredDialect=dialect)
        c.login('admin', password)
        must(c.getDialect() == dialect, 'another dialect: %x' % c.getDialect())
        return c

    def there_and_back(dialect):
        a, b = connect(here, dialect), connect(there, dialect)
        back = io.BytesIO()
        a.createDirectory(SHARE, 'impacket')
        a.putFile(SHARE, 'impacket\\one', io.BytesIO(DATA).read)
        b.getFile(SHARE, 'impacket\\one', back.write)
        must(back.getvalue() == DATA, 'other bytes')
        b.rename(SHARE, 'impacket\\one', 'impacket\\two')
        names = [f.get_longname() for f in a.listPath(SHARE, 'impacket\\*')]
        must(sorted(names) == ['.', '..', 'two'], names)
        b.deleteFile(SHARE, 'impacket\\two')
        a.deleteDirectory(SHARE, 'impacket')
        must(not [f for f in b.listPath(SHARE, '*') if f.get_longname() == 'impacket'], 'it is still there')
        a.logoff()
        b.logoff()

    def shares():
        names = [s['shi1_netname'][:-1] for s in connect(here, SMB2_DIALECT_30).listShares()]
        must(SHARE in names and 'IPC$' in names, names)

    def wrong_password():
        c = SMBConnection(here, here, sess_port=445)
        try:
            c.login('admin', password + 'x')
        except SessionError as e:
            must('LOGON_FAILURE' in str(e), e)
            return
        raise AssertionError('it got in')

    for dialect, name in ((SMB2_DIALECT_002, '2.0.2'), (SMB2_DIALECT_21, '2.1'), (SMB2_DIALECT_30, '3.0')):
        state('impacket, %s: a file there and back through another node' % name, lambda: there_and_back(dialect))
    # What 0.10 signs under 3.1.1 no server takes, Samba's neither.
    try:
        connect(here, SMB2_DIALECT_311).logoff()
    except Exception as e:
        print('skip - impacket, 3.1.1 # the client cannot: %s' % str(e).splitlines()[0])
    else:
        state('impacket, 3.1.1: a file there and back through another node', lambda: there_and_back(SMB2_DIALECT_311))
    state('impacket lists the shares', shares)
    state('impacket with a wrong password', wrong_password)


# ---- libsmbclient: what file managers use -----------------------------------------------------------------------

def libsmbclient(here, there, password):
    import smbc
    context = smbc.Context(auth_fn=lambda server, share, group, user, word: ('FLOTILLA', 'admin', password))
    a, b = 'smb://%s/%s/' % (here, SHARE), 'smb://%s/%s/' % (there, SHARE)

    def names(url):
        return sorted(e.name for e in context.opendir(url).getdents())

    def there_and_back():
        context.mkdir(a + 'smbc', 0o755)
        f = context.creat(a + 'smbc/größer', 0o644)
        f.write(DATA)
        f.close()
        must(context.open(b + 'smbc/größer', os.O_RDONLY).read(len(DATA) + 10) == DATA, 'other bytes')
        must(context.stat(b + 'smbc/größer')[6] == len(DATA), context.stat(b + 'smbc/größer'))

    def in_place():
        f = context.open(b + 'smbc/größer', os.O_RDWR)
        f.seek(1000)
        f.write(b'here')
        f.close()
        f = context.open(a + 'smbc/größer', os.O_RDONLY)
        f.seek(998)
        must(f.read(8) == DATA[998:1000] + b'here' + DATA[1004:1006], 'other bytes')
        f.close()

    def renamed_and_removed():
        context.rename(a + 'smbc/größer', a + 'smbc/second')
        must(names(b + 'smbc') == ['.', '..', 'second'], names(b + 'smbc'))
        context.unlink(b + 'smbc/second')
        context.rmdir(b + 'smbc')
        must('smbc' not in names(a), names(a))

    state('libsmbclient: a file there and back through another node', there_and_back)
    state('libsmbclient: a few bytes in the middle', in_place)
    state('libsmbclient: renamed and removed', renamed_and_removed)


# ---- Samba's own library, by its Python bindings: security, streams, share modes, notifications -----------------

def libsmb(here, there, password):
    from samba import NTSTATUSError, credentials, ntstatus
    from samba.dcerpc import security
    from samba.param import LoadParm
    from samba.samba3 import libsmb_samba_internal as internal, param

    parameters = param.get_context()
    parameters.load_default()
    plain = LoadParm()
    who = credentials.Credentials()
    who.guess(plain)
    who.set_username('admin')
    who.set_password(password)

    def connect(address):
        return internal.Conn(address, SHARE, parameters, who)

    a, b = connect(here), connect(there)

    def there_and_back():
        a.mkdir('libsmb')
        a.savefile('libsmb\\one', DATA)
        must(b.loadfile('libsmb\\one') == DATA, 'other bytes')
        must([f['name'] for f in b.list('libsmb')] == ['one'], b.list('libsmb'))

    def streams():
        a.savefile('libsmb\\one:note', b'beside it')
        must(b.loadfile('libsmb\\one:note') == b'beside it', 'other bytes')
        must(b.loadfile('libsmb\\one') == DATA, 'the file has changed')

    def descriptors():
        sd = a.get_acl('libsmb\\one', security.SECINFO_OWNER | security.SECINFO_DACL)
        everyone = security.dom_sid('S-1-1-0')
        ace = security.ace()
        ace.trustee = everyone
        ace.access_mask = security.SEC_FILE_READ_DATA
        ace.type = security.SEC_ACE_TYPE_ACCESS_ALLOWED
        sd.dacl_add(ace)
        a.set_acl('libsmb\\one', sd, security.SECINFO_DACL)
        there_now = b.get_acl('libsmb\\one', security.SECINFO_DACL)
        must(any(x.trustee == everyone for x in there_now.dacl.aces), there_now.as_sddl())

    def share_modes():
        held = a.create('libsmb\\one', DesiredAccess=security.SEC_FILE_READ_DATA, ShareAccess=0, CreateDisposition=1)
        try:
            b.create('libsmb\\one', DesiredAccess=security.SEC_FILE_READ_DATA, ShareAccess=7, CreateDisposition=1)
        except NTSTATUSError as e:
            must(e.args[0] == ntstatus.NT_STATUS_SHARING_VIOLATION, e)
        else:
            raise AssertionError('two nodes let both have it')
        finally:
            a.close(held)
        b.close(b.create('libsmb\\one', DesiredAccess=security.SEC_FILE_READ_DATA, ShareAccess=7, CreateDisposition=1))

    def changes():
        folder = a.create('libsmb', DesiredAccess=security.SEC_DIR_LIST, ShareAccess=7, CreateDisposition=1)
        asked = a.notify(fnum=folder, buffer_size=1024, completion_filter=3, recursive=False)
        b.savefile('libsmb\\two', b'new')
        told = asked.get_changes(wait=True)
        must(told[0]['name'] == 'two', told)
        a.close(folder)

    def removed():
        b.deltree('libsmb')
        must(not a.chkpath('libsmb'), 'it is still there')

    state('libsmb: a file there and back through another node', there_and_back)
    state('libsmb: a stream of it', streams)
    state('libsmb: its security, set here and read there', descriptors)
    state('libsmb: opened here for nobody else, and refused there', share_modes)
    state('libsmb: changes made there are told here', changes)
    state('libsmb: a tree removed', removed)


if __name__ == '__main__':
    {'impacket': impacket, 'libsmbclient': libsmbclient, 'libsmb': libsmb}[sys.argv[1]](*sys.argv[2:5])
