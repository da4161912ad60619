//! The network: a loopback of the sandbox's own, on which everything works, and no way to anything else. What tries to
//! leave is refused at once, told, and booked to its call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use event::fact::{Family, SocketType};
use support::{Ran, Stage, canonical_tempdir};

// Rows "UDP or ICMP passes while TCP is blocked" (nono, OpenShell), "path tricks … IPv4-mapped IPv6, decimal/octal
// IPv4", "data leaves in DNS names", and facts: Landlock's TCP rules let UDP and MPTCP through.
#[test]
fn every_way_out_is_refused_at_once_and_told() {
    let stage = Stage::new();
    let ran = stage.python(include_str!("agent/outside.py")).well();
    let answers = [
        "ENETUNREACH",
        "EPERM",
        "EAFNOSUPPORT",
        "EPROTONOSUPPORT",
        "ESOCKTNOSUPPORT",
        "ENODEV",
        "EACCES",
        "no such name",
    ];
    ran.assert_all(ran.all_said().len(), &answers);
    assert!(ran.all_said().len() >= 66, "all were tried: {}", ran.all_said().len());
    let told = stage.witness.refused_network();
    assert!(told.iter().all(|(call, _)| *call == ran.call));
    let silent: Vec<_> = untold(&ran, &stage).into_iter().collect();
    assert!(silent.is_empty(), "refused without a word: {silent:?}");
    assert_eq!(stage.witness.gaps(), Vec::<String>::new());
    let of = |wanted: Family| told.iter().filter(|(_, refused)| refused.family == wanted).count();
    for family in [
        Family::Inet,
        Family::Inet6,
        Family::Packet,
        Family::Vsock,
        Family::Alg,
        Family::Netlink,
        Family::Unix,
    ] {
        assert!(of(family.clone()) > 0, "{family:?} is told");
    }
    assert!(
        told.iter().any(|(_, r)| r.socket_type == SocketType::Raw && r.protocol == Some(1)),
        "ICMP is told as such"
    );
    assert!(told.iter().any(|(_, r)| r.protocol == Some(262)), "MPTCP is told as such");
}

/// Destinations that the agent tried and nobody was told of.
fn untold(_: &Ran, stage: &Stage) -> BTreeSet<&'static str> {
    let told: BTreeSet<_> = stage
        .witness
        .refused_network()
        .into_iter()
        .filter_map(|(_, refused)| {
            refused.destination.map(|to| (refused.syscall.to_string(), to.address.to_string()))
        })
        .collect();
    let expected = [
        ("connect", "192.0.2.1"),
        ("connect", "2001:db8::1"),
        ("connect", "169.254.169.254"),
        ("connect", "10.0.0.1"),
        ("connect", "::ffff:192.0.2.1"),
        ("connect", "fe80::1"),
        ("connect", "224.0.0.1"),
        ("connect", "255.255.255.255"),
        ("sendto", "192.0.2.1"),
        ("sendmsg", "192.0.2.1"),
        ("sendmmsg", "192.0.2.1"),
        ("sendto", "2001:db8::1"),
        ("sendto", "::ffff:192.0.2.1"),
        ("sendto", "239.255.255.250"),
        ("sendto", "255.255.255.255"),
        ("sendto", "8.8.8.8"),
    ];
    expected
        .into_iter()
        .filter(|(call, to)| !told.contains(&((*call).into(), (*to).into())))
        .map(|(_, to)| to)
        .collect()
}

#[test]
fn everything_works_on_the_sandboxs_own_loopback() {
    let stage = Stage::new();
    let ran = stage.python(include_str!("agent/loopback.py")).well();
    let wrong: Vec<_> = ran.all_said().into_iter().filter(|(key, answer)| !is_fine(key, answer)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(stage.witness.refused_network(), [], "an honest program tries nothing that is worth telling");
    assert_eq!(stage.witness.gaps(), Vec::<String>::new());
}

fn is_fine(key: &str, answer: &str) -> bool {
    match key {
        "closed port" => answer == "ECONNREFUSED",
        "unix absent" => answer == "ENOENT",
        "name" => answer == "127.0.0.1",
        "ipv6" | "mapped loopback" => matches!(answer, "open" | "EAFNOSUPPORT" | "EADDRNOTAVAIL"),
        // Told by `the_user_on_the_far_side_of_a_local_socket_is_known`.
        _ if key.starts_with("credentials") => true,
        _ => matches!(answer, "True" | "open" | "WORD" | "datagram" | "message" | "to" | "passed" | "local"),
    }
}

// Servers decide by it who is asking: D-Bus, PostgreSQL (`peer`), tmux, gpg-agent. The process id is not asserted: the
// supervisor connects in the agent's place, and the kernel takes the id of who connects.
#[test]
fn the_user_on_the_far_side_of_a_local_socket_is_known() {
    let ran = Stage::new().python(include_str!("agent/loopback.py")).well();
    let wrong: Vec<_> = ran
        .all_said()
        .into_iter()
        .filter(|(key, is)| key.starts_with("credentials") && *is != "True")
        .collect();
    assert!(wrong.is_empty(), "SO_PEERCRED names the user who connected: {wrong:?}");
}

/// Asserts that nobody has knocked.
fn assert_untouched(listener: &UnixListener) {
    listener.set_nonblocking(true).unwrap();
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "nobody connected to the host's socket"
    );
}

// Row "AF_UNIX sockets, abstract sockets or D-Bus lead out" (nono #1089, GHSA-27vp-2mmc-vmh3).
#[test]
fn sockets_of_the_host_are_out_of_reach() {
    let (_granted, granted) = canonical_tempdir();
    let (folder, workspace) = canonical_tempdir();
    let name = format!("aurelian-test-{}", std::process::id());
    let abstracted = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let near = UnixListener::bind(workspace.join("socket")).unwrap();
    let far = UnixListener::bind(granted.join("socket")).unwrap();
    let datagrams = UnixDatagram::bind(workspace.join("datagrams")).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let stage = Stage::at(&format!("filesystem: {{ read: ['{}'] }}", granted.display()), folder, workspace);
    let ran = stage.python(&format!(
        r#"
name, granted, port = {name:?}, {granted:?}, {port}
def unix(address, kind=socket.SOCK_STREAM):
    def run():
        with socket.socket(socket.AF_UNIX, kind) as s:
            s.connect(address)
    return attempt(run)
say("abstract", unix("\0" + name))
say("workspace", unix("socket"))
say("absolute", unix(os.getcwd() + "/socket"))
say("granted", unix(granted + "/socket"))
os.symlink(os.getcwd() + "/socket", "/tmp/link")
say("link", unix("/tmp/link"))
say("self", unix("/proc/self/cwd/socket"))
say("root", unix("/proc/self/root" + os.getcwd() + "/socket"))
fd = os.open("socket", os.O_PATH)
say("descriptor", unix(f"/proc/self/fd/{{fd}}"))
say("thread", unix(f"/proc/thread-self/fd/{{fd}}"))
say("pid", unix(f"/proc/{{os.getpid()}}/fd/{{fd}}"))
say("hard link", attempt(os.link, "socket", "/tmp/hard"))
say("seqpacket", unix("socket", socket.SOCK_SEQPACKET))
os.link("socket", "hard")
say("near hard link", unix("hard"))
a, b = socket.socketpair()
say("reconnect pair", attempt(a.connect, "socket"))
say("sendto", attempt(a.sendto, b"x", "socket"))
say("sendmsg", attempt(a.sendmsg, [b"x"], [], 0, "datagrams"))
with socket.socket() as s:
    say("tcp", attempt(s.connect, ("127.0.0.1", port)))
"#
    ));
    let refused =
        ["ECONNREFUSED", "EXDEV", "ELOOP", "EISCONN", "EOPNOTSUPP", "EPROTOTYPE", "EACCES", "ENOENT"];
    ran.well().assert_all(17, &refused);
    for listener in [&abstracted, &near, &far] {
        assert_untouched(listener);
    }
    datagrams.set_nonblocking(true).unwrap();
    assert!(datagrams.recv(&mut [0; 8]).is_err(), "nothing reached the host's socket");
    tcp.set_nonblocking(true).unwrap();
    assert!(tcp.accept().is_err(), "the host's loopback is another");
    let told = stage.witness.refused_network();
    let near =
        told.iter().filter(|(_, refused)| refused.family == Family::Unix && refused.syscall == "connect");
    assert!(near.count() >= 4, "sockets that lead to the host are told: {told:?}");
}

// DESIGN.md, section 6: the decision is made on a copy of the address that the agent can't change afterwards. Here two
// threads change the address, the descriptor and the path while others connect, some 10,000 times.
#[test]
fn no_race_leads_to_a_socket_of_the_host() {
    let (folder, workspace) = canonical_tempdir();
    let near = UnixListener::bind(workspace.join("socket")).unwrap();
    let stage = Stage::at("", folder, workspace);
    support::compile(&stage.workspace, "race", include_str!("agent/race.c"));
    let ran = stage.run(&["./race".to_owned(), "2000".to_owned()]).well();
    assert_untouched(&near);
    for race in ["memory", "descriptor", "path", "internet"] {
        let connections: u32 = ran.said(&format!("{race} attempts")).parse().unwrap();
        assert!(connections >= 2000, "{}", ran.out);
        assert_eq!(ran.said(&format!("{race} reached")), "0", "{}", ran.out);
    }
    let own: u32 = ran.said("own reached").parse().unwrap();
    assert!(
        own > 0,
        "the races were real: connections to the sandbox's own socket came through: {}",
        ran.out
    );
}

#[test]
fn two_sandboxes_do_not_hear_each_other() {
    let (one, two) = (Stage::new(), Stage::new());
    let listening = one.start_python(
        "s = socket.create_server(('127.0.0.1', 7077)); u = socket.socket(socket.AF_UNIX); u.bind('\\0shared'); u.listen()\n\
         d = socket.socket(type=socket.SOCK_DGRAM); d.bind(('127.0.0.1', 7078)); d.settimeout(30); say('ready', 1)\n\
         say('heard', attempt(d.recv, 10)); ",
    );
    listening.wait_for_word();
    let speak = "say('tcp', attempt(socket.create_connection, ('127.0.0.1', 7077)))\n\
                 say('unix', attempt(socket.socket(socket.AF_UNIX).connect, '\\0shared'))\n\
                 socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 7078))";
    two.python(speak).well().assert_said(&[("tcp", "ECONNREFUSED"), ("unix", "ECONNREFUSED")]);
    assert!(listening.call.ended().is_none(), "no datagram of the other sandbox was heard");
    one.python(speak).well().assert_said(&[("tcp", "open"), ("unix", "open")]);
    listening.wait().well().assert_said(&[("heard", "open")]);
}

// connect(2): a socket that blocks waits for a full backlog; only one that doesn't is told `EAGAIN`.
#[test]
fn a_full_backlog_is_waited_for() {
    let ran = Stage::new().python(
        r#"
server = socket.socket(socket.AF_UNIX); server.bind("/tmp/slow"); server.listen(1)
tcp = socket.socket(); tcp.bind(("127.0.0.1", 0)); tcp.listen(1)
def slow(listener):
    time.sleep(0.5)
    while True:
        listener.accept()[0].close()
for listener in (server, tcp):
    threading.Thread(target=slow, args=(listener,), daemon=True).start()
answers = []
def ask(family, to):
    with socket.socket(family) as s:
        answers.append(attempt(s.connect, to))
threads = [threading.Thread(target=ask, args=(socket.AF_UNIX, "/tmp/slow")) for _ in range(8)]
threads += [threading.Thread(target=ask, args=(socket.AF_INET, tcp.getsockname())) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
say("answers", sorted(set(answers)))
say("count", len(answers))
"#,
    );
    ran.well().assert_said(&[("answers", "['open']"), ("count", "16")]);
}

#[test]
fn there_is_one_interface_and_it_cannot_be_changed() {
    let ran = Stage::new().python(
        r#"
import fcntl
say("interfaces", [name for _, name in socket.if_nameindex()])
s = socket.socket()
request = struct.pack("16sH", b"lo", 0) + bytes(22)
for name, number in (("flags", 0x8914), ("address", 0x8916), ("route", 0x890B), ("bridge", 0x89A0), ("rename", 0x8923),
                     ("tun", 0x400454CA)):
    say(name, attempt(fcntl.ioctl, s, number, request))
# RTM_NEWLINK of a dummy device, RTM_NEWROUTE, RTM_NEWADDR: to ask is allowed, to change is not.
def netlink(kind, body):
    with socket.socket(16, socket.SOCK_RAW, 0) as n:
        n.settimeout(5)
        n.bind((0, 0))
        n.sendto(struct.pack("IHHII", 16 + len(body), kind, 0x605, 1, 0) + body, (0, 0))
        answer = n.recv(65536)
        return error_name(-struct.unpack("i", answer[16:20])[0])
say("link", netlink(16, struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HH8s", 12, 3, b"dummy0\0\0")))
say("new address", netlink(20, struct.pack("BBBBI", 2, 24, 0, 0, 1) + struct.pack("HH4s", 8, 2, bytes([192, 0, 2, 9]))))
say("new route", netlink(24, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + struct.pack("HHI", 8, 4, 1)))
"#,
    );
    let ran = ran.well();
    ran.assert_said(&[
        ("interfaces", "['lo']"),
        ("link", "EPERM"),
        ("new address", "EPERM"),
        ("new route", "EPERM"),
    ]);
    ran.assert_said(&[("flags", "EPERM"), ("address", "EPERM"), ("route", "EPERM")]);
}
