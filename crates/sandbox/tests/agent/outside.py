# Every way out that the socket interface knows. Says what each answered.
OUT = ("192.0.2.1", 9)


def made(family, kind, protocol=0):
    return attempt(lambda: socket.socket(family, kind, protocol).close())


def with_socket(family, kind, action, protocol=0):
    def run():
        with socket.socket(family, kind, protocol) as s:
            s.settimeout(10)
            action(s)
    return attempt(run)


def timed(key, answer):
    before = time.monotonic()
    result = answer()
    taken = time.monotonic() - before
    say(key, result if taken < 1 else f"{result} after {taken:.1f} s")


T, U, R = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW
V4, V6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
timed("tcp", lambda: with_socket(V4, T, lambda s: s.connect(OUT)))
timed("tcp 6", lambda: with_socket(V6, T, lambda s: s.connect(("2001:db8::1", 9))))
timed("tcp metadata", lambda: with_socket(V4, T, lambda s: s.connect(("169.254.169.254", 80))))
timed("tcp private", lambda: with_socket(V4, T, lambda s: s.connect(("10.0.0.1", 22))))
timed("tcp mapped", lambda: with_socket(V6, T, lambda s: s.connect(("::ffff:192.0.2.1", 9))))
timed("tcp link-local", lambda: with_socket(V6, T, lambda s: s.connect(("fe80::1", 9, 0, 1))))
timed("tcp multicast", lambda: with_socket(V4, T, lambda s: s.connect(("224.0.0.1", 9))))
timed("tcp broadcast", lambda: with_socket(V4, T, lambda s: s.connect(("255.255.255.255", 9))))
timed("udp connect", lambda: with_socket(V4, U, lambda s: s.connect(OUT)))
timed("udp sendto", lambda: with_socket(V4, U, lambda s: s.sendto(b"x", OUT)))
timed("udp sendmsg", lambda: with_socket(V4, U, lambda s: s.sendmsg([b"x"], [], 0, OUT)))
timed("udp 6", lambda: with_socket(V6, U, lambda s: s.sendto(b"x", ("2001:db8::1", 9))))
timed("udp mapped", lambda: with_socket(V6, U, lambda s: s.sendto(b"x", ("::ffff:192.0.2.1", 9))))
timed("udp multicast", lambda: with_socket(V4, U, lambda s: s.sendto(b"x", ("239.255.255.250", 1900))))
timed("tcp fast open", lambda: with_socket(V4, T, lambda s: s.sendto(b"x", 0x20000000, OUT)))
timed("tcp to device", lambda: with_socket(V4, T, lambda s: (s.setsockopt(1, 25, b"eth0\0"), s.connect(OUT))))


def broadcast(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.sendto(b"x", ("255.255.255.255", 9))


timed("udp broadcast", lambda: with_socket(V4, U, broadcast))


def sendmmsg():
    with socket.socket(V4, U) as s:
        address = ctypes.create_string_buffer(struct.pack("=HH4s8x", 2, 0x0900, bytes([192, 0, 2, 1])))
        data = ctypes.create_string_buffer(b"x")
        part = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(data), 1))
        header = struct.pack("QIxxxxQQQQIxxxxIxxxx", ctypes.addressof(address), 16, ctypes.addressof(part), 1, 0, 0, 0, 0)
        return syscall(307, s.fileno(), header, 1, 0)


timed("udp sendmmsg", sendmmsg)
for form in ("3221225985", "0300.0.2.1", "0xc0000201", "192.0.513", "192.0.2.1."):
    def by_form(form=form):
        try:
            place = socket.getaddrinfo(form, 9, V4, T)[0][4]
        except socket.gaierror:
            return "no such name"
        return with_socket(V4, T, lambda s: s.connect(place))
    timed(f"tcp form {form}", by_form)


def resolve():
    try:
        socket.getaddrinfo("name.invalid", 80)
        return "open"
    except socket.gaierror:
        return "no such name"


timed("name", resolve)
timed("resolver", lambda: with_socket(V4, U, lambda s: s.sendto(b"\0" * 12, ("8.8.8.8", 53))))
timed("icmp raw", lambda: made(V4, R, 1))
timed("icmp ping", lambda: made(V4, U, 1))
timed("icmp 6", lambda: made(V6, R, 58))
timed("raw", lambda: made(V4, R, 255))
timed("udp-lite", lambda: made(V4, U, 136))
timed("sctp", lambda: made(V4, T, 132))
timed("sctp seqpacket", lambda: made(V4, 5, 132))
timed("dccp", lambda: made(V4, 6, 33))
timed("mptcp", lambda: made(V4, T, 262))
timed("mptcp 6", lambda: made(V6, T, 262))
timed("smc", lambda: made(43, T, 0))
timed("packet", lambda: made(17, R, 0x300))
timed("packet dgram", lambda: made(17, U, 0x300))
timed("vsock", lambda: made(40, T))
timed("vsock dgram", lambda: made(40, U))
timed("alg", lambda: made(38, 5))
timed("bluetooth", lambda: made(31, R, 0))
timed("can", lambda: made(29, R, 1))
timed("xdp", lambda: made(44, R, 0))
timed("kcm", lambda: made(41, U, 0))
timed("key", lambda: made(15, R, 2))
timed("tipc", lambda: made(30, 4, 0))
timed("rds", lambda: made(21, 5, 0))
timed("pppox", lambda: made(24, T, 0))
timed("llc", lambda: made(26, T, 0))
timed("nfc", lambda: made(39, 5, 0))
timed("qipcrtr", lambda: made(42, U, 0))
timed("x25", lambda: made(9, 5, 0))
for name, number in {"audit": 9, "kobject": 15, "netfilter": 12, "generic": 16, "connector": 11, "xfrm": 6,
                     "sock_diag": 4, "crypto": 21, "selinux": 7, "fib": 10}.items():
    timed(f"netlink {name}", lambda number=number: made(16, R, number))
timed("unix dgram", lambda: made(UNIX, U))
timed("unix raw", lambda: made(UNIX, R))
timed("pair dgram", lambda: attempt(lambda: socket.socketpair(UNIX, U)))
