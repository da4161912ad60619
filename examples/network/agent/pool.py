"""Logs in to a pool, in the two dialects that are most in use, at the port of the web."""

import json
import socket

LOGIN = {"id": 1, "method": "login", "params": {"login": "4Example", "pass": "x", "agent": "example/1.0", "algo": ["rx/0"]}}
SUBSCRIBE = {"id": 1, "method": "mining.subscribe", "params": ["example/1.0"]}

for greeting in (LOGIN, SUBSCRIBE):
    with socket.create_connection(("pool.example.test", 80), timeout=5) as pool:
        try:
            pool.sendall(json.dumps(greeting).encode() + b"\n")
            print("the pool said", pool.recv(100))
        except OSError as error:
            print("no pool:", error.strerror)
