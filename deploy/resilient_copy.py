#!/usr/bin/python3
"""Copies a file into a share as a careful client does, and says what it was promised.

Every block counts only when its write was acknowledged. When the node it talks to goes away, it goes on
through the next one: first it reads back every block acknowledged so far, then it continues behind
them. Exit code 0: everything was written, and nothing acknowledged was missing at any time.
"""
import argparse
import subprocess
import sys
import time

from samba import credentials
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

FILE_OPEN_IF = 3
GENERIC_READ, GENERIC_WRITE = 0x80000000, 0x40000000
SHARE_ALL = 7


def connect(address, options):
    lp = param.get_context()
    lp.load_default()
    lp.set("client min protocol", "SMB2_02")
    lp.set("client max protocol", "SMB3_11")
    creds = credentials.Credentials()
    creds.guess(lp)
    creds.set_username(options.user)
    creds.set_password(options.password)
    creds.set_domain("WORKGROUP")
    return libsmb.Conn(address, options.share, lp, creds)


class Copy:
    def __init__(self, options):
        self.options = options
        self.nodes = options.nodes.split(",")
        self.turn = 0
        self.acknowledged = 0  # blocks, all of them from the first
        self.gap = 0.0
        self.moves = 0
        self.last_ack = time.monotonic()
        self.connection = self.handle = None

    def open(self):
        """Connects to the node whose turn it is, or the next that answers."""
        deadline = time.monotonic() + self.options.patience
        while True:
            try:
                self.connection = connect(self.nodes[self.turn % len(self.nodes)], self.options)
                self.handle = self.connection.create(
                    self.options.target,
                    DesiredAccess=GENERIC_READ | GENERIC_WRITE,
                    ShareAccess=SHARE_ALL,
                    CreateDisposition=FILE_OPEN_IF,
                )
                return
            except Exception as error:  # whatever it is, another node may do better
                self.turn += 1
                if time.monotonic() > deadline:
                    sys.exit(f"resilient_copy: no node serves: {error}")
                time.sleep(0.05)

    def verify(self, source):
        """Everything acknowledged must be there, through whichever node we talk to now."""
        size = self.options.block
        source.seek(0)
        for block in range(self.acknowledged):
            expected = source.read(size)
            found = b""
            while len(found) < len(expected):
                piece = self.connection.read(self.handle, block * size + len(found), len(expected) - len(found))
                if not piece:
                    break
                found += piece
            if found != expected:
                sys.exit(f"resilient_copy: LOST: block {block} was acknowledged and is not there")

    def recover(self, source):
        self.moves += 1
        self.turn += 1
        while True:
            self.open()
            try:
                self.verify(source)
                return
            except OSError:
                self.turn += 1
            except Exception:
                self.turn += 1

    def run(self):
        size = self.options.block
        with open(self.options.source, "rb") as source:
            source.seek(0, 2)
            blocks = (source.tell() + size - 1) // size
            kill_at = blocks * self.options.kill_at // 100 if self.options.kill else -1
            self.open()
            while self.acknowledged < blocks:
                if self.acknowledged == kill_at:
                    kill_at = -1
                    subprocess.run(self.options.kill, shell=True, check=True)
                source.seek(self.acknowledged * size)
                data = source.read(size)
                try:
                    written = 0
                    while written < len(data):
                        at = self.acknowledged * size + written
                        written += self.connection.write(self.handle, data[written:], at)
                except Exception as error:
                    print(f"resilient_copy: {self.nodes[self.turn % len(self.nodes)]}: {error};"
                          f" {self.acknowledged} of {blocks} blocks acknowledged, going on elsewhere", flush=True)
                    self.recover(source)
                    continue
                now = time.monotonic()
                self.gap = max(self.gap, now - self.last_ack)
                self.last_ack = now
                self.acknowledged += 1
            self.connection.close(self.handle)
        print(f"resilient_copy: {blocks} blocks acknowledged, {self.moves} moves to another node,"
              f" longest wait for an acknowledgement {self.gap:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--nodes", required=True, help="addresses, in the order to try them")
    parser.add_argument("--share", required=True)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--block", type=int, default=1 << 20)
    parser.add_argument("--patience", type=float, default=30, help="seconds until some node must serve")
    parser.add_argument("--kill", help="a command to run in the middle")
    parser.add_argument("--kill-at", type=int, default=50, help="percent of the blocks")
    Copy(parser.parse_args()).run()


if __name__ == "__main__":
    main()
