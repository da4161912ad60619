# Connects to an address of a name in every way there is, and says what the far side says.
import array, select, threading
V4, V6 = ('198.18.0.5', 443), ('fd61:7572:656c::5', 443)

def line(s):
    s.setblocking(True)
    s.settimeout(5)
    return s.makefile().readline().strip()

def plain(family=socket.AF_INET, to=V4, prepare=lambda s: None):
    s = socket.socket(family, socket.SOCK_STREAM)
    prepare(s)
    s.connect(to)
    return line(s)

def nonblocking(before):
    s = socket.socket()
    s.setblocking(False)
    poll = select.epoll()
    if before: poll.register(s, select.EPOLLOUT | select.EPOLLHUP)
    code = s.connect_ex(V4)
    if code not in (0, 115): return os.strerror(code)
    if not before: poll.register(s, select.EPOLLOUT)
    poll.poll(5)
    if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR): return 'error'
    return line(s)

def asked_again():
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(V4)
    for _ in range(100):
        code = s.connect_ex(V4)
        if code in (0, 106): return line(s)
        time.sleep(0.01)
    return os.strerror(code)

def child():
    s = socket.socket()
    if os.fork() == 0:
        s.connect(V4)
        os._exit(0)
    os.wait()
    return line(s)

def thread():
    s = socket.socket()
    t = threading.Thread(target=lambda: s.connect(V4))
    t.start(); t.join()
    return line(s)

def passed():
    a, b = socket.socketpair()
    s = socket.socket()
    if os.fork() == 0:
        fds = array.array('i')
        _, ancillary, _, _ = b.recvmsg(1, socket.CMSG_SPACE(4))
        fds.frombytes(ancillary[0][2])
        t = socket.socket(fileno=fds[0])
        t.connect(V4)
        os._exit(0)
    a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [s.fileno()]))])
    os.wait()
    return line(s)

def reused():
    s = socket.socket()
    s.connect(V4)
    line(s)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.connect(s.fileno(), b'\0' * 16, 16)
    s.connect(V4)
    return line(s)

IP_BIND_ADDRESS_NO_PORT = 24
say('plain', plain())
say('v6', plain(socket.AF_INET6, V6))
say('mapped', plain(socket.AF_INET6, ('::ffff:198.18.0.5', 443)))
say('nodelay', plain(prepare=lambda s: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)))
say('bound', plain(prepare=lambda s: s.bind(('', 0))))
say('bound v6', plain(socket.AF_INET6, V6, lambda s: s.bind(('::', 0))))
say('bound to loopback', plain(prepare=lambda s: s.bind(('127.0.0.3', 0))))
say('bound late', plain(prepare=lambda s: (s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1), s.bind(('127.0.0.1', 0)))))
say('port late', plain(prepare=lambda s: s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)))
say('shared port', plain(prepare=lambda s: (s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1), s.bind(('127.0.0.1', 0)))))
say('epoll before', nonblocking(True))
say('epoll after', nonblocking(False))
say('asked again', asked_again())
say('child', child())
say('thread', thread())
say('passed', passed())
say('reused', reused())
