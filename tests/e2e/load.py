#!/usr/bin/python3
"""Writers and readers that know what they were promised, for tests that break things.

    load.py --nodes A,B,C --dir D --files 3 --password P      until D/stop exists
    load.py --nodes A,B,C --dir D --files 3 --password P --verify

A writer of each file writes random ranges through any node; a reader of each reads random ranges
through another. Every 4 KiB block carries its file, its place and a sequence number that only grows. Three
numbers of each block lie in memory both share (D/<file>.blocks):

    started       the newest write that was sent       a block never shows a later one
    acknowledged  the newest one that was answered     a block never shows an earlier one afterwards
    seen          the newest one that a read returned  a later read never shows an earlier one

A write that got no answer may have happened or not; but when a newer one was answered, it must not come
back. D/lost appears, with the reason, as soon as a promise is broken; D/<file>.acks counts acknowledgements.
"""
import argparse
import collections
import mmap
import os
import random
import struct
import sys
import time

from samba import credentials
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

BLOCK = 4096
UNIT = struct.Struct("<8sIIQQ")
MAGIC = b"flotilla"
FILE_OPEN, FILE_OPEN_IF = 1, 3
GENERIC_READ, GENERIC_WRITE = 0x80000000, 0x40000000
SHARE_ALL = 7
STARTED, ACKED, SEEN = 0, 1, 2
ROW = 3


class Broken(Exception):
    """A promise was not kept."""


class Table:
    """The three numbers of each block, and a count of acknowledgements behind them.

    Writer and reader look at the same memory at the same time. A view of native numbers loads and stores
    each of them whole; struct would do it byte by byte, and the other would see half of it changed.
    """

    def __init__(self, path, blocks):
        self.blocks = blocks
        size = (blocks + 1) * ROW * 8
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(fd, size)
        self.numbers = memoryview(mmap.mmap(fd, size)).cast("Q")
        os.close(fd)

    def get(self, block, what):
        return self.numbers[block * ROW + what]

    def set(self, block, what, value):
        self.numbers[block * ROW + what] = value

    def floor(self, block):
        return max(self.get(block, ACKED), self.get(block, SEEN))

    def count(self):
        self.set(self.blocks, 0, self.get(self.blocks, 0) + 1)

    def newest(self):
        return max(self.get(b, STARTED) for b in range(self.blocks))


def content(file, block, sequence):
    return UNIT.pack(MAGIC, file, block, sequence, ~sequence & (1 << 64) - 1) * (BLOCK // UNIT.size)


def sequence_of(file, block, data):
    """The sequence number in a block; 0 for one never written."""
    if data.count(0) == len(data):
        return 0
    magic, f, b, sequence, check = UNIT.unpack_from(data)
    if magic != MAGIC or data[: len(data)] != content(file, block, sequence)[: len(data)]:
        raise Broken(f"file {file} block {block}: torn or foreign bytes: {data[:32].hex()}"
                     f" (file {f} block {b} sequence {sequence} check {check ^ (1 << 64) - 1})")
    return sequence


class Client:
    """A file through one node, or the next that answers."""

    def __init__(self, options, file, turn):
        self.options, self.file, self.turn = options, file, turn
        self.nodes = options.nodes.split(",")
        self.connection = self.handle = None
        self.notes = collections.deque(maxlen=200)

    def node(self):
        return self.nodes[self.turn % len(self.nodes)]

    def connect(self):
        lp = param.get_context()
        lp.load_default()
        lp.set("client min protocol", "SMB2_02")
        lp.set("client max protocol", "SMB3_11")
        creds = credentials.Credentials()
        creds.guess(lp)
        creds.set_username(self.options.user)
        creds.set_password(self.options.password)
        creds.set_domain("WORKGROUP")
        self.connection = libsmb.Conn(self.node(), self.options.share, lp, creds)
        self.handle = self.connection.create(
            f"load{self.file}", DesiredAccess=GENERIC_READ | GENERIC_WRITE, ShareAccess=SHARE_ALL,
            CreateDisposition=FILE_OPEN_IF)

    def note(self, text):
        """What was done last, for whoever has to find out why a promise was broken."""
        now = time.time()
        stamp = f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d}"
        self.notes.append(f"{stamp} file {self.file} {self.node()}: {text}")

    def attempt(self, what):
        """Calls what(); after an error, goes over to the next node and says None."""
        try:
            if self.connection is None:
                self.connect()
            return what()
        except Broken:
            raise
        except Exception as error:  # whatever it is, another node may do better
            self.note(f"{error.args[0]:08x}" if error.args and isinstance(error.args[0], int) else str(error))
            if self.options.verbose:
                print(self.notes[-1], flush=True)
            self.connection = self.handle = None
            self.turn += 1
            time.sleep(0.05)
            return None

    def write(self, offset, data):
        done = 0
        while done < len(data):
            done += self.connection.write(self.handle, data[done:], offset + done)
        return done

    def read(self, offset, size):
        data = b""
        while len(data) < size:
            piece = self.connection.read(self.handle, offset + len(data), size - len(data))
            if not piece:
                break
            data += piece
        return data


def read_and_check(client, table, first, count):
    """One read of whole blocks, held against what was promised before it was sent."""
    floors = [table.floor(b) for b in range(first, first + count)]
    client.note(f"read {first}+{count}")
    data = client.read(first * BLOCK, count * BLOCK)
    client.note(f"{len(data)} bytes read")
    if len(data) != count * BLOCK:
        raise Broken(f"file {client.file} block {first} through {client.node()}: {len(data)} of"
                     f" {count * BLOCK} bytes: the file was longer before")
    for i, floor in enumerate(floors):
        block = first + i
        found = sequence_of(client.file, block, data[i * BLOCK : (i + 1) * BLOCK])
        if found < floor or found > table.get(block, STARTED):
            raise Broken(f"file {client.file} block {block} through {client.node()}: found {found}, promised"
                         f" {floor} (acknowledged {table.get(block, ACKED)}, seen {table.get(block, SEEN)},"
                         f" started {table.get(block, STARTED)})")
        if found > table.get(block, SEEN):
            table.set(block, SEEN, found)
    return count


def choose(rng, blocks):
    """Small ranges mostly, a MiB now and then; some places are hotter than others."""
    count = min(blocks, rng.choice((1, 1, 1, 2, 4, 16, 64, 256)))
    first = rng.randrange(blocks - count + 1)
    return (first // 8 if rng.random() < 0.3 else first), count


def finished(options):
    return os.path.exists(options.stop) or os.path.exists(options.lost)


def fill(client, table):
    """Zeros to the end: what is read later is never short. True: there is a file."""
    for first in range(0, table.blocks, 256):
        count = min(256, table.blocks - first)
        client.write(first * BLOCK, bytes(count * BLOCK))
    table.count()
    return True


def writer(options, client, table, rng):
    file = client.file
    sequence = table.newest()
    while table.get(table.blocks, 0) == 0 and not finished(options):
        client.attempt(lambda: fill(client, table))
    while not finished(options):
        first, count = choose(rng, table.blocks)
        sequence += 1

        def once():
            client.note(f"write {first}+{count} {sequence}")
            for b in range(first, first + count):
                table.set(b, STARTED, sequence)
            data = b"".join(content(file, b, sequence) for b in range(first, first + count))
            return client.write(first * BLOCK, data)

        if client.attempt(once) is None:
            continue
        client.note(f"{sequence} acknowledged")
        for b in range(first, first + count):
            table.set(b, ACKED, sequence)
        table.count()
        if rng.random() < 0.02:  # sessions come and go, too
            client.connection, client.turn = None, rng.randrange(8)


def reader(options, client, table, rng):
    while table.get(table.blocks, 0) == 0 and not finished(options):
        time.sleep(0.1)
    while not finished(options):
        first, count = choose(rng, table.blocks)
        client.attempt(lambda: read_and_check(client, table, first, count))
        if rng.random() < 0.02:
            client.connection, client.turn = None, rng.randrange(8)


def verify(options, client, table, _rng):
    """Every block, through every node."""
    file = client.file
    for turn in range(len(options.nodes.split(","))):
        client.connection, client.turn = None, turn
        deadline = time.monotonic() + options.patience
        step = 256
        for first in range(0, table.blocks, step):
            count = min(step, table.blocks - first)
            while client.attempt(lambda: read_and_check(client, table, first, count)) is None:
                client.turn = turn
                if time.monotonic() > deadline:
                    raise Broken(f"file {file} is not served through {client.node()}")
    print(f"file {file}: {table.get(table.blocks, 0)} writes were acknowledged, all of them are there")


def child(role, options, file):
    table = Table(f"{options.dir}/{file}.blocks", options.blocks)
    rng = random.Random(f"{options.seed} {file} {role.__name__}")
    client = Client(options, file, file if role is writer else file + 1)
    try:
        role(options, client, table, rng)
        return 0
    except Broken as broken:
        text = f"{time.strftime('%H:%M:%S')} {role.__name__}: {broken}"
        print(text, flush=True)
        with open(f"{options.dir}/lost", "a", encoding="utf-8") as lost:
            lost.write(text + "\n")
        return 1
    finally:
        with open(f"{options.dir}/notes.{role.__name__}.{file}", "w", encoding="utf-8") as notes:
            notes.write("\n".join(client.notes) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", required=True, help="addresses")
    parser.add_argument("--dir", required=True, help="where the promises are kept")
    parser.add_argument("--files", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=4096, help="4 KiB blocks in each file")
    parser.add_argument("--share", default="vms")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--patience", type=float, default=30)
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.stop, options.lost = f"{options.dir}/stop", f"{options.dir}/lost"
    os.makedirs(options.dir, exist_ok=True)
    roles = (verify,) if options.verify else (writer, reader)
    children = []
    for file in range(options.files):
        for role in roles:
            pid = os.fork()
            if pid == 0:
                os._exit(child(role, options, file))
            children.append(pid)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
