#!/usr/bin/python3
"""Locks byte ranges through one node and is in the way of another client at another one, with impacket, for locks.sh.
usage: locks.py HERE THERE COMMAND...: addresses of nodes, USERNAME and PASSWORD from the environment.

  excludes                    what a lock forbids, and that it is over with the unlock
  shared                      readers together, no writer
  waits                       a lock that is waited for, and one that is cancelled
  many                        more ranges than a node keeps
  ends                        locks end with the handle, and with the connection
  leader SHELL-COMMAND        nothing is lost with the coordinators' leader, which the command kills
  killed SHELL-COMMAND        locks end with the node, which the command kills
"""
import os
import struct
import subprocess
import sys

from impacket import ntlm, smb3structs as s
from impacket.smbconnection import SMBConnection

OK, PENDING = 0, 0x103
CANCELLED, LOCK_CONFLICT, NOT_GRANTED = 0xc0000120, 0xc0000054, 0xc0000055
SHARED, EXCLUSIVE, UNLOCK, FAIL = 1, 2, 4, 0x10


def tell_version():
    """gss-ntlmssp reads only messages that have a Version ([MS-NLMP] 2.2.1), impacket's have one when it is given."""
    version = bytes((10, 0, 0, 0, 0, 0, 0, 15))
    for cls, fields in ((ntlm.NTLMAuthNegotiate, {'os_version': version}),
                        (ntlm.NTLMAuthChallengeResponse, {'Version': version, 'MIC': bytes(16)})):
        def extended(self, *args, old=cls.__init__, fields=fields, **words):
            old(self, *args, **words)
            for name, value in fields.items():
                self[name] = value
        cls.__init__ = extended


class Client:
    """One open file of one client."""

    def __init__(self, address, name):
        connection = SMBConnection(address, address, sess_port=445, preferredDialect=s.SMB2_DIALECT_21)
        connection.login(os.environ['USERNAME'], os.environ['PASSWORD'])
        self.smb = connection.getSMBServer()
        self.smb._timeout = 60
        self.tree = self.smb.connectTree('general')
        self.file = self.smb.create(self.tree, name, 0x0012019f, 7, 0, s.FILE_OPEN_IF, 0)

    def send(self, command, data):
        packet = self.smb.SMB_PACKET()
        packet['Command'] = command
        packet['TreeID'] = self.tree
        packet['Data'] = data
        return self.smb.sendSMB(packet)

    def answer(self, packet_id):
        """The status of the next message, which must be about this one."""
        data = self.smb._NetBIOSSession.recv_packet(60).get_trailer()
        packet = s.SMB2Packet(data)
        assert packet['MessageID'] == packet_id, 'another answer'
        self.async_id = struct.unpack('<Q', data[32:40])[0]
        return packet['Status']

    def settled(self, packet_id):
        status = self.answer(packet_id)
        return status if status != PENDING else self.answer(packet_id)

    def ask_lock(self, flags, *ranges):
        elements = b''.join(struct.pack('<QQII', at, n, flags, 0) for at, n in ranges)
        head = struct.pack('<HHI', 48, len(ranges), 0)
        return self.send(s.SMB2_LOCK, head + self.file + elements)

    def lock(self, flags, *ranges):
        return self.settled(self.ask_lock(flags, *ranges))

    def cancel(self, packet_id):
        packet = self.smb.SMB_PACKET()
        packet['Command'] = s.SMB2_CANCEL
        packet['MessageID'] = packet_id
        packet['TreeID'] = self.tree
        packet['Data'] = struct.pack('<HH', 4, 0)
        self.smb.sendSMB(packet)

    def read(self, at, n):
        head = struct.pack('<HBBIQ', 49, 0x50, 0, n, at)
        return self.settled(self.send(s.SMB2_READ, head + self.file + bytes(17)))

    def write(self, at, n):
        head = struct.pack('<HHIQ', 49, 112, n, at)
        return self.settled(self.send(s.SMB2_WRITE, head + self.file + bytes(16) + b'w' * n))

    def leave(self):
        self.smb._NetBIOSSession.get_socket().close()


def expect(status, wanted):
    assert status == wanted, f'{status:#x} instead of {wanted:#x}'


def pair(name):
    here, there = Client(HERE, name), Client(THERE, name)
    expect(here.write(0, 4096), OK)
    expect(there.read(0, 4096), OK)  # it keeps what it knows of the file from now on
    return here, there


def forbidden(client, at, n):
    expect(client.read(at, n), LOCK_CONFLICT)
    expect(client.write(at, n), LOCK_CONFLICT)
    expect(client.lock(SHARED | FAIL, (at, n)), NOT_GRANTED)


def allowed(client, at, n):
    expect(client.read(at, n), OK)
    expect(client.write(at, n), OK)


def excludes():
    here, there = pair('lock-excludes')
    for one, other in ((here, there), (there, here)) * 20:
        expect(one.lock(EXCLUSIVE | FAIL, (100, 100), (1000, 1)), OK)
        forbidden(other, 150, 1)
        forbidden(other, 0, 4096)
        forbidden(other, 1000, 1)
        allowed(other, 200, 800)
        allowed(one, 0, 4096)
        expect(one.lock(UNLOCK, (100, 100), (1000, 1)), OK)
        allowed(other, 0, 4096)


def shared():
    here, there = pair('lock-shared')
    expect(here.lock(SHARED | FAIL, (0, 10)), OK)
    expect(there.lock(SHARED | FAIL, (5, 10)), OK)
    for client in here, there:
        expect(client.read(0, 20), OK)
        expect(client.write(7, 1), LOCK_CONFLICT)
        expect(client.lock(EXCLUSIVE | FAIL, (9, 1)), NOT_GRANTED)
    expect(here.lock(UNLOCK, (0, 10)), OK)
    expect(here.write(0, 5), OK)
    expect(here.write(0, 6), LOCK_CONFLICT)


def waiting(client, flags, at, n):
    """A lock that is waited for."""
    packet_id = client.ask_lock(flags, (at, n))
    expect(client.answer(packet_id), PENDING)
    return packet_id


def waits():
    here, there = pair('lock-waits')
    expect(here.lock(EXCLUSIVE | FAIL, (0, 10)), OK)
    first = waiting(there, EXCLUSIVE, 0, 10)
    expect(here.lock(UNLOCK, (0, 10)), OK)
    expect(there.answer(first), OK)
    forbidden(here, 0, 10)
    first = waiting(here, SHARED, 5, 1)
    here.cancel(first)
    expect(here.answer(first), CANCELLED)
    expect(there.lock(UNLOCK, (0, 10)), OK)
    allowed(here, 0, 10)


def many():
    here, there = pair('lock-many')
    ranges = [(i * 10, 1) for i in range(300)]
    for i in range(0, 300, 100):
        expect(here.lock(EXCLUSIVE | FAIL, *ranges[i:i + 100]), OK)
    for i in range(0, 300, 7):
        forbidden(there, i * 10, 1)
        allowed(there, i * 10 + 1, 9)
    expect(here.lock(UNLOCK, *ranges), OK)
    allowed(there, 0, 4096)


def ends():
    here, there = pair('lock-ends')
    expect(here.lock(EXCLUSIVE | FAIL, (0, 10)), OK)
    forbidden(there, 0, 10)
    first = waiting(there, EXCLUSIVE, 0, 10)
    here.smb.close(here.tree, here.file)
    expect(there.answer(first), OK)
    other = Client(HERE, 'lock-ends')
    first = waiting(other, EXCLUSIVE, 0, 10)
    there.leave()
    expect(other.answer(first), OK)
    allowed(other, 0, 10)


def leader(command):
    here, there = pair('lock-leader')
    expect(here.lock(EXCLUSIVE | FAIL, (0, 10)), OK)
    first = waiting(there, EXCLUSIVE, 0, 10)
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)
    other = Client(THERE, 'lock-leader')
    forbidden(other, 0, 10)
    expect(here.lock(UNLOCK, (0, 10)), OK)
    expect(there.answer(first), OK)
    forbidden(other, 0, 10)
    forbidden(here, 0, 10)


def killed(command):
    here, there = pair('lock-killed')
    expect(here.lock(EXCLUSIVE | FAIL, (0, 10)), OK)
    forbidden(there, 0, 10)
    first = waiting(there, EXCLUSIVE, 0, 10)
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)
    expect(there.answer(first), OK)
    allowed(there, 0, 10)


tell_version()
HERE, THERE = sys.argv[1:3]
globals()[sys.argv[3]](*sys.argv[4:])
