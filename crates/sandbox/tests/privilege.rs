//! Who the agent is: nobody special, with nothing in its hands. And what it can't do to what watches it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sandbox::{Command, Stdio, WindowSize};
use support::{Stage, alone, compile, is_root, python, skip};

#[test]
fn no_process_has_or_can_get_a_capability() {
    let status = r#"
def status(who):
    lines = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    say(who, " ".join(lines[key].strip().lstrip("0") or "0" for key in
                      ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")))
status("first")
say("take", syscall(126, struct.pack("II", 0x20080522, 0), struct.pack("IIIIII", 1 << 21, 1 << 21, 0, 0, 0, 0)))
say("ambient", syscall(157, 47, 2, 21, 0, 0))
say("keepcaps", (syscall(157, 8, 1, 0, 0, 0), syscall(157, 28, 1, 0, 0, 0))[1])
sys.stdout.flush()
if os.fork() == 0:
    status("child"); os._exit(0)
os.wait()
thread = threading.Thread(target=status, args=("thread",)); thread.start(); thread.join()
os.system("sed -n 's/^CapEff:.0*/sh=x/p' /proc/self/status")
say("uid", syscall(117, 12345, 12345, 12345))
say("root", syscall(105, 0) if os.getuid() else "EPERM")
say("gid", syscall(119, 12345, 12345, 12345))
say("groups", syscall(116, 1, struct.pack("I", 12345)))
say("fsuid", libc.setfsuid(54321) == libc.setfsuid(-1))
"#;
    let ran = Stage::new().python(status).well();
    let nothing = "0 0 0 0 0 1 2 1";
    ran.assert_said(&[
        ("first", nothing),
        ("child", nothing),
        ("thread", nothing),
        ("sh", "x"),
        ("take", "EPERM"),
        ("ambient", "EPERM|EINVAL"),
        ("keepcaps", "EPERM"),
        ("uid", "EPERM|EINVAL"),
        ("root", "EPERM|EINVAL"),
        ("gid", "EPERM|EINVAL"),
        ("groups", "EPERM"),
        ("fsuid", "True"),
    ]);
}

const WHO: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(void) {
    uid_t r, e, s; gid_t a, b, c;
    getresuid(&r, &e, &s); getresgid(&a, &b, &c);
    printf("same=%d\nsecure=%lu\n", r == e && e == s && a == b && b == c, getauxval(AT_SECURE));
    return 0;
}
"#;

// Row of proof "setuid…"; DESIGN.md: no_new_privs.
#[test]
fn programs_with_the_set_user_id_bit_gain_nothing() {
    let stage = Stage::prepared("", |workspace| {
        let program = compile(workspace, "who", WHO);
        if is_root() {
            std::os::unix::fs::chown(&program, Some(4321), Some(4321)).unwrap();
        }
        fs::set_permissions(&program, fs::Permissions::from_mode(0o6755)).unwrap();
    });
    stage.run(&["./who".to_owned()]).well().assert_said(&[("same", "1"), ("secure", "0")]);
    let ran = stage.python(
        r#"
ST_NOSUID, ST_NODEV = 2, 4
places = ["/", "/usr", "/tmp", "/dev/shm", "/run", os.environ["HOME"], os.getcwd(), "/etc", "/proc"]
say("nosuid", [p for p in places if not os.statvfs(p).f_flag & ST_NOSUID])
say("nodev", [p for p in places if not os.statvfs(p).f_flag & ST_NODEV])
"#,
    );
    ran.well().assert_said(&[("nosuid", "[]"), ("nodev", "[]")]);
}

// Row "file descriptors of the supervisor leak into the sandbox" (runc CVE-2024-21626).
#[test]
fn a_call_has_three_descriptors_and_its_folder_inside() {
    // What the test's own process has open must not get in, nor what other calls have.
    let _leak = fs::File::open("/etc/passwd").unwrap();
    let stage = Stage::new();
    let other = stage.start_python("say('ready', 1); time.sleep(30)");
    other.wait_for_word();
    let list = "ls -l /proc/self/fd | sed 1d | grep -v '/proc/[0-9]*/fd$' | sed 's/.* \\([0-9]*\\) -> \\(.*\\)/\\1=\\2/' | sed 's/:.*//'";
    let ran = stage.shell(list).well();
    assert_eq!(ran.all_said().keys().copied().collect::<Vec<_>>(), ["0", "1", "2"], "{}", ran.out);
    ran.assert_said(&[("0", "/dev/null"), ("1", "pipe"), ("2", "pipe")]);
    for folder in ["/proc/self/fd/3", "/proc/self/fd/5/../../..", "/proc/1/cwd", "/proc/1/root"] {
        let command = Command::new("/bin/true").current_dir(folder);
        assert!(stage.sandbox.call(command).is_err(), "{folder} is no folder to start in");
    }
    other.call.kill();
}

#[test]
fn descriptors_of_the_operator_that_survive_execution_do_not_get_in() {
    // A descriptor without the close-on-exec flag, as a careless embedder has: ours, on purpose.
    let (read, write) = rustix::pipe::pipe().unwrap();
    assert!(!rustix::io::fcntl_getfd(&write).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    let stage = Stage::new();
    let ran = stage.python("say('open', [n for n in os.listdir('/proc/self/fd') if int(n) > 3])").well();
    ran.assert_said(&[("open", "[]")]);
    drop((read, write));
}

#[test]
fn the_environment_is_what_the_policy_says() {
    const TEST: &str = "the_environment_is_what_the_policy_says";
    let secrets = [
        "AWS_SECRET_ACCESS_KEY",
        "SSH_AUTH_SOCK",
        "DBUS_SESSION_BUS_ADDRESS",
        "LD_PRELOAD_X",
        "GITHUB_TOKEN",
    ];
    let mut variables: Vec<_> = secrets.iter().map(|name| (*name, OsStr::new("planted"))).collect();
    variables.extend([("PASSED", OsStr::new("passed")), ("TERM", OsStr::new("host-term"))]);
    if !alone(TEST, &variables) {
        return;
    }
    let stage = Stage::with("environment: { pass: [PASSED, ABSENT], set: { SET: 'set', EMPTY: '' } }");
    let command = Command::new("/usr/bin/env").env("OWN", "own").timeout(Duration::from_secs(30));
    let ran = stage.start_command(command).wait().well();
    assert!(!ran.out.contains("planted") && !ran.out.contains("host-term"), "{}", ran.out);
    ran.assert_said(&[("PASSED", "passed"), ("SET", "set"), ("EMPTY", ""), ("OWN", "own")]);
    let names: Vec<_> = ran.all_said().into_keys().collect();
    // The options are ours, not the host's: tar takes root for somebody who can give files away.
    let tar = (ran.said("USER") == "root").then_some("TAR_OPTIONS");
    let ours = ["EMPTY", "HOME", "LOGNAME", "LSAN_OPTIONS", "OWN", "PASSED", "PATH", "SET", "SHELL", "USER"];
    let mut expected: Vec<_> = ours.into_iter().chain(tar).collect();
    expected.sort_unstable();
    assert_eq!(names, expected, "nothing else is set");
    let ran = stage.python(
        "found = []\n\
         for pid in os.listdir('/proc'):\n    \
             for name in ('environ', 'cmdline'):\n        \
                 try: found += [pid] if b'plan' + b'ted' in read(f'/proc/{pid}/{name}') else []\n        \
                 except OSError: pass\n\
         say('found', found)",
    );
    ran.well().assert_said(&[("found", "[]")]);
}

#[test]
fn only_the_sandboxs_own_processes_are_seen() {
    let ran = Stage::new().python(
        r#"
pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
say("pids", pids == [1, os.getpid()])
say("init", read("/proc/1/comm").decode().strip())
say("parent", os.getppid())
say("signal", [attempt(os.kill, pid, 0) for pid in range(2, 3000) if pid not in pids and attempt(os.kill, pid, 0) != "ESRCH"])
say("session", os.getsid(0) == os.getpid())
say("stat", attempt(read, "/proc/stat"))
os.kill(1, 9); os.kill(1, 19); os.kill(1, 15)
say("still", read("/proc/1/stat").split()[2].decode() in "SR")
"#,
    );
    ran.well().assert_said(&[
        ("pids", "True"),
        ("parent", "1"),
        ("signal", "[]"),
        ("session", "True"),
        ("still", "True"),
    ]);
}

#[test]
fn no_process_leaves_a_core_file_or_a_handler_outside() {
    let stage = Stage::new();
    let ran = stage.python(
        r#"
import resource, signal
# 1, not 0: the kernel starts the host's core handler (a pipe in core_pattern) for every limit but 1 (core(5)).
say("limit", resource.getrlimit(resource.RLIMIT_CORE))
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSEGV)
_, status = os.waitpid(child, 0)
say("dumped", os.WCOREDUMP(status))
say("left", [name for name in os.listdir(".") if "core" in name])
"#,
    );
    ran.well().assert_said(&[("dumped", "False"), ("left", "[]"), ("limit", "(1, 1)")]);
}

#[test]
fn a_limit_that_was_set_cannot_be_raised() {
    let ran = Stage::with("limits: { open_files: 100 }").python(
        r#"
import resource
say("files", resource.getrlimit(resource.RLIMIT_NOFILE))
for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
    before = resource.getrlimit(which)
    try:
        resource.setrlimit(which, (5000, 5000))
    except (ValueError, OSError):
        pass
    say(which, resource.getrlimit(which) == before)
# Lower is no better than higher: see `no_process_leaves_a_core_file_or_a_handler_outside`.
for lower in (lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
              lambda: syscall(302, 0, 4, struct.pack("QQ", 0, 0), 0),
              lambda: syscall(302, os.getpid(), 0x100000004, struct.pack("QQ", 0, 0), 0)):
    try:
        lower()
    except (ValueError, OSError):
        pass
say("core", resource.getrlimit(resource.RLIMIT_CORE))
say("priority", attempt(os.setpriority, os.PRIO_PROCESS, 0, -10))
say("realtime", attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(10)))
"#,
    );
    ran.well().assert_said(&[
        ("files", "(100, 100)"),
        ("7", "True"),
        ("4", "True"),
        ("core", "(1, 1)"),
        ("priority", "EPERM|EACCES"),
        ("realtime", "EPERM"),
    ]);
}

// DESIGN.md: filters are inherited by every descendant and can't be dropped.
#[test]
fn a_filter_of_the_agents_own_does_not_blind_ours() {
    let stage = Stage::new();
    let ran = stage.python(
        r#"
# One instruction: everything is allowed. struct sock_fprog { count, pointer }.
allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
# What another filter asks about (a mount, a connection) this one hands to a tracer that isn't there.
trace = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in (
    (0x20, 0, 0, 0), (0x15, 1, 0, 165), (0x15, 0, 1, 42), (6, 0, 0, 0x7FF00000), (6, 0, 0, 0x7FFF0000))))
program = lambda code, length=1: struct.pack("HxxxxxxQ", length, ctypes.addressof(code))
NEW_LISTENER, TSYNC, SPEC_ALLOW, WAIT_KILLABLE = 8, 1, 4, 32
say("listener", syscall(317, 1, NEW_LISTENER, program(allow)))
say("listener killable", syscall(317, 1, NEW_LISTENER | WAIT_KILLABLE, program(allow)))
say("allow", syscall(317, 1, 0, program(allow)))
say("allow all threads", syscall(317, 1, TSYNC, program(allow)))
say("by prctl", syscall(157, 22, 2, program(allow), 0, 0))
say("trace", syscall(317, 1, 0, program(trace, 5)))
say("mount", syscall(165, b"none", b"/tmp", b"tmpfs", 0, 0))
say("connect", connect(4101))
say("descriptors", [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                    if os.path.lexists(f"/proc/self/fd/{fd}") and "seccomp" in os.readlink(f"/proc/self/fd/{fd}")])
say("read filter", syscall(101, 0x420C, os.getpid(), 0, 0))
"#,
    );
    // A filter that answers `trace` counts for less than one that asks: ours.
    ran.well().assert_said(&[
        ("listener", "EBUSY"),
        ("listener killable", "EBUSY"),
        ("allow", "open"),
        ("allow all threads", "open"),
        ("by prctl", "open"),
        ("trace", "open"),
        ("mount", "EPERM"),
        ("connect", "ENETUNREACH"),
        ("descriptors", "[]"),
        ("read filter", "EPERM"),
    ]);
    assert_eq!(stage.witness.calls_refused_at(4101), [1]);
    assert_eq!(stage.witness.gaps(), Vec::<String>::new());
}

// Threat model: "hide which call did it". What makes another call's process act for one's own does just that.
#[test]
fn a_call_cannot_write_into_the_memory_of_anothers_process() {
    let stage = Stage::new();
    let victim = stage.start_python(
        "word = ctypes.create_string_buffer(b'honest')\n\
         print(os.getpid(), ctypes.addressof(word), flush=True)\n\
         while not os.path.exists('done'): time.sleep(0.01)\n\
         print('word=' + word.value.decode(), flush=True)\n",
    );
    victim.wait_for_word();
    let ran = stage.python(
        r#"
me = os.getpid()
answers = {}
for pid in [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, me)]:
    for name in ("mem", "environ", "maps", "auxv", "fd/1", "cwd/", "root/", "exe", "map_files", "task/" + pid + "/mem"):
        for flags in (os.O_RDONLY, os.O_RDWR):
            answers[f"{name} {flags}"] = attempt(lambda: os.close(os.open(f"/proc/{pid}/{name}", flags)))
    with open(f"/proc/{pid}/comm", "rb+", buffering=0) as file:
        answers["comm"] = attempt(file.write, b"liar")
say("writable", sorted(name for name, answer in answers.items() if answer == "open" and (name.endswith(" 2") or name == "comm")))
write("done")
"#,
    );
    let victim = victim.wait();
    assert!(victim.out.contains("word=honest"), "{victim:?}");
    ran.well().assert_said(&[("writable", "[]")]);
}

// Row "TIOCSTI: the agent types into the operator's terminal" (bubblewrap CVE-2017-5226).
#[test]
fn a_terminal_is_the_sandboxs_own() {
    let stage = Stage::new();
    let source = python(
        r#"
import fcntl
out = []
out.append(("tty", os.ttyname(0)))
out.append(("isatty", all(os.isatty(fd) for fd in (0, 1, 2))))
out.append(("controlling", attempt(lambda: os.close(os.open("/dev/tty", os.O_RDWR)))))
out.append(("size", os.get_terminal_size(0)[:]))
out.append(("type", syscall(16, 0, 0x5412, b"x")))
out.append(("console", syscall(16, 0, 0x541C, b"\x03")))
out.append(("foreign", [name for name in os.listdir("/dev/pts") if name not in ("0", "ptmx")]))
for key, value in out:
    say(key, value)
"#,
    );
    let command = Command::new(&source[0]).args(&source[1..]).terminal(WindowSize { rows: 30, columns: 100 });
    let mut call = stage.sandbox.call(command.timeout(Duration::from_secs(30))).unwrap();
    let terminal = call.terminal.take().expect("a terminal was asked for");
    assert!(call.stdout.is_none(), "the terminal is all three streams");
    let mut file = fs::File::from(rustix::io::fcntl_dupfd_cloexec(&terminal, 0).unwrap());
    drop(terminal);
    let mut out = Vec::new();
    // The end of a terminal is an error (EIO) once nobody has its other side open.
    let _ = file.read_to_end(&mut out);
    let out = String::from_utf8_lossy(&out).replace('\r', "");
    assert_eq!(call.wait().exit_code, 0, "{out}");
    for line in
        ["tty=/dev/pts/0", "isatty=True", "controlling=open", "size=(100, 30)", "type=EPERM", "console=EPERM"]
    {
        assert!(out.lines().any(|said| said == line), "{line}: {out}");
    }
    assert!(out.contains("foreign=[]"), "{out}");
    let told: Vec<_> =
        stage.witness.refused_syscalls().into_iter().map(|(_, refused)| refused.syscall).collect();
    assert_eq!(told, ["ioctl", "ioctl"]);
}

#[test]
fn without_a_terminal_there_is_none() {
    let stage = Stage::new();
    let ran = stage.python("say('tty', attempt(lambda: os.close(os.open('/dev/tty', os.O_RDWR))))").well();
    ran.assert_said(&[("tty", "ENXIO")]);
}

#[test]
fn standard_input_is_what_was_given() {
    let stage = Stage::new();
    let mut call = stage.sandbox.call(Command::new("/bin/cat").stdin(Stdio::Pipe)).unwrap();
    let mut stdin = call.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"given").unwrap();
    drop(stdin);
    let mut out = String::new();
    call.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!((out.as_str(), call.wait().exit_code), ("given", 0));
}

#[test]
fn ids_of_root_are_not_those_of_the_host() {
    if !is_root() {
        return skip("ids_of_root_are_not_those_of_the_host", "needs root");
    }
    let stage = Stage::new();
    let agent = stage.start_python("say('ready', 1); time.sleep(30)");
    agent.wait_for_word();
    let status = fs::read_to_string(format!("/proc/{}/status", stage.sandbox.init_pid())).unwrap();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    assert!(uids.split_whitespace().all(|uid| uid.parse::<u32>().unwrap() > 1 << 30), "{uids}");
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
    assert_eq!(groups.trim(), "", "no group of the operator's is left");
    agent.call.kill();
}

#[test]
fn the_kernel_is_not_told_how_to_treat_the_init() {
    let stage = Stage::new();
    let init = stage.sandbox.init_pid();
    let settings = |name: &str| fs::read_to_string(format!("/proc/{init}/{name}")).unwrap_or_default();
    let names = ["oom_score_adj", "oom_adj", "autogroup", "coredump_filter", "timerslack_ns", "comm"];
    let before = names.map(settings);
    let source = "for name in os.listdir('/proc/1'):\n    \
                  for path in ('/proc/1/' + name, '/proc/1/task/1/' + name):\n        \
                  if os.path.isfile(path): say(path, attempt(lambda: os.write(os.open(path, os.O_WRONLY), b'19')))";
    let ran = stage.python(source).well();
    let answers: Vec<_> = ran.all_said().into_values().collect();
    assert!(answers.len() > 20, "it tries all: {ran:#?}");
    assert!(answers.iter().all(|answer| ["EROFS", "EACCES", "EPERM"].contains(answer)), "{ran:#?}");
    assert_eq!(names.map(settings), before);
    // The test's own session may be led from outside its process namespace: the kernel says 0 then,
    // which `getsid` of rustix doesn't take.
    let session = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat[stat.rfind(')').unwrap()..].split(' ').nth(4).unwrap().to_owned()
    };
    let own = std::process::id();
    assert_ne!(session(init), session(own), "what the kernel keeps for a session is not the operator's");
}
