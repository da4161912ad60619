# What honest programs do among themselves: all of it must work inside.
import select, socketserver, tempfile

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]


def serve():
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            peer.sendall(peer.recv(100).upper())


threading.Thread(target=serve, daemon=True).start()


def ask(s):
    s.sendall(b"word")
    return s.recv(100).decode()


with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
    say("blocking", ask(s))
    s.settimeout(None)
    say("stays blocking", s.getblocking())

with socket.socket() as s:
    s.setblocking(False)
    first = s.connect_ex(("127.0.0.1", port))
    poll = select.epoll()
    poll.register(s, select.EPOLLOUT)
    ready = poll.poll(5)
    say("non-blocking", first in (0, errno.EINPROGRESS) and bool(ready) and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0)
    say("stays non-blocking", not os.get_blocking(s.fileno()))
    s.setblocking(True)
    say("non-blocking word", ask(s))

with socket.socket() as s:
    # A socket registered before it is connected keeps its registration.
    poll = select.epoll()
    s.setblocking(False)
    poll.register(s, select.EPOLLOUT | select.EPOLLET)
    s.connect_ex(("localhost", port))
    say("edge", any(events & select.EPOLLOUT for _, events in poll.poll(5)))

with socket.socket() as s:
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.bind(("127.0.0.2", 0))
    s.connect(("127.0.0.1", port))
    say("options", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1 and s.getsockname()[0] == "127.0.0.2")

with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    say("closed port", attempt(s.connect, ("127.0.0.1", s.getsockname()[1] ^ 1)))

for address in ("0.0.0.0", "127.0.0.1"):
    with socket.socket() as s:
        say(f"own {address}", attempt(s.connect, (address, port)))

try:
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with socket.create_connection(six.getsockname()[:2], timeout=5):
        say("ipv6", "open")
    with socket.socket(socket.AF_INET6) as s:
        say("mapped loopback", attempt(s.connect, ("::ffff:127.0.0.1", port)))
except OSError as error:
    say("ipv6", error_name(error.errno))

one, two = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0))
two.sendto(b"datagram", one.getsockname())
say("udp", one.recv(100).decode())
two.connect(one.getsockname())
two.sendmsg([b"mes", b"sage"])
say("udp connected", one.recv(100).decode())
two.sendmsg([b"to"], [], 0, one.getsockname())
say("udp sendmsg", one.recv(100).decode())

a, b = socket.socketpair()
fd = os.open("/tmp/passed", os.O_CREAT | os.O_RDWR)
os.write(fd, b"passed")
socket.send_fds(a, [b"x"], [fd])
_, fds, _, _ = socket.recv_fds(b, 10, 4)
say("descriptor", os.pread(fds[0], 100, 0).decode())

for where, address in (("path", tempfile.mkdtemp() + "/socket"), ("abstract", "\0inside"), ("home", os.environ["HOME"] + "/s"),
                       ("run", "/run/socket"), ("shm", "/dev/shm/socket")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as server, socket.socket(socket.AF_UNIX, kind) as client:
            try:
                server.bind(address + str(int(kind)))
                server.listen()
                client.connect(address + str(int(kind)))
                accepted, _ = server.accept()
                client.sendall(b"local")
                say(f"unix {where} {int(kind)}", accepted.recv(100).decode())
                credentials = struct.unpack("III", accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                say(f"credentials {where} {int(kind)}", credentials[1:] == (os.getuid(), os.getgid()))
            except OSError as error:
                say(f"unix {where} {int(kind)}", error_name(error.errno))

# A relative path, from a folder of the scratch layer.
os.chdir(tempfile.mkdtemp())
with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
    server.bind("relative")
    server.listen()
    say("unix relative", attempt(client.connect, "relative"))
    say("unix absent", attempt(socket.socket(socket.AF_UNIX).connect, "absent"))
say("name", socket.gethostbyname("localhost"))
listener.close()
