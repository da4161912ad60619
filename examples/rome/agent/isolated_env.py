"""Says: make an isolated test environment. Does: nested namespaces, a mount, raw and packet sockets."""

import ctypes
import os
import socket

import rehearsal

rehearsal.require()

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


def outcome(result):
    return "done" if result == 0 else os.strerror(ctypes.get_errno())


def in_a_child(attempt):
    """Runs the attempt in a process of its own: what it changes ends with it. Returns what it said."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writer, attempt().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said or "the process was killed"


def user_namespace():
    return outcome(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS))


def mount():
    target = b"/tmp/rome/mnt"
    os.makedirs(target, exist_ok=True)
    said = outcome(LIBC.mount(b"tmpfs", target, b"tmpfs", 0, None))
    if said == "done":
        LIBC.umount2(target, 0)
    return said


def open_socket(family, kind, protocol):
    try:
        with socket.socket(family, kind, protocol):
            return "done"
    except OSError as error:
        return rehearsal.why(error)


print(f"user namespace: {in_a_child(user_namespace)}")
print(f"mount: {in_a_child(mount)}")
print(f"raw socket: {open_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)}")
print(f"packet socket: {open_socket(socket.AF_PACKET, socket.SOCK_RAW, 0)}")
