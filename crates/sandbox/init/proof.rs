//! The proof: a process set up exactly as a call tries to get out, before any call exists.
//!
//! Each attempt is made for real, in the finished sandbox, under the filter, the Landlock domain and the
//! identity of a call. What each answered goes to the supervisor, which knows what it had to be
//! (`src/proof.rs`). The attempts write their answers into a page shared with the init, so that one that
//! ends the process, as the 32-bit gate of a kernel without it does, is seen as what it is.

use crate::calls;
use crate::protocol::{Attempt, MESSAGE_MAX, Message, NOT_APPLICABLE, OPEN, Report};
use crate::sys::{self, AT_FDCWD, CStr, Errno, Fd};

/// The message with the results.
pub struct Results(Message<MESSAGE_MAX>);

impl Results {
    /// No attempt was made: what a plan without a proof gives, and what no supervisor accepts.
    pub fn none() -> Self {
        Self(Message::new(Report::Ready as u8).with(&0u64.to_le_bytes()))
    }

    pub fn message(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The answer of an attempt that ended the process: the kernel has no such gate.
const CRASHED: i32 = 1000;

/// What the attempts need to know of the host.
struct Target {
    file: CStr<'static>,
    socket: CStr<'static>,
    folders: Folders,
}

/// Folders that no path leads a call to, or none to be written: an attempt is made by their descriptors.
#[derive(Clone, Copy)]
pub struct Folders {
    /// The image.
    pub image: Fd,
    /// The scratch layer.
    pub scratch: Fd,
}

/// Makes all attempts, in a process of their own.
pub fn prove(
    filter: &'static [u8],
    own_domain: bool,
    folders: Folders,
    file: CStr<'static>,
    socket: CStr<'static>,
) -> Result<Results, Errno> {
    let started = sys::now();
    let answers = sys::shared_page()?;
    let child = sys::fork()?;
    if child == 0 {
        calls::become_prover(filter, own_domain);
        attempt_all(&Target { file, socket, folders }, answers);
        sys::exit(0);
    }
    sys::reap(Some(child));
    let taken = sys::now() - started;
    let mut message = Message::new(Report::Ready as u8).with(&taken.to_le_bytes());
    for (attempt, answer) in Attempt::ALL.iter().zip(answers) {
        message = message.with(&[*attempt as u8]).with(&answer.load().to_le_bytes());
    }
    Ok(Results(message))
}

fn attempt_all(target: &Target, answers: &[sys::SharedNumber]) {
    for (attempt, answer) in Attempt::ALL.iter().zip(answers) {
        answer.store(CRASHED);
        answer.store(make(*attempt, target));
    }
}

/// What the kernel answered: [`OPEN`], or the error number.
fn code(result: Result<usize, Errno>) -> i32 {
    result.err().unwrap_or(OPEN)
}

fn call(number: usize, a: usize, b: usize, c: usize) -> i32 {
    code(sys::call(number, [a, b, c, 0, 0, 0]))
}

fn make(attempt: Attempt, target: &Target) -> i32 {
    const CLONE_NEWUSER: usize = 0x1000_0000;
    const PTRACE_SEIZE: usize = 0x4206;
    const TIOCSTI: usize = 0x5412;
    const X32_GETPID: usize = 0x4000_0000 + 39;
    match attempt {
        Attempt::ConnectOut => connect_out(),
        Attempt::DatagramOut => datagram_out(),
        Attempt::PacketSocket => socket(17, 3, 0x0300),
        Attempt::RawSocket => socket(2, 3, 1),
        Attempt::MultipathTcp => socket(2, 1, 262),
        Attempt::VsockSocket => socket(40, 1, 0),
        Attempt::AlgSocket => socket(38, 5, 0),
        Attempt::AuditSocket => socket(16, 3, 9),
        Attempt::HostAbstractSocket => connect_abstract(target.socket),
        Attempt::UnshareUser => call(sys::NR_UNSHARE, CLONE_NEWUSER, 0, 0),
        Attempt::CloneUser => clone_user(sys::call(sys::NR_CLONE, [CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0, 0])),
        Attempt::Clone3User => clone3_user(CLONE_NEWUSER),
        Attempt::JoinNamespace => call(sys::NR_SETNS, usize::MAX, CLONE_NEWUSER, 0),
        Attempt::Mount => call(sys::NR_MOUNT, 0, c"/tmp".as_ptr() as usize, c"tmpfs".as_ptr() as usize),
        Attempt::OpenTree => call(sys::NR_OPEN_TREE, AT_FDCWD, c"/".as_ptr() as usize, 1),
        Attempt::PivotRoot => call(sys::NR_PIVOT_ROOT, c"/tmp".as_ptr() as usize, c"/tmp".as_ptr() as usize, 0),
        Attempt::IoUring => call(sys::NR_IO_URING_SETUP, 1, 0, 0),
        Attempt::X32 => call(X32_GETPID, 0, 0, 0),
        Attempt::I386 => i386(),
        Attempt::TraceInit => call(sys::NR_PTRACE, PTRACE_SEIZE, 1, 0),
        Attempt::InitMemory => open(b"/proc/1/mem\0", 0),
        Attempt::HostFile => code(sys::openat(AT_FDCWD, target.file, 0, 0)),
        Attempt::HostFileAboveRoot => above_root(target.file),
        Attempt::InitRoot => open(b"/proc/1/root/\0", 0),
        Attempt::FileHandle => call(sys::NR_OPEN_BY_HANDLE_AT, AT_FDCWD, 0, 0),
        Attempt::SetUser => become_another(),
        Attempt::Capabilities => take_capabilities(),
        Attempt::Bpf => call(sys::NR_BPF, 0, 0, 0),
        Attempt::Keyring => call(sys::NR_KEYCTL, 0, -1isize as usize, 0),
        Attempt::PerfEvent => call(sys::NR_PERF_EVENT_OPEN, 0, 0, 0),
        Attempt::UserFault => call(sys::NR_USERFAULTFD, 0, 0, 0),
        Attempt::Module => call(sys::NR_FINIT_MODULE, 0, 0, 0),
        Attempt::TypeIntoTerminal => call(sys::NR_IOCTL, 0, TIOCSTI, c"x".as_ptr() as usize),
        Attempt::KernelSetting => open(b"/proc/sys/kernel/hostname\0", 1),
        Attempt::InitSetting => open(b"/proc/1/oom_score_adj\0", 1),
        Attempt::WriteImage => write_in(target.folders.image),
        Attempt::NewPrivileges => new_privileges(),
        Attempt::LandlockWrite => write_in(target.folders.scratch),
    }
}

const SIGCHLD: usize = 17;

fn open(path: &[u8], flags: usize) -> i32 {
    CStr::new(path).map_or(NOT_APPLICABLE, |path| code(sys::openat(AT_FDCWD, path, flags, 0o600)))
}

fn write_in(folder: Fd) -> i32 {
    CStr::new(b".written\0").map_or(NOT_APPLICABLE, |name| {
        code(sys::openat(folder, name, sys::O_CREAT_EXCL_WRITE, 0o600))
    })
}

fn socket(family: usize, kind: usize, protocol: usize) -> i32 {
    call(sys::NR_SOCKET, family, kind, protocol)
}

/// 192.0.2.1, an address that no network has (RFC 5737), port 9.
const OUTSIDE: [u8; 16] = [2, 0, 0, 9, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];

fn with_socket(kind: usize, then: impl FnOnce(sys::Fd) -> i32) -> i32 {
    const AF_INET: usize = 2;
    match sys::call(sys::NR_SOCKET, [AF_INET, kind, 0, 0, 0, 0]) {
        Err(errno) => errno,
        Ok(fd) => {
            let answer = then(fd);
            sys::close(fd);
            answer
        }
    }
}

fn connect_out() -> i32 {
    with_socket(1, |fd| call(sys::NR_CONNECT, fd, OUTSIDE.as_ptr() as usize, OUTSIDE.len()))
}

fn datagram_out() -> i32 {
    const NR_SENDTO: usize = 44;
    with_socket(2, |fd| {
        code(sys::call(NR_SENDTO, [fd, c"x".as_ptr() as usize, 1, 0, OUTSIDE.as_ptr() as usize, OUTSIDE.len()]))
    })
}

fn connect_abstract(name: CStr<'_>) -> i32 {
    const AF_UNIX: usize = 1;
    let mut address = [0u8; 110];
    address[0] = AF_UNIX as u8;
    let Some(to) = address.get_mut(3..3 + name.bytes().len()) else { return NOT_APPLICABLE };
    to.copy_from_slice(name.bytes());
    match sys::call(sys::NR_SOCKET, [AF_UNIX, 1, 0, 0, 0, 0]) {
        Err(errno) => errno,
        Ok(fd) => call(sys::NR_CONNECT, fd, address.as_ptr() as usize, 3 + name.bytes().len()),
    }
}

/// If the attempt succeeds there is a child: it ends at once, and the parent takes note.
fn clone_user(result: Result<usize, Errno>) -> i32 {
    match result {
        Ok(0) => sys::exit(0),
        Ok(child) => {
            sys::reap(Some(child));
            OPEN
        }
        Err(errno) => errno,
    }
}

fn clone3_user(flags: usize) -> i32 {
    // `struct clone_args`, its first version: flags first, the exit signal fifth.
    let arguments = [flags as u64, 0, 0, 0, SIGCHLD as u64, 0, 0, 0];
    clone_user(sys::call(sys::NR_CLONE3, [arguments.as_ptr() as usize, size_of_val(&arguments), 0, 0, 0, 0]))
}

fn i386() -> i32 {
    const GETPID: u32 = 20;
    const SIGSEGV: usize = 11;
    calls::default_signal(SIGSEGV);
    let result = sys::call_i386(GETPID);
    if (-4095..0).contains(&result) { -result } else { OPEN }
}

/// Taking back what the init keeps must fail, using it too, and no program file may bring any.
fn take_capabilities() -> i32 {
    const PR_CAPBSET_READ: usize = 23;
    let bounded = (0..64).all(|capability| sys::prctl(PR_CAPBSET_READ, capability, 0) != Ok(1));
    match crate::build::set_capabilities(1 << 21) {
        Err(_) if bounded => call(sys::NR_SETHOSTNAME, c"x".as_ptr() as usize, 1, 0),
        _ => OPEN,
    }
}

/// Another of the sandbox's ids, whatever the own one is.
fn become_another() -> i32 {
    const NR_GETUID: usize = 102;
    match sys::call(NR_GETUID, [0; 6]) {
        Ok(own) => call(sys::NR_SETRESUID, own ^ 1, own ^ 1, own ^ 1),
        Err(_) => NOT_APPLICABLE,
    }
}

/// The same file by way of what may lie on top of the root.
fn above_root(file: CStr<'_>) -> i32 {
    let mut path = [0; 512];
    let (above, file) = (b"/..", file.bytes());
    let length = above.len() + file.len();
    let Some(space) = path.get_mut(..=length) else { return NOT_APPLICABLE };
    space[..above.len()].copy_from_slice(above);
    space[above.len()..length].copy_from_slice(file);
    open(space, 0)
}

fn new_privileges() -> i32 {
    const PR_GET_NO_NEW_PRIVS: usize = 39;
    const EPERM: i32 = 1;
    if sys::prctl(PR_GET_NO_NEW_PRIVS, 0, 0) == Ok(1) { EPERM } else { OPEN }
}
