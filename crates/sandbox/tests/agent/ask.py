# Asks the resolver in every way there is.
RESOLVER = ('127.0.0.1', 53)

def ask(name, how):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    say(name, attempt(lambda: how(s)))

def connected(s):
    s.connect(RESOLVER)
    s.send(b'connected')

def bound(s):
    s.bind(('', 0))
    s.sendto(b'bound', RESOLVER)

ask('connected', connected)
ask('sendto', lambda s: s.sendto(b'sendto', RESOLVER))
ask('bound', bound)
ask('sendmsg', lambda s: s.sendmsg([b'sendmsg'], [], 0, RESOLVER))
ask('twice', lambda s: (s.connect(RESOLVER), s.connect(RESOLVER), s.send(b'twice')))
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
say('v6', attempt(lambda: six.sendto(b'v6', ('::1', 53))))
