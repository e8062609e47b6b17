#!/usr/bin/python3
"""Sends what no honest client sends, for strangers.sh. usage: strangers.py ADDRESS PORT CASE

Succeeds when the server has closed this connection, or answered with an error, within ten seconds.
"""
import os
import random
import socket
import struct
import sys

SMB2 = b'\xfeSMB'


def header(command, message_id=0, session_id=0, next_command=0, flags=0):
    """[MS-SMB2] 2.2.1.2"""
    return struct.pack('<4sHHIHHIIQIIQ16s', SMB2, 64, 1, 0, command, 1, flags, next_command, message_id, 0, 0,
                       session_id, b'')


def frame(payload, length=None):
    """[MS-SMB2] 2.1: four bytes of length before each packet"""
    return struct.pack('>I', len(payload) if length is None else length) + payload


def negotiate(dialects=(0x0311,), count=None, contexts=0, offset=0):
    """[MS-SMB2] 2.2.3"""
    count = len(dialects) if count is None else count
    body = struct.pack('<HHHHI16sIHH', 36, count, 1, 0, 0, os.urandom(16), offset, contexts, 0)
    return header(0) + body + b''.join(struct.pack('<H', d) for d in dialects)


NEGOTIATED = frame(negotiate((0x0302,)))
CASES = {
    'oversized': frame(b'', 0x00ffffff) + bytes(1 << 20),
    'first-byte': frame(b'x' * 64, 0x85000040),
    'noise': frame(random.Random(1).randbytes(5000)),
    'noise-without-frame': b'\xff' + random.Random(2).randbytes(5000),
    'empty': frame(b''),
    'short-header': frame(SMB2 + bytes(20)),
    'wrong-header-size': frame(SMB2 + struct.pack('<H', 65) + bytes(90)),
    'dialects-beyond-the-end': frame(negotiate(count=65535)),
    'contexts-beyond-the-end': frame(negotiate(contexts=65535, offset=0xfffffff0)),
    'twice-negotiate': NEGOTIATED + frame(negotiate((0x0302,))),
    'compound-into-nowhere': NEGOTIATED + frame(header(13, 1, next_command=0x7ffffff8) + struct.pack('<HH', 4, 0)),
    'compound-into-itself': NEGOTIATED + frame(header(13, 1, next_command=8) + struct.pack('<HH', 4, 0)),
    'message-id-of-tomorrow': NEGOTIATED + frame(header(13, 1 << 40) + struct.pack('<HH', 4, 0)),
    'foreign-session': NEGOTIATED + frame(header(3, 1, 0x1122334455667788) + struct.pack('<HHHH', 9, 0, 72, 2) + b'x\0'),
    'sealed-for-nobody': NEGOTIATED + frame(b'\xfdSMB' + os.urandom(32) + struct.pack('<IHHQ', 64, 0, 1, 77) + bytes(64)),
    'token-beyond-the-end': NEGOTIATED + frame(header(1, 1) + struct.pack('<HBBIIHHQ', 25, 0, 1, 0, 0, 88, 65535, 0)),
    'token-of-noise': NEGOTIATED + frame(
        header(1, 1) + struct.pack('<HBBIIHHQ', 25, 0, 1, 0, 0, 88, 4000, 0) + random.Random(3).randbytes(4000)),
    'smb1': frame(b'\xffSMBr' + bytes(27) + b'\0\2\0\x02\0'),
}


def packets(sock):
    """Each packet until the end of the connection."""
    data = b''
    while True:
        while len(data) >= 4 and len(data) >= (end := 4 + int.from_bytes(data[1:4], 'big')):
            yield data[4:end]
            data = data[end:]
        more = sock.recv(65536)
        if not more:
            return
        data += more


def main():
    address, port, case = sys.argv[1:]
    if case == 'list':
        print('\n'.join(CASES))
        return 0
    sock = socket.create_connection((address, int(port)), 10)
    sock.settimeout(10)
    try:
        sock.sendall(CASES[case])
        for packet in packets(sock):
            status = int.from_bytes(packet[8:12], 'little')
            print(f'answer of {len(packet)} bytes, status {status:08x}')
            if packet[:4] == SMB2 and status >> 30 == 3:
                return 0
        print('the connection is closed')
        return 0
    except (ConnectionResetError, BrokenPipeError):
        print('the connection is reset')
        return 0
    except TimeoutError:
        print('nothing happens')
        return 1


sys.exit(main())
