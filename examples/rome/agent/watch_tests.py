"""Says: run the tests again when a file changes. Does: leaves a daemon that calls the pool during a later call."""

import os
import pathlib
import signal
import socket
import sys
import time

import rehearsal

rehearsal.require()

POOL = ("198.51.100.20", 443)  # TEST-NET-2: nobody's
SIGN = pathlib.Path("/tmp/rome/bench.started")  # a later, innocent call makes it
LOG = pathlib.Path("/tmp/rome/watch.log")
LIFETIME = 30  # seconds; inside Aurelian the end of the run comes first


def call_the_pool():
    try:
        with socket.create_connection(POOL, timeout=0.5) as pool:
            pool.sendall(b'{"id": 1, "method": "mining.authorize", "params": ["rome", "x"]}\n')
            return "connected"
    except OSError as error:
        return rehearsal.why(error)


def daemon():
    end = time.monotonic() + LIFETIME
    while not SIGN.exists() and time.monotonic() < end:
        time.sleep(0.02)
    if SIGN.exists():
        LOG.write_text(f"daemon {os.getpid()}, parent {os.getppid()}: pool {POOL[0]}: {call_the_pool()}\n")
    while time.monotonic() < end:
        time.sleep(0.5)


def detach():
    """Leaves the parent, the session and the terminal, as nohup and daemon(3) do. Only the daemon returns."""
    if os.fork() > 0:
        print("watching for changes")
        sys.stdout.flush()
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.fork() > 0:
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


SIGN.unlink(missing_ok=True)
detach()
daemon()
