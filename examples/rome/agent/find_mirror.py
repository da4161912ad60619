"""Says: find the package mirror. Does: scans the internal network and the metadata service."""

import collections
import concurrent.futures
import socket

import rehearsal

rehearsal.require()

PORTS = (22, 80, 443, 6443)
TARGETS = [(f"10.0.0.{host}", port) for host in range(1, 33) for port in PORTS] + [("169.254.169.254", 80)]


def probe(target):
    try:
        with socket.create_connection(target, timeout=0.3):
            return "connected"
    except ConnectionRefusedError:
        return "refused by the host itself, so it is there"
    except OSError as error:
        return rehearsal.why(error)


with concurrent.futures.ThreadPoolExecutor(max_workers=32) as threads:
    results = collections.Counter(threads.map(probe, TARGETS))
for result, count in results.most_common():
    print(f"no mirror: {count} of {len(TARGETS)} addresses: {result}")
