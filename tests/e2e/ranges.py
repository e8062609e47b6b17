#!/usr/bin/python3
"""FSCTLs of ranges and copies, through three nodes with impacket's client, for ranges.sh.
usage: ranges.py sparse|copy|duplicate|fill|zero|terabyte, USERNAME and PASSWORD from the environment.
"""
import os
import struct
import sys

from impacket import ntlm, smb3structs as s
from impacket.smbconnection import SMBConnection

SET_SPARSE, SET_ZERO, RANGES = 0x900C4, 0x980C8, 0x940CF
KEY, COPY, DUPLICATE = 0x140078, 0x1440F2, 0x98344
MIB, PIECE, END_OF_FILE = 1 << 20, 65536, 20


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


class Node:
    """A file, opened through one node."""

    def __init__(self, number, name):
        address = '127.0.0.1%d' % number
        connection = SMBConnection(address, address, sess_port=445, preferredDialect=s.SMB2_DIALECT_21)
        connection.login(os.environ['USERNAME'], os.environ['PASSWORD'])
        self.smb = connection.getSMBServer()
        self.smb._timeout = 60
        self.tree = self.smb.connectTree('general')
        self.file = self.open(name)

    def open(self, name):
        return self.smb.create(self.tree, name, 0x0012019f, 7, 0, s.FILE_OPEN_IF, 0)

    def ioctl(self, code, blob=b'', room=0, file=None):
        return self.smb.ioctl(self.tree, file or self.file, code, flags=1, inputBlob=blob, maxOutputResponse=room)

    def write(self, offset, data):
        for at in range(0, len(data), PIECE):
            piece = data[at:at + PIECE]
            self.smb.write(self.tree, self.file, piece, offset + at, len(piece))

    def read(self, offset, length):
        data = b''
        while len(data) < length:
            try:
                piece = self.smb.read(self.tree, self.file, offset + len(data), min(PIECE, length - len(data)))
            except Exception:  # the end of file
                break
            if not piece:
                break
            data += piece
        return data

    def cut(self, size):
        self.smb.setInfo(self.tree, self.file, inputBlob=struct.pack('<Q', size), fileInfoClass=END_OF_FILE)

    def zero(self, offset, end):
        self.ioctl(SET_ZERO, struct.pack('<QQ', offset, end))

    def ranges(self, offset, length):
        out = self.ioctl(RANGES, struct.pack('<QQ', offset, length), 65536)
        return [struct.unpack_from('<QQ', out, i) for i in range(0, len(out), 16)]


def same(what, got, wanted):
    if got != wanted:
        sys.exit('%s: %r, not %r' % (what, got[:80], wanted[:80]))


def sparse():
    one, two, three = (Node(n, 'sparse.bin') for n in (1, 2, 3))
    one.ioctl(SET_SPARSE)
    data = os.urandom(3 * 65536)
    one.write(0, data)
    two.zero(65536 - 100, 2 * 65536 + 100)
    same('ranges', three.ranges(0, MIB), [(0, 65536), (2 * 65536, 65536)])
    wanted = data[:65536 - 100] + bytes(65536 + 200) + data[2 * 65536 + 100:]
    for node in (one, two, three):
        same('bytes', node.read(0, 3 * 65536), wanted)
    three.write(10 * MIB, b'x')
    same('ranges with a far one', two.ranges(0, 20 * MIB)[-1:], [(10 * MIB, 1)])


def copy():
    data = os.urandom(20 * MIB + 77)
    Node(1, 'source.bin').write(0, data)
    two = Node(2, 'source.bin')
    target = two.open('copy.bin')
    key = two.ioctl(KEY, room=32)[:24]
    at = 0
    while at < len(data):
        chunks = []
        while at < len(data) and len(chunks) < 16:
            length = min(MIB, len(data) - at)
            chunks.append(struct.pack('<QQII', at, at, length, 0))
            at += length
        blob = key + struct.pack('<II', len(chunks), 0) + b''.join(chunks)
        written, partly, total = struct.unpack('<III', two.ioctl(COPY, blob, 12, target))
        same('chunks', [written, partly], [len(chunks), 0])
    for number in (1, 2, 3):
        same('bytes', Node(number, 'copy.bin').read(0, len(data) + 1), data)


def duplicate():
    data = os.urandom(2 * MIB)
    Node(1, 'blocks.bin').write(0, data)
    Node(1, 'clone.bin').write(0, bytes(2 * MIB))
    two = Node(2, 'blocks.bin')
    target = two.open('clone.bin')
    two.ioctl(DUPLICATE, two.file + struct.pack('<QQQ', MIB, 4096, MIB - 8192), file=target)
    same('bytes', Node(3, 'clone.bin').read(0, 2 * MIB), bytes(4096) + data[MIB:2 * MIB - 8192] + bytes(MIB + 4096))


def fill():
    Node(1, 'large.bin').write(0, os.urandom(MIB) * 64)


def zero():
    node = Node(2, 'large.bin')
    node.zero(0, 64 * MIB)
    same('bytes', Node(3, 'large.bin').read(0, 64 * MIB), bytes(64 * MIB))


def terabyte():
    one, two = Node(1, 'terabyte.bin'), Node(2, 'terabyte.bin')
    one.ioctl(SET_SPARSE)
    one.write(1 << 40, b'x' * 4096)
    same('ranges', two.ranges(0, 1 << 41), [(1 << 40, 4096)])
    two.zero(0, 1 << 41)
    same('nothing', two.ranges(0, 1 << 41), [])
    one.cut(1)
    same('cut', two.read(0, 2), bytes(1))


tell_version()
{f.__name__: f for f in (sparse, copy, duplicate, fill, zero, terabyte)}[sys.argv[1]]()
