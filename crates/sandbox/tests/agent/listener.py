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
        say('way connect %s' % address, attempt(lambda: s.connect((address, port))))
        s = socket.socket(family)
        say('way fast open %s' % address, attempt(lambda: s.sendto(b'x', FASTOPEN, (address, port))))
s = socket.socket()
say('way deferred', attempt(lambda: s.setsockopt(socket.IPPROTO_TCP, FASTOPEN_CONNECT, 1)))
