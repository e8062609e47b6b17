#!/usr/bin/python3
"""Watches through one node what is done through another, with Samba's client, for notify.sh.
usage: notify.py WATCHER DOER COMMAND...: addresses of nodes, USERNAME and PASSWORD from the environment.

  names                       names come, change and go, and each watcher is told his
  data                        sizes, times, attributes, security
  overflow                    more than the watcher has room for
  removed                     the directory itself goes
  meanwhile SHELL-COMMAND     what happens while the command runs is told, or that something may have
"""
import os
import subprocess
import sys

from samba import NTSTATUSError, credentials
from samba.dcerpc import security
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

ACTIONS = {libsmb.NOTIFY_ACTION_ADDED: '+', libsmb.NOTIFY_ACTION_REMOVED: '-', libsmb.NOTIFY_ACTION_MODIFIED: 'm',
           libsmb.NOTIFY_ACTION_OLD_NAME: 'o', libsmb.NOTIFY_ACTION_NEW_NAME: 'n'}
NOTIFY_ENUM_DIR = 0x0000010c
DELETE_PENDING = 0xc0000056


def connect(address):
    lp = param.get_context()
    lp.load(os.devnull)
    creds = credentials.Credentials()
    creds.guess(lp)
    creds.set_username(os.environ['USERNAME'])
    creds.set_password(os.environ['PASSWORD'])
    creds.set_kerberos_state(credentials.DONT_USE_KERBEROS)
    return libsmb.Conn(address, 'general', lp, creds)


class Watch:
    """A directory's open, with one request always waiting."""

    def __init__(self, conn, name, recursive=True, events=libsmb.FILE_NOTIFY_CHANGE_ALL, room=0xffff):
        self.conn, self.recursive, self.events, self.room = conn, recursive, events, room
        self.fnum = conn.create(Name=name, DesiredAccess=security.SEC_DIR_LIST, ShareAccess=7)
        self.again()

    def again(self):
        self.request = self.conn.notify(fnum=self.fnum, buffer_size=self.room, completion_filter=self.events,
                                        recursive=self.recursive)
        # A node's commands are carried out in order: when this one has been, the watch stands.
        self.conn.chkpath('')

    def told(self):
        """What the waiting request is told, or the status it ends with."""
        self.conn.settimeout(30000)
        try:
            changes = self.request.get_changes(wait=True)
        except NTSTATUSError as e:
            return e.args[0] & 0xffffffff
        self.again()
        return [ACTIONS[c['action']] + c['name'] for c in changes]


def expect(watch, *wanted):
    """Exactly these, in as many answers as they come."""
    got = []
    while len(got) < len(wanted):
        told = watch.told()
        assert isinstance(told, list), f'{told:#x} instead of {wanted}'
        got += told
    assert got == list(wanted), f'{got} instead of {wanted}'


def names(watcher, doer):
    doer.mkdir('watched')
    doer.mkdir('watched\\sub')
    tree, flat = Watch(watcher, 'watched'), Watch(watcher, 'watched', recursive=False)
    doer.mkdir('watched\\a')
    expect(tree, '+a')
    expect(flat, '+a')
    doer.mkdir('watched\\sub\\b')
    expect(tree, '+sub\\b')
    doer.rename('watched\\a', 'watched\\c')
    expect(tree, 'oa', 'nc')
    expect(flat, 'oa', 'nc')
    doer.rename('watched\\c', 'watched\\sub\\c')
    expect(tree, '-c', '+sub\\c')
    expect(flat, '-c')
    doer.rmdir('watched\\sub\\c')
    expect(tree, '-sub\\c')


def data(watcher, doer):
    events = (libsmb.FILE_NOTIFY_CHANGE_SIZE | libsmb.FILE_NOTIFY_CHANGE_LAST_WRITE |
              libsmb.FILE_NOTIFY_CHANGE_SECURITY)
    watch = Watch(watcher, 'watched', events=events)
    doer.savefile('watched\\f', b'x' * 100000)
    expect(watch, 'mf')
    doer.set_sd(fnum := doer.create('watched\\f', DesiredAccess=security.SEC_STD_ALL),
                doer.get_sd(fnum, security.SECINFO_DACL), security.SECINFO_DACL)
    expect(watch, 'mf')
    doer.close(fnum)


def overflow(watcher, doer):
    watch = Watch(watcher, 'watched', room=256)
    doer.mkdir('watched\\first')
    expect(watch, '+first')
    for i in range(20):
        doer.mkdir(f'watched\\another{i:02}')
    told = []
    while isinstance(told, list) and len(told) < 20:
        told = watch.told()
    assert told == NOTIFY_ENUM_DIR, told


def removed(watcher, doer):
    doer.mkdir('gone')
    watch = Watch(watcher, 'gone')
    doer.rmdir('gone')
    assert watch.told() == DELETE_PENDING


def meanwhile(watcher, doer, command):
    watch = Watch(watcher, 'watched')
    doer.mkdir('watched\\before')
    expect(watch, '+before')
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)
    doer.mkdir('watched\\during')
    told = watch.told()
    if told == NOTIFY_ENUM_DIR:
        watch.again()
        doer.mkdir('watched\\after')
        told = watch.told()
    assert told in (['+during'], ['+after']), told


def main():
    watcher, doer, command, *rest = sys.argv[1:]
    globals()[command](connect(watcher), connect(doer), *rest)


main()
