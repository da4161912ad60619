# Looks for the gateway's listener, and tries to get to it past the gate.
FASTOPEN, FASTOPEN_CONNECT = 0x20000000, 30
listeners = []
for name in ('/proc/net/tcp', '/proc/net/tcp6'):
    try: lines = open(name).read().splitlines()[1:]
    except OSError: continue
    for entry in lines:
        fields = entry.split()
        if fields[3] == '0A': listeners.append(int(fields[1].rsplit(':', 1)[1], 16))
# Where /proc doesn't tell, an agent guesses.
ports = [port for port in listeners if port != 53] or range(32768, 61000)
for port in ports:
    for address in ('127.0.0.1', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1'):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        s = socket.socket(family)
        say('way connect %s %d' % (address, port), attempt(lambda: s.connect((address, port))))
        s = socket.socket(family)
        say('way fast open %s %d' % (address, port), attempt(lambda: s.sendto(b'x', FASTOPEN, (address, port))))
    # The kernel takes :: for the loopback of the family that the socket is bound in (tcp_v6_connect).
    for own in ('::ffff:127.0.0.1', '::ffff:127.0.0.2', '::ffff:0.0.0.0', '::1'):
        s = socket.socket(socket.AF_INET6)
        s.bind((own, 0))
        say('way connect :: from %s %d' % (own, port), attempt(lambda: s.connect(('::', port))))
s = socket.socket()
say('way deferred', attempt(lambda: s.setsockopt(socket.IPPROTO_TCP, FASTOPEN_CONNECT, 1)))

def take(family, port, *options):
    s = socket.socket(family)
    for option in options: s.setsockopt(socket.SOL_SOCKET, option, 1)
    s.bind(('::' if family == socket.AF_INET6 else '0.0.0.0', port))
    s.listen()

for name, family in (('/proc/net/tcp', socket.AF_INET), ('/proc/net/tcp6', socket.AF_INET6)):
    if not os.path.exists(name): continue
    for entry in open(name).read().splitlines()[1:]:
        fields = entry.split()
        if fields[3] != '0A': continue
        port = int(fields[1].rsplit(':', 1)[1], 16)
        say('take %d %d' % (family, port), attempt(lambda: take(family, port, socket.SO_REUSEADDR, socket.SO_REUSEPORT)))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
say('take datagrams', attempt(lambda: u.bind(('127.0.0.1', 53))))
