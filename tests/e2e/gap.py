#!/usr/bin/python3
"""Writes 4 KiB blocks through one node without pause and tells the longest wait around each event.

    gap.py --nodes A --dir D --password P --kills 10 --kill COMMAND --heal COMMAND

KILL runs (a shell command; $i is the number of the event) while the writes go on; the gap is the longest
time one write took from then until HEAL, which returns when all is well, has ended.
"""
import argparse
import os
import subprocess
import sys
import time

import load


def probe(options, pipe):
    """The child: writes, one after the other; says when each began and how long it took."""
    client = load.Client(options, options.file, 0)
    client.connect()
    out = os.fdopen(pipe, "w", buffering=1)
    block = 0
    while not os.path.exists(options.stop):
        begin = time.monotonic()
        try:
            client.write(block % 64 * load.BLOCK, bytes([block % 251 + 1]) * load.BLOCK)
            error = "-"
        except Exception as problem:  # a surviving node keeps its promises: this is a failure
            error = str(problem.args[0])
            client = load.Client(options, options.file, 0)
            client.connect()
        block += 1
        out.write(f"{begin} {time.monotonic()} {error}\n")
    return 0


def event(options, number):
    begin = time.monotonic()
    environment = dict(os.environ, i=str(number))
    subprocess.run(options.kill, shell=True, check=True, env=environment)
    subprocess.run(options.heal, shell=True, check=True, env=environment, stdout=subprocess.DEVNULL)
    return begin, time.monotonic()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--share", default="vms")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--file", type=int, default=100)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--kill", required=True)
    parser.add_argument("--heal", required=True)
    parser.add_argument("--limit", type=float, default=2, help="seconds a write may take")
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    options.stop, options.verbose = f"{options.dir}/gap.stop", False
    if os.path.exists(options.stop):
        os.unlink(options.stop)
    path = f"{options.dir}/gap.writes"
    pid = os.fork()
    if pid == 0:
        os._exit(probe(options, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)))
    while not os.path.exists(path) or os.path.getsize(path) < 1000:
        time.sleep(0.1)
    events = [event(options, i) for i in range(options.kills)]
    open(options.stop, "w", encoding="utf-8").close()
    os.waitpid(pid, 0)
    writes = [line.split() for line in open(path, encoding="utf-8")]
    errors = sum(w[2] != "-" for w in writes)
    spans = sorted(float(w[1]) - float(w[0]) for w in writes)
    gaps = [max((float(w[1]) - float(w[0]) for w in writes if float(w[1]) > b and float(w[0]) < e), default=0)
            for b, e in events]
    print("gaps:", " ".join(f"{g:.2f}" for g in gaps))
    gaps.sort()
    print(f"gap p50 {gaps[len(gaps) // 2]:.2f} s, max {gaps[-1]:.2f} s; {len(writes)} writes,"
          f" p50 {spans[len(spans) // 2] * 1000:.2f} ms, {errors} errors")
    sys.exit(1 if errors or gaps[-1] > options.limit else 0)


if __name__ == "__main__":
    main()
