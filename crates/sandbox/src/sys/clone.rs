//! Starting the init: `clone3(2)` into new namespaces, and at once `execveat(2)` of sealed memory.
//!
//! The child shares the parent's memory until it executes (`CLONE_VM | CLONE_VFORK`), so that a start costs the
//! same in a supervisor of any size, and nothing of its memory is ever in the sandbox. Between the two calls
//! the child may only make system calls; it keeps its capabilities over the execution by making them ambient.

use super::{check, last_error};
use core::arch::asm;
use core::ffi::{CStr, c_void};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use std::alloc::Layout;

/// What to start, and where.
pub(crate) struct Start<'a> {
    /// The program, as an open file.
    pub(crate) program: BorrowedFd<'a>,
    /// The name it is called by, and further arguments.
    pub(crate) arguments: &'a [&'a CStr],
    /// The socket that becomes descriptor 3: the only one that the program gets.
    pub(crate) socket: BorrowedFd<'a>,
    /// `CLONE_NEW*` flags. With a user namespace among them the child keeps its capabilities in it.
    pub(crate) namespaces: u64,
    /// A cgroup (version 2) to start in.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
}

/// A process that was started: reaped only through [`Child::reap`], never by others' waits.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const STACK: usize = 64 * 1024;

#[repr(C, align(8))]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What the child needs, prepared beforehand because it may not allocate.
struct Errand {
    program: RawFd,
    socket: RawFd,
    arguments: *const *const libc::c_char,
    keep_capabilities: bool,
    failure: i32,
}

/// Starts the program. The calling thread waits until it executes; when that thread ends, so does the init.
pub(crate) fn start(start: &Start<'_>) -> Result<Child, Errno> {
    let mut arguments: Vec<_> = start.arguments.iter().map(|argument| argument.as_ptr()).collect();
    arguments.push(std::ptr::null());
    let mut errand = Errand {
        program: start.program.as_raw_fd(),
        socket: start.socket.as_raw_fd(),
        arguments: arguments.as_ptr(),
        keep_capabilities: start.namespaces & libc::CLONE_NEWUSER as u64 != 0,
        failure: 0,
    };
    let stack = Stack::new();
    let mut pidfd: RawFd = -1;
    let into_cgroup = if start.cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    let shared = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD) as u64;
    let clone = CloneArguments {
        flags: start.namespaces | shared | into_cgroup,
        pidfd: &raw mut pidfd as u64,
        stack: stack.0 as u64,
        stack_size: STACK as u64,
        cgroup: start.cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
        ..CloneArguments::default()
    };
    let pid = with_signals_blocked(|| clone_and_run(&clone, &mut errand))?;
    // SAFETY: on success the kernel stored a new descriptor, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let child = Child { pid, pidfd };
    if errand.failure != 0 {
        let _ = child.reap();
        return Err(Errno::from_raw_os_error(errand.failure));
    }
    Ok(child)
}

fn clone_and_run(clone: &CloneArguments, errand: &mut Errand) -> Result<u32, Errno> {
    let result: i64;
    // SAFETY: `clone` points to a live argument block whose stack is ours alone. The child starts at label 3
    // on that stack, touches only `errand`, and never returns; the parent is suspended meanwhile. The
    // registers that the kernel changes are declared.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 4f",
            "3: xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "4:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(clone),
            in("rsi") size_of::<CloneArguments>(),
            in("r12") std::ptr::from_mut(errand),
            in("r13") run_errand as extern "C" fn(*mut c_void) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    match u32::try_from(result) {
        Ok(pid) => Ok(pid),
        Err(_) => Err(Errno::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::EIO))),
    }
}

/// The child. It may call the kernel and nothing else: no allocation, no lock, no panic.
extern "C" fn run_errand(errand: *mut c_void) -> ! {
    // SAFETY: the parent passes its `Errand` and is suspended while we use it.
    let errand = unsafe { &mut *errand.cast::<Errand>() };
    errand.failure = match execute(errand) {
        Ok(never) => match never {},
        Err(errno) => errno.raw_os_error(),
    };
    // SAFETY: ends this process only; `_exit` runs no handlers.
    unsafe { libc::_exit(1) }
}

enum Never {}

fn execute(errand: &Errand) -> Result<Never, Errno> {
    const SOCKET: RawFd = 3;
    if errand.keep_capabilities {
        make_capabilities_ambient()?;
    }
    // SAFETY: marks descriptors of this process to close on execution; it has a table of its own.
    check(unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })?;
    if errand.socket == SOCKET {
        // SAFETY: as above, for one descriptor.
        check(unsafe { libc::fcntl(SOCKET, libc::F_SETFD, 0) }.into())?;
    } else {
        // SAFETY: as above. `program` may be 3, and then must move first.
        let program = unsafe { libc::fcntl(errand.program, libc::F_DUPFD_CLOEXEC, SOCKET + 1) };
        check(program.into())?;
        // SAFETY: as above.
        check(unsafe { libc::dup2(errand.socket, SOCKET) }.into())?;
        return Err(execute_file(program, errand.arguments));
    }
    Err(execute_file(errand.program, errand.arguments))
}

/// Returns only if it fails.
fn execute_file(program: RawFd, arguments: *const *const libc::c_char) -> Errno {
    let environment: [*const libc::c_char; 1] = [std::ptr::null()];
    // SAFETY: `arguments` and `environment` are null-terminated arrays that outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            arguments,
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    last_error()
}

/// Makes every capability that the process has survive an execution.
fn make_capabilities_ambient() -> Result<(), Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let mut sets = [[0u32; 3]; 2];
    // SAFETY: the header and the two sets of three have the shape of version 3 (capget(2)).
    check(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) })?;
    for set in &mut sets {
        set[2] = set[1];
    }
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })?;
    for capability in 0..64u32 {
        if sets[(capability / 32) as usize][1] >> (capability % 32) & 1 == 1 {
            // SAFETY: takes numbers only.
            let raised =
                unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0) };
            check(raised.into())?;
        }
    }
    Ok(())
}

/// Runs `action` with every signal blocked: the child must not run the parent's handlers.
fn with_signals_blocked<T>(action: impl FnOnce() -> T) -> T {
    let mut all = core::mem::MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = core::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: writes the set, which is not read before.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: `all` was written above; `before` is written here.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    let result = action();
    // SAFETY: `before` was written above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    result
}

/// The child's stack.
struct Stack(*mut u8);

impl Stack {
    const LAYOUT: Layout = match Layout::from_size_align(STACK, 4096) {
        Ok(layout) => layout,
        Err(_) => panic!("the stack has a valid layout"),
    };

    fn new() -> Self {
        // SAFETY: the layout is not empty.
        let start = unsafe { std::alloc::alloc(Self::LAYOUT) };
        if start.is_null() {
            std::alloc::handle_alloc_error(Self::LAYOUT);
        }
        Self(start)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout; the child that used it has executed or ended.
        unsafe { std::alloc::dealloc(self.0, Self::LAYOUT) }
    }
}

impl Child {
    /// Waits until the process has ended and removes it. Gives its exit code, or 128 plus the signal.
    pub(crate) fn reap(&self) -> Result<i32, Errno> {
        // SAFETY: `siginfo_t` is plain data that the kernel fills in.
        let mut information: libc::siginfo_t = unsafe { core::mem::zeroed() };
        let options = libc::WEXITED | libc::__WALL;
        let id = self.pidfd.as_raw_fd().cast_unsigned();
        loop {
            // SAFETY: `information` outlives the call; the descriptor is a pidfd of our child.
            let answer = unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut information, options) };
            match check(answer.into()) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
                Ok(_) => break,
            }
        }
        // SAFETY: `waitid` filled the fields of a child's state change.
        let status = unsafe { information.si_status() };
        Ok(if information.si_code == libc::CLD_EXITED { status } else { 128 + status })
    }
}
