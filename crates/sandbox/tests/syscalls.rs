//! System calls that lead out, or into the kernel: refused, told, and booked to the call that made them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use event::fact::Arch;
use support::{Stage, compile, skip};

#[test]
fn what_leads_out_is_refused_and_told() {
    let stage = Stage::new();
    let ran = stage.python(include_str!("agent/syscalls.py")).well();
    let wrong: Vec<_> = ran.all_said().into_iter().filter(|(_, answer)| *answer != "EPERM").collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(ran.all_said().len() >= 75, "all were tried: {}", ran.all_said().len());
    let told = stage.witness.refused_syscalls();
    assert_eq!(told.len(), ran.all_said().len(), "each attempt is told once");
    assert!(told.iter().all(|(call, refused)| *call == ran.call && refused.errno == "EPERM"));
    for name in ran.all_said().keys() {
        let syscall = name.split(' ').next().unwrap();
        assert!(told.iter().any(|(_, refused)| refused.syscall == syscall), "{syscall} is told by its name");
    }
    let unshared = told.iter().find(|(_, refused)| refused.syscall == "unshare").unwrap();
    let flags = unshared.1.args.get("flags").map(ToString::to_string);
    assert_eq!(flags.as_deref(), Some("CLONE_NEWUSER"), "the arguments that matter are told");
    assert_eq!(stage.witness.gaps(), Vec::<String>::new());
}

// Row "io_uring does what the filtered call may not" (srt, codex).
#[test]
fn io_uring_does_not_exist_and_is_told() {
    let stage = Stage::new();
    let ran = stage.python(
        "for number in (425, 426, 427): say(number, syscall(number, 1, ctypes.create_string_buffer(256), 0, 0, 0, 0))\n\
         say('nothing', 'ENOSYS')",
    );
    ran.well().assert_all(4, &["ENOSYS"]);
    let told: Vec<_> =
        stage.witness.refused_syscalls().into_iter().map(|(_, refused)| refused.syscall).collect();
    assert_eq!(told, ["io_uring_setup", "io_uring_enter", "io_uring_register"]);
}

#[test]
fn what_nobody_thought_of_does_not_exist() {
    // clone3 first: its flags lie in memory, where a filter can't see a user namespace. Then what is newer than we
    // are, numbers that don't exist, and calls that were removed.
    let ran = Stage::new().python(
        r#"
clone3 = struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
say("clone3 user", syscall(435, clone3, 64))
say("clone3 cgroup", syscall(435, clone3 + bytes(24), 88))
for number in (134, 139, 156, 177, 178, 180, 181, 182, 183, 184, 185, 212, 236, 423, 444 + 13, 444 + 14, 447,
               450, 453, 454, 455, 456, 459, 460, 461, 463, 464, 465, 466, 467, 468, 469, 500, 511, 547, 600, 1000,
               0x3fffffff, 0x7fffffff):
    say(number, syscall(number, 0, 0, 0, 0, 0, 0))
"#,
    );
    let ran = ran.well();
    let open: Vec<_> = ran.all_said().into_iter().filter(|(_, answer)| *answer != "ENOSYS").collect();
    assert!(open.is_empty(), "{open:?}");
}

const FOREIGN: &str = r#"
#include <errno.h>
#include <signal.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static sigjmp_buf back;
static void crashed(int s) { siglongjmp(back, s); }
static long i386(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}
static void say(const char *gate, const char *name, long result) { printf("%s %s=%ld\n", gate, name, result); fflush(stdout); }
int main(void) {
    const struct { const char *name; long x32, i386; } calls[] = {
        {"getpid", 39, 20}, {"socket", 41, 359}, {"connect", 42, 362}, {"execve", 520, 11}, {"ptrace", 521, 26},
        {"mount", 165, 21}, {"unshare", 272, 310}, {"clone", 56, 120}, {"socketcall", 47, 102}, {"fork", 57, 2},
        {"keyctl", 250, 288}, {"open", 2, 5}, {"io_uring_setup", 425, 425}, {"process_vm_writev", 540, 348} };
    signal(SIGSEGV, crashed); signal(SIGILL, crashed); signal(SIGSYS, crashed);
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        long result = syscall(0x40000000 | calls[i].x32, 0x10000000, 0, 0);
        say("x32", calls[i].name, result < 0 ? -errno : result);
        int signalled = sigsetjmp(back, 1);
        say("i386", calls[i].name, signalled ? -1000 : i386(calls[i].i386, 0, 0, 0));
    }
    return 0;
}
"#;

// Row "x32 or i386 system calls pass the filter" (agentsh).
#[test]
fn other_system_call_interfaces_do_not_exist() {
    const ENOSYS: &str = "-38";
    const NO_GATE: &str = "-1000";
    let stage = Stage::new();
    compile(&stage.workspace, "foreign", FOREIGN);
    let ran = stage.run(&["./foreign".to_owned()]).well();
    let has_gate = ran.said("i386 getpid") != NO_GATE;
    if !has_gate {
        skip("other_system_call_interfaces_do_not_exist (i386)", "this kernel has no 32-bit system calls");
    }
    ran.assert_all(28, &[ENOSYS, NO_GATE]);
    let told = stage.witness.refused_syscalls();
    let of = |arch: Arch| told.iter().filter(|(_, refused)| refused.arch == arch).count();
    assert_eq!(
        (of(Arch::X32), of(Arch::I386)),
        (14, if has_gate { 14 } else { 0 }),
        "each attempt is told: {told:?}"
    );
}

#[test]
fn programs_that_are_told_of_no_clone3_run_all_the_same() {
    let source = r#"
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static void *run(void *x) { return x; }
int main(void) {
    pthread_t t; void *result; pid_t pid; int status;
    char *argv[] = {"true", 0};
    if (pthread_create(&t, 0, run, &t) || pthread_join(t, &result) || result != &t) return 1;
    if (posix_spawnp(&pid, "true", 0, 0, argv, environ) || waitpid(pid, &status, 0) != pid || status) return 2;
    if (system("exit 7") >> 8 != 7) return 3;
    FILE *p = popen("echo x", "r");
    return p && fgetc(p) == 'x' && pclose(p) == 0 ? 0 : 4;
}
"#;
    let stage = Stage::new();
    compile(&stage.workspace, "spawns", source);
    stage.run(&["./spawns".to_owned()]).well();
    assert_eq!(stage.witness.refused_syscalls(), [], "an honest program tries nothing that is worth telling");
}

#[test]
fn a_policy_may_allow_debugging_and_nothing_of_the_init_opens() {
    let stage = Stage::with("syscalls: { allow: [ptrace, personality] }");
    let ran = stage.python(
        r#"
child = os.fork()
if child == 0:
    time.sleep(60)
say("child", syscall(101, 0x4206, child, 0, 0))
os.kill(child, 9)
say("init", syscall(101, 0x4206, 1, 0, 0))
say("init attach", syscall(101, 16, 1, 0, 0))
say("init fd", syscall(438, os.pidfd_open(1), 3, 0))
buffer = ctypes.create_string_buffer(8)
local = struct.pack("QQ", ctypes.addressof(buffer), 8)
say("init memory", syscall(310, 1, local, 1, struct.pack("QQ", 0x400000, 8), 1, 0))
say("init mem", attempt(lambda: open("/proc/1/mem", "rb").read(1)))
say("no filter", syscall(0x0 + 101, 0x4206, os.getppid(), 0, 0x200000))
say("randomize", syscall(135, 0x0040000))
say("exec", syscall(135, 0x0400000))
"#,
    );
    let no = "EPERM|EACCES";
    ran.well().assert_said(&[
        ("child", "open"),
        ("init", no),
        ("init attach", no),
        ("init fd", no),
        ("init memory", no),
        ("init mem", no),
        ("no filter", "EPERM|ESRCH|EINVAL"),
        ("randomize", "open"),
        ("exec", "EPERM"),
    ]);
}
