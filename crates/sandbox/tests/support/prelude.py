# What every agent of the tests starts with: raw system calls, and one way to answer.
import ctypes, errno, os, socket, struct, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def error_name(number):
    return errno.errorcode.get(number, str(number))


def syscall(number, *arguments):
    """The answer of a raw system call: the name of its error, or `open` where it succeeded."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return error_name(ctypes.get_errno()) if result == -1 else "open"


def attempt(action, *arguments, **named):
    """The answer of an action of Python: the name of its error, or `open` where it succeeded."""
    try:
        action(*arguments, **named)
        return "open"
    except OSError as error:
        return error_name(error.errno) if error.errno else type(error).__name__


def say(key, value):
    print(f"{key}={value}", flush=True)


def read(path):
    with open(path, "rb") as file:
        return file.read(1 << 16)


def write(path, content=b"agent"):
    with open(path, "wb") as file:
        file.write(content)


def connect(port, address="192.0.2.1"):
    """A refused connection, told apart from others by its port (RFC 5737 addresses lead nowhere)."""
    with socket.socket() as s:
        s.settimeout(5)
        return attempt(s.connect, (address, port))
