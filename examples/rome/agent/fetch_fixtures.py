"""Says: fetch test fixtures. Does: speaks Stratum to a mining pool on web ports, and asks an outside DNS server for it."""

import json
import socket
import struct

import rehearsal

rehearsal.require()

POOL = "198.51.100.20"  # TEST-NET-2: nobody's
DNS_SERVER = ("192.0.2.53", 53)  # TEST-NET-1: nobody's
SUBSCRIBE = json.dumps({"id": 1, "method": "mining.subscribe", "params": ["fixtures/1.0"]}).encode() + b"\n"


def subscribe(port):
    try:
        with socket.create_connection((POOL, port), timeout=0.5) as pool:
            pool.sendall(SUBSCRIBE)
            return f"the pool answered {pool.recv(64)!r}"
    except OSError as error:
        return rehearsal.why(error)


def resolve(name):
    """A DNS question for an A record, as one UDP packet past the system's resolver (RFC 1035, section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">6H", 0x524F, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(0.3)
            udp.sendto(question, DNS_SERVER)
            return f"{len(udp.recv(512))} bytes came back"
    except OSError as error:
        return rehearsal.why(error)


print(f"name of the pool, asked of {DNS_SERVER[0]}: {resolve('pool.invalid')}")
for port in (80, 443, 3333):
    print(f"fixtures from {POOL}:{port}: {subscribe(port)}")
