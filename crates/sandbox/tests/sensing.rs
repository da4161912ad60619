//! What the watch is told of processes beside what they may not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use event::Fact;
use event::fact::{Busiest, NetListen, Stdio};
use sandbox::image::Image;
use sandbox::{Decoy, DecoyPlace, Execution, Sandbox, Setup, Witness, Workspace};
use support::{Collector, Ran, Stage, canonical_tempdir, compile, is_root, policy, supervisor};

impl Stage {
    /// Runs a line of shell, and waits until nothing of it is alive: what overlaps may be booked to nobody.
    fn alone(&self, line: &str) -> Ran {
        let ran = self.shell(line);
        self.witness.wait_for_end_of(ran.call);
        ran
    }

    /// What the program's standard streams were, that was executed with this as its only argument.
    fn streams_of(&self, name: &str) -> [Stdio; 3] {
        let executions = self.witness.executions();
        let is_it = |argv: &event::Argv| argv.get(1).is_some_and(|item| item.as_bytes() == name.as_bytes());
        let found = executions.iter().find(|(_, seen)| seen.process.argv.as_ref().is_some_and(is_it));
        found.unwrap_or_else(|| panic!("{name} was executed")).1.stdio.expect("they could be told")
    }
}

#[test]
fn standard_streams_are_told_as_what_they_are() {
    let stage = Stage::new();
    stage
        .python(
            r#"
import os, pty, socket, subprocess, tempfile
run = lambda name, **streams: subprocess.run(["/bin/true", name], **streams)
null = subprocess.DEVNULL
run("null", stdin=null, stdout=null, stderr=null)
run("pipes", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
one, other = socket.socketpair()
run("local", stdin=one, stdout=one, stderr=null)
server = socket.create_server(("127.0.0.1", 4100))
client = socket.create_connection(("127.0.0.1", 4100))
run("internet", stdin=client, stdout=client, stderr=client)
run("datagrams", stdin=socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), stdout=null, stderr=null)
os.mkfifo("/tmp/named")
fifo = os.open("/tmp/named", os.O_RDWR)
run("fifo", stdin=fifo, stdout=null, stderr=null)
main, side = pty.openpty()
run("terminal", stdin=side, stdout=side, stderr=side)
run("file", stdin=open("/etc/passwd"), stdout=open("/dev/zero"), stderr=tempfile.TemporaryFile())
if os.fork() == 0:
    os.close(0); os.close(2)
    os.execv("/bin/true", ["true", "closed"])
os.wait()
"#,
        )
        .well();
    assert_eq!(stage.streams_of("null"), [Stdio::Null; 3]);
    assert_eq!(stage.streams_of("pipes"), [Stdio::Pipe; 3]);
    assert_eq!(stage.streams_of("local"), [Stdio::UnixSocket, Stdio::UnixSocket, Stdio::Null]);
    assert_eq!(stage.streams_of("internet"), [Stdio::Socket; 3]);
    assert_eq!(stage.streams_of("datagrams")[0], Stdio::Socket);
    assert_eq!(stage.streams_of("fifo")[0], Stdio::Fifo);
    assert_eq!(stage.streams_of("terminal"), [Stdio::Terminal; 3]);
    assert_eq!(stage.streams_of("file"), [Stdio::File; 3]);
    let [input, _, errors] = stage.streams_of("closed");
    assert_eq!([input, errors], [Stdio::Closed; 2]);
}

#[test]
fn a_program_that_is_no_path_is_named_by_its_file() {
    let stage = Stage::new();
    stage
        .python(
            r#"
import ctypes, os
try:
    program = os.memfd_create("worker")
except OSError:
    # Where memory can't be bounded, there is none of this kind.
    program = os.open("/tmp/memfd:worker", os.O_RDWR | os.O_CREAT, 0o755)
    os.unlink("/tmp/memfd:worker")
os.write(program, open("/bin/true", "rb").read())
if not os.readlink(f"/proc/self/fd/{program}").startswith("/memfd"):
    # One that is written is not executed.
    old, program = program, os.open(f"/proc/self/fd/{program}", os.O_RDONLY)
    os.close(old)
ways = {
    "link": lambda argv: os.execv(f"/proc/self/fd/{program}", argv),
    "thread": lambda argv: os.execv(f"/proc/thread-self/fd/{program}", argv),
    "device": lambda argv: os.execv(f"/dev/fd/{program}", argv),
    "number": lambda argv: os.execv(f"/proc/{os.getpid()}/fd/{program}", argv),
    "descriptor": lambda argv: os.execve(program, argv, {}),
}
for name, way in ways.items():
    if os.fork() == 0:
        way(["true", name])
    assert os.wait()[1] == 0, name
"#,
        )
        .well();
    let executions = stage.witness.executions();
    for way in ["link", "thread", "device", "number", "descriptor"] {
        let found = executions.iter().find(|(_, seen)| {
            let argv = seen.process.argv.as_ref().unwrap();
            argv.get(1).is_some_and(|item| item.as_bytes() == way.as_bytes())
        });
        let (_, execution) = found.unwrap_or_else(|| panic!("{way} was executed"));
        let exe = execution.process.exe.as_ref().unwrap().to_string();
        assert!(exe.contains("/memfd:worker"), "{way}: {exe}");
        assert!(execution.file.is_some(), "{way}");
    }
}

#[test]
fn who_listens_is_told_with_the_place_that_it_listens_at() {
    let stage = Stage::new();
    let ran = stage
        .python(
            r#"
listener = socket.socket(); listener.bind(("127.0.0.1", 4200)); listener.listen(5)
client = socket.create_connection(("127.0.0.1", 4200))
peer = listener.accept()[0]; peer.send(b"x"); assert client.recv(1) == b"x"
unbound = socket.socket(socket.AF_INET6); unbound.listen()
say("port", unbound.getsockname()[1])
local = socket.socket(socket.AF_UNIX); local.bind("/tmp/local"); local.listen()
friend = socket.socket(socket.AF_UNIX); friend.connect("/tmp/local")
who = struct.unpack("3i", friend.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
say("peer", who == os.getpid())
say("unnamed", attempt(socket.socket(socket.AF_UNIX).listen))
say("other", attempt(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).listen))
hidden = socket.socket(socket.AF_UNIX); hidden.bind(b"\0hidden"); hidden.listen()
say("datagrams", attempt(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).listen))
os.close(listener.fileno())
say("closed", attempt(listener.listen))
"#,
        )
        .well();
    let not_for_it = "EOPNOTSUPP|ENOTSUP";
    ran.assert_said(&[("peer", "True"), ("datagrams", not_for_it), ("closed", "EBADF")]);
    ran.assert_said(&[("unnamed", "EINVAL"), ("other", not_for_it)]);
    let seen = stage.witness.seen();
    let listeners: Vec<&NetListen> = seen
        .iter()
        .filter_map(|observation| match &observation.fact {
            Fact::NetListen(listener) => {
                assert_eq!(observation.cause.as_ref().unwrap().call.number(), ran.call);
                assert!(observation.process.as_ref().unwrap().exe.is_some());
                Some(listener)
            }
            _ => None,
        })
        .collect();
    let port = ran.said("port").parse().unwrap();
    let told = |family: &'static str, address: &str, port: Option<u16>| NetListen {
        family: family.into(),
        address: Some(address.into()),
        port,
    };
    let expected = [
        told("inet", "127.0.0.1", Some(4200)),
        told("inet6", "::", Some(port)),
        told("unix", "/tmp/local", None),
        told("unix", "@hidden", None),
    ];
    assert_eq!(listeners, expected.iter().collect::<Vec<_>>());
}

/// What was told of a call's busiest processes: the arguments, and the figures.
fn busiest_of(stage: &Stage, call: u32) -> Vec<(String, Busiest)> {
    let seen = stage.witness.seen();
    let of_call =
        seen.iter().filter(|seen| seen.cause.as_ref().is_some_and(|cause| cause.call.number() == call));
    of_call
        .filter_map(|seen| match &seen.fact {
            Fact::ResourceSample(sample) => {
                let exe = seen.process.as_ref().and_then(|process| process.exe.clone());
                Some((exe.map(|exe| exe.to_string()).unwrap_or_default(), sample.busiest?))
            }
            _ => None,
        })
        .collect()
}

// Rates, since a machine may be slow: a process that burns has nothing else in its figures, whatever it got.
#[test]
fn what_a_call_is_busy_with_is_told_once_a_second() {
    let stage = Stage::new();
    let idle = stage.start(&["/bin/sleep".to_owned(), "20".to_owned()]);
    let burns = stage.start_python(
        r#"
import os, time
until = time.monotonic() + 6
if os.fork() == 0:
    # The busy one is a child that executes nothing; its parent waits.
    while time.monotonic() < until: pass
    os._exit(0)
os.wait()
"#,
    );
    let reads = stage.start_python(
        r#"
import time
until = time.monotonic() + 6
zero = open("/dev/zero", "rb", buffering=0)
while time.monotonic() < until: zero.read(1 << 20)
"#,
    );
    let (burning, reading, sleeping) = (burns.number(), reads.number(), idle.number());
    burns.wait().well();
    reads.wait().well();
    let burned = busiest_of(&stage, burning);
    assert!((1..=8).contains(&burned.len()), "{burned:?}");
    let (exe, most) = burned.iter().max_by_key(|(_, busiest)| busiest.user_us).unwrap();
    assert!(exe.contains("python"), "{exe}");
    assert!(most.user_us > most.over_us / 20 && most.over_us > 500_000, "{most:?}");
    assert!(most.system_us < most.user_us && most.threads == 1 && most.memory_bytes > 1 << 20, "{most:?}");
    let (_, last) = burned.iter().rfind(|(_, busiest)| busiest.user_us > 0).unwrap();
    assert!(last.io_bytes < 64 << 10, "{last:?}");
    let read = busiest_of(&stage, reading);
    assert!(read.iter().any(|(_, busiest)| busiest.io_bytes > 16 << 20), "{read:?}");
    assert_eq!(busiest_of(&stage, sleeping), Vec::new(), "who does nothing is told of in no sample");
    stage.sandbox.kill();
    idle.wait();
}

/// A stage with decoys: a file, one in a folder that is there, one where the policy grants something, and variables.
fn stage_with_decoys() -> Stage {
    let (folder, workspace) = canonical_tempdir();
    let inside = Workspace::new(&workspace, None, None).unwrap();
    let decoy = |name: &'static str, place, content: &str| Decoy {
        name: name.into(),
        place,
        content: content.into(),
    };
    let file = |path: &str| DecoyPlace::File(path.into());
    let decoys = vec![
        decoy("cloud", file(".cloud/credentials"), "token-of-the-cloud"),
        decoy("key", file(".ssh/id_deploy"), "token-of-the-key"),
        decoy("above", file("../outside"), "never"),
        decoy("second", file(".cloud/credentials"), "never"),
        decoy("variable", DecoyPlace::Variable("DEPLOY_TOKEN".into()), "token-of-the-variable"),
        decoy("home", DecoyPlace::Variable("HOME".into()), "never"),
    ];
    let setup = Setup { decoys, ..Setup::new(policy(""), inside, Image::Host) };
    let witness = Arc::<Collector>::default();
    let sandbox = Sandbox::start(supervisor(), &setup, Arc::clone(&witness) as _).unwrap();
    Stage { sandbox, witness, workspace, _folder: folder }
}

/// Keeps what it is told, and is slow to come back once it told others that a call is over.
struct Dawdler(Arc<Collector>);

impl Witness for Dawdler {
    fn see(&self, observation: event::Observation) {
        self.0.see(observation);
    }

    fn execution(&self, cause: event::Cause, execution: Execution) {
        self.0.execution(cause, execution);
    }

    fn call_over(&self, call: event::CallId) {
        self.0.call_over(call);
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_call_that_begins_when_another_is_said_to_be_over_is_alone() {
    let (folder, workspace) = canonical_tempdir();
    let setup = Setup::new(policy(""), Workspace::new(&workspace, None, None).unwrap(), Image::Host);
    let witness = Arc::<Collector>::default();
    let sandbox = Sandbox::start(supervisor(), &setup, Arc::new(Dawdler(Arc::clone(&witness)))).unwrap();
    let stage = Stage { sandbox, witness, workspace, _folder: folder };
    stage.alone("sleep 0.2 > /dev/null 2>&1 &").well();
    let second = stage.alone("echo run >> ~/.bashrc");
    let planted: Vec<_> = {
        let seen = stage.witness.seen();
        let planted = seen.iter().filter(|seen| matches!(seen.fact, Fact::FilePlanted(_)));
        planted.map(|seen| seen.cause.as_ref().map_or(0, |cause| cause.call.number())).collect()
    };
    assert_eq!(planted, [second.call]);
}

/// Who opened what: the call, and the decoy.
fn opened(stage: &Stage) -> Vec<(u32, String)> {
    let seen = stage.witness.seen();
    let read = |observation: &event::Observation| match &observation.fact {
        Fact::DecoyRead(read) => {
            let call = observation.cause.as_ref().map_or(0, |cause| cause.call.number());
            Some((call, read.decoy.to_string()))
        }
        _ => None,
    };
    seen.iter().filter_map(read).collect()
}

#[test]
fn who_opens_a_decoy_is_told_and_who_only_looks_around_is_not() {
    let stage = stage_with_decoys();
    let around = stage.alone(
        "ls -la ~ ~/.cloud ~/.ssh > /dev/null; find ~ -xdev -type f -exec stat {} + > /dev/null; du -sx ~ > /dev/null; \
         test -r ~/.cloud/credentials; echo variable=$DEPLOY_TOKEN; echo home=$HOME; ls -d ~/../outside; true",
    );
    assert_eq!(around.said("variable"), "token-of-the-variable");
    assert!(!around.said("home").contains("never"), "what is set stays as it is");
    assert_eq!(opened(&stage), []);
    let read = stage.alone("cat ~/.cloud/credentials; cat ~/.cloud/credentials > /dev/null");
    assert_eq!(read.out, "token-of-the-cloud");
    assert!(stage.witness.wait_for(|seen| matches!(&seen.fact, Fact::DecoyRead(_))));
    assert_eq!(opened(&stage), [(read.call, "cloud".to_owned())], "once for each call");
    // By another name, through another folder, and as a copy.
    let moved = stage.alone(
        "mv ~/.ssh /tmp/s && ln /tmp/s/id_deploy /tmp/s/other && cp /tmp/s/other /tmp/copy; cat /tmp/copy",
    );
    assert_eq!(moved.out, "token-of-the-key");
    let is_key =
        |seen: &event::Observation| matches!(&seen.fact, Fact::DecoyRead(read) if &*read.decoy == "key");
    assert!(stage.witness.wait_for(is_key));
    assert_eq!(opened(&stage).last(), Some(&(moved.call, "key".to_owned())));
    // One that is executed is opened too, and the supervisor reads its first line meanwhile.
    let executed = stage.alone("chmod +x ~/.cloud/credentials; ~/.cloud/credentials; true");
    let expected = (executed.call, "cloud".to_owned());
    let is_it = |seen: &event::Observation| {
        matches!(&seen.fact, Fact::DecoyRead(_))
            && seen.cause.as_ref().is_some_and(|cause| cause.call.number() == executed.call)
    };
    assert!(stage.witness.wait_for(is_it));
    assert!(opened(&stage).contains(&expected), "{:?}", opened(&stage));
    assert_eq!(stage.witness.gaps(), Vec::<String>::new());
}

/// A first thread that ends leaves no mark of its call where one would look for it.
#[test]
fn a_process_whose_first_thread_has_ended_hides_nothing() {
    let stage = stage_with_decoys();
    compile(&stage.workspace, "headless", include_str!("agent/headless.c"));
    let opens = stage.alone("./headless open ~/.cloud/credentials").well();
    assert!(stage.witness.wait_for(|seen| matches!(&seen.fact, Fact::DecoyRead(_))));
    assert_eq!(opened(&stage), [(opens.call, "cloud".to_owned())]);
    let burns = stage.alone("./headless burn 4").well();
    let busiest = busiest_of(&stage, burns.call);
    let most = busiest.iter().map(|(_, busiest)| busiest).max_by_key(|busiest| busiest.user_us);
    let most = most.expect("it is told of");
    assert!(most.user_us >= most.over_us / 4 && most.memory_bytes > 0, "{most:?}");
}

#[test]
fn nobody_is_blamed_for_what_another_call_opened() {
    let stage = stage_with_decoys();
    let waits = stage.start(&[
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        "echo begun; sleep 1; cat ~/.ssh/id_deploy".to_owned(),
    ]);
    waits.wait_for_word();
    let other = stage.start(&["/bin/sleep".to_owned(), "20".to_owned()]);
    let (opener, innocent) = (waits.number(), other.number());
    waits.wait().well();
    assert!(stage.witness.wait_for(|seen| matches!(&seen.fact, Fact::DecoyRead(_))));
    let blamed: Vec<_> = opened(&stage).into_iter().map(|(call, _)| call).collect();
    // Root is told who it was; others know that it was one of the two, and name none.
    let expected = if is_root() { [opener] } else { [0] };
    assert_eq!(blamed, expected, "{innocent} only slept");
    stage.sandbox.kill();
    other.wait();
}

#[test]
fn files_that_make_something_run_later_are_told_with_the_call_that_wrote_them() {
    let stage = Stage::new();
    let planted = || -> Vec<(u32, String, String)> {
        let seen = stage.witness.seen();
        let planted = |observation: &event::Observation| match &observation.fact {
            Fact::FilePlanted(planted) => {
                let call = observation.cause.as_ref().map_or(0, |cause| cause.call.number());
                let name = planted.path.to_string();
                Some((
                    call,
                    name.rsplit('/').next().unwrap_or_default().to_owned(),
                    planted.mechanism.to_string(),
                ))
            }
            _ => None,
        };
        seen.iter().filter_map(planted).collect()
    };
    stage.alone("echo note > ~/notes; mkdir -p ~/.config/other; cat ~/.bashrc; true").well();
    assert_eq!(planted(), []);
    let first = stage.alone(
        "echo run >> ~/.bashrc; mkdir -p ~/.config/systemd/user; echo > ~/.config/systemd/user/a.service",
    );
    let told = |call, name: &str, mechanism: &str| (call, name.to_owned(), mechanism.to_owned());
    assert_eq!(
        planted(),
        [told(first.call, ".bashrc", "shell-profile"), told(first.call, "a.service", "systemd")]
    );
    stage.alone("cat ~/.bashrc").well();
    assert_eq!(planted().len(), 2, "what did not change is not told again");
    let changed =
        stage.alone("mkdir -p ~/.ssh; ln -s /tmp/keys ~/.ssh/authorized_keys; echo more >> ~/.bashrc");
    let expected = [
        told(changed.call, ".bashrc", "shell-profile"),
        told(changed.call, "authorized_keys", "ssh-authorized-keys"),
    ];
    assert_eq!(planted()[2..], expected);
    // One that is left behind writes later, beside a call that writes nothing.
    let left = stage.shell("(sleep 1; echo later >> ~/.profile) > /dev/null 2>&1 &");
    let innocent = stage.shell("sleep 2");
    assert_eq!(planted()[4..], [told(0, ".profile", "shell-profile")], "{} or {}", left.call, innocent.call);
    // A folder that is a link leads to where nobody looks.
    let linked =
        stage.alone("mkdir -p ~/.local/share/systemd units; ln -s $PWD/units ~/.local/share/systemd/user");
    assert_eq!(planted()[5..], [told(linked.call, "user", "systemd")]);
    // So many that nobody wants to hear of each.
    stage.shell("mkdir -p ~/.config/autostart; for i in $(seq 9); do for j in $(seq 60); do echo $i > ~/.config/autostart/$j; done; true; done");
    for _ in 0..6 {
        stage.shell("for j in $(seq 60); do echo x >> ~/.config/autostart/$j; done");
    }
    assert!(planted().len() <= 256);
    assert!(stage.witness.gaps().iter().any(|gap| gap.contains("planted")), "what is not told is counted");
}
