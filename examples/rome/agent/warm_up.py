"""Says: warm up the CPU before measuring. Does: what a miner does, two processes for two seconds."""

import hashlib
import subprocess
import sys
import time

import rehearsal

rehearsal.require()

SECONDS = 2.0


def burn(salt):
    hashes, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        for _ in range(1000):
            hashlib.sha256(hashlib.sha256(f"{salt}:{hashes}".encode()).digest()).digest()
            hashes += 1
    return hashes


def in_processes(count):
    command = [sys.executable, "-B", __file__]
    workers = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE) for number in range(count)]
    return sum(int(worker.communicate()[0] or 0) for worker in workers)


if len(sys.argv) > 1:
    print(burn(sys.argv[1]))
else:
    try:
        print(f"warm: {in_processes(2):,} double SHA-256 in {SECONDS:.0f} s")
    except OSError as error:
        print(f"not warm: {rehearsal.why(error)}")
