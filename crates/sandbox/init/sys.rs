//! The kernel, called directly: the init has no libc, so that nothing but these lines runs in it.
//!
//! Every `unsafe` of the init is in this file. Numbers are those of x86_64
//! (`arch/x86/entry/syscalls/syscall_64.tbl`).

use core::arch::{asm, global_asm};

global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {entry}",
    "ud2",
    entry = sym entry,
);

/// First Rust code of the process: finds the arguments where the kernel put them.
extern "C" fn entry(stack: *const usize) -> ! {
    // SAFETY: the kernel starts a process with `argc` at the stack pointer (System V ABI, 3.4.1).
    let count = unsafe { *stack };
    // SAFETY: `argc` pointers to NUL-terminated strings follow, alive as long as the process.
    let arguments = unsafe { core::slice::from_raw_parts(stack.add(1).cast::<*const u8>(), count) };
    crate::main(Arguments(arguments))
}

/// The command line of the process.
#[derive(Clone, Copy)]
pub struct Arguments(&'static [*const u8]);

impl Arguments {
    /// The argument at `index`, without its NUL.
    pub fn item(self, index: usize) -> Option<&'static [u8]> {
        let start = *self.0.get(index)?;
        let mut length = 0;
        // SAFETY: the kernel ends each argument with a NUL, which stops the loop inside the string.
        while unsafe { *start.add(length) } != 0 {
            length += 1;
        }
        // SAFETY: `length` bytes were just read, and live as long as the process.
        Some(unsafe { core::slice::from_raw_parts(start, length) })
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(crate::protocol::EXIT_PANIC)
}

/// The core library names this for unwinding, which never happens here: a panic ends the process.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The compiler calls these for copies and comparisons; without libc they are ours.
mod memory {
    use core::arch::asm;

    #[unsafe(no_mangle)]
    extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        // SAFETY: the caller (the compiler) passes two valid, disjoint ranges of `length` bytes.
        unsafe {
            asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _,
                options(nostack, preserves_flags));
        }
        to
    }

    #[unsafe(no_mangle)]
    extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        if (to as usize).wrapping_sub(from as usize) >= length {
            return memcpy(to, from, length);
        }
        // SAFETY: both ranges are valid; they overlap with `to` above, so the copy runs downwards.
        unsafe {
            asm!("std", "rep movsb", "cld",
                inout("rcx") length => _,
                inout("rdi") to.wrapping_add(length).wrapping_sub(1) => _,
                inout("rsi") from.wrapping_add(length).wrapping_sub(1) => _,
                options(nostack));
        }
        to
    }

    #[unsafe(no_mangle)]
    extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
        // SAFETY: the caller passes a valid range of `length` bytes.
        unsafe {
            asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") byte as u8,
                options(nostack, preserves_flags));
        }
        to
    }

    #[unsafe(no_mangle)]
    extern "C" fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
        for i in 0..length {
            // SAFETY: `i` is below `length`, and both ranges hold `length` bytes.
            let x = i32::from(unsafe { *a.add(i) });
            // SAFETY: as above.
            let y = i32::from(unsafe { *b.add(i) });
            if x != y {
                return x - y;
            }
        }
        0
    }

    #[unsafe(no_mangle)]
    extern "C" fn bcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
        memcmp(a, b, length)
    }

    #[unsafe(no_mangle)]
    extern "C" fn strlen(start: *const u8) -> usize {
        let mut length = 0;
        // SAFETY: the caller passes a NUL-terminated string.
        while unsafe { *start.add(length) } != 0 {
            length += 1;
        }
        length
    }
}

/// What a failed system call answered: a positive `errno`.
pub type Errno = i32;

/// Calls the kernel with up to six arguments, as the numbers they are.
///
/// Safe to call only through the wrappers below, which pass pointers to live memory of the right shape.
pub unsafe fn raw(number: usize, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the syscall instruction clobbers rcx, r11 and memory; the caller answers for the arguments.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

fn answer(result: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&result) { Err(-result as Errno) } else { Ok(result as usize) }
}

/// A call whose arguments are plain numbers, or pointers that the kernel only checks and refuses.
///
/// Used by the wrappers and by the proof, whose attempts pass null or garbage on purpose.
pub fn call(number: usize, a: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: callers in this crate pass numbers, null, or pointers derived from live references.
    answer(unsafe { raw(number, a) })
}

/// The same system call through the 32-bit gate, as an i386 program would make it.
///
/// Returns what the kernel put into `eax`. A kernel without 32-bit emulation raises SIGSEGV instead.
pub fn call_i386(number: u32) -> i32 {
    let result: i32;
    // SAFETY: `int 0x80` with a number that takes no arguments; registers it may change are declared.
    unsafe {
        asm!("int 0x80", inlateout("eax") number => result, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            options(nostack));
    }
    result
}

pub const AT_FDCWD: usize = -100isize as usize;
pub const AT_EMPTY_PATH: usize = 0x1000;
pub const AT_RECURSIVE: usize = 0x8000;
pub const AT_SYMLINK_NOFOLLOW: usize = 0x100;
pub const O_PATH: usize = 0o10000000;
pub const O_CLOEXEC: usize = 0o2000000;
pub const O_DIRECTORY: usize = 0o200000;
pub const O_NOFOLLOW: usize = 0o400000;
pub const O_CREAT_EXCL_WRITE: usize = 0o100 | 0o200 | 1;

pub const NR_READ: usize = 0;
pub const NR_WRITE: usize = 1;
pub const NR_CLOSE: usize = 3;
pub const NR_MMAP: usize = 9;
pub const NR_IOCTL: usize = 16;
pub const NR_SOCKET: usize = 41;
pub const NR_CONNECT: usize = 42;
pub const NR_SENDMSG: usize = 46;
pub const NR_RECVMSG: usize = 47;
pub const NR_CLONE: usize = 56;
pub const NR_EXECVE: usize = 59;
pub const NR_EXIT: usize = 60;
pub const NR_WAIT4: usize = 61;
pub const NR_FCHDIR: usize = 81;
pub const NR_UMASK: usize = 95;
pub const NR_PTRACE: usize = 101;
pub const NR_SETSID: usize = 112;
pub const NR_SETGROUPS: usize = 116;
pub const NR_SETRESUID: usize = 117;
pub const NR_SETRESGID: usize = 119;
pub const NR_CAPSET: usize = 126;
pub const NR_RT_SIGPROCMASK: usize = 14;
pub const NR_PIVOT_ROOT: usize = 155;
pub const NR_PRCTL: usize = 157;
pub const NR_MOUNT: usize = 165;
pub const NR_UMOUNT2: usize = 166;
pub const NR_SETHOSTNAME: usize = 170;
pub const NR_GETDENTS64: usize = 217;
pub const NR_CLOCK_GETTIME: usize = 228;
pub const NR_KEYCTL: usize = 250;
pub const NR_OPENAT: usize = 257;
pub const NR_MKDIRAT: usize = 258;
pub const NR_NEWFSTATAT: usize = 262;
pub const NR_UNLINKAT: usize = 263;
pub const NR_SYMLINKAT: usize = 266;
pub const NR_PPOLL: usize = 271;
pub const NR_UNSHARE: usize = 272;
pub const NR_SIGNALFD4: usize = 289;
pub const NR_DUP3: usize = 292;
pub const NR_PERF_EVENT_OPEN: usize = 298;
pub const NR_PRLIMIT64: usize = 302;
pub const NR_OPEN_BY_HANDLE_AT: usize = 304;
pub const NR_SETNS: usize = 308;
pub const NR_FINIT_MODULE: usize = 313;
pub const NR_SECCOMP: usize = 317;
pub const NR_BPF: usize = 321;
pub const NR_USERFAULTFD: usize = 323;
pub const NR_IO_URING_SETUP: usize = 425;
pub const NR_OPEN_TREE: usize = 428;
pub const NR_MOVE_MOUNT: usize = 429;
pub const NR_FSOPEN: usize = 430;
pub const NR_FSCONFIG: usize = 431;
pub const NR_FSMOUNT: usize = 432;
pub const NR_FSPICK: usize = 433;
pub const NR_CLONE3: usize = 435;
pub const NR_CLOSE_RANGE: usize = 436;
pub const NR_OPENAT2: usize = 437;
pub const NR_MOUNT_SETATTR: usize = 442;
pub const NR_LANDLOCK_CREATE_RULESET: usize = 444;
pub const NR_LANDLOCK_ADD_RULE: usize = 445;
pub const NR_LANDLOCK_RESTRICT_SELF: usize = 446;

/// A NUL-terminated byte string, as paths are passed to the kernel.
///
/// The NUL is part of the slice; [`CStr::new`] is the only way to make one.
#[derive(Clone, Copy)]
pub struct CStr<'a>(&'a [u8]);

impl<'a> CStr<'a> {
    /// Takes bytes that end in the only NUL they hold.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (last, rest) = bytes.split_last()?;
        (*last == 0 && !rest.contains(&0)).then_some(Self(bytes))
    }

    /// As [`CStr::new`], for names in the source.
    pub const fn constant(bytes: &'static [u8]) -> CStr<'static> {
        assert!(!bytes.is_empty() && bytes[bytes.len() - 1] == 0);
        CStr(bytes)
    }

    pub fn pointer(self) -> usize {
        self.0.as_ptr() as usize
    }

    /// The bytes without the NUL.
    pub fn bytes(self) -> &'a [u8] {
        self.0.split_last().map_or(&[], |(_, rest)| rest)
    }
}

/// An open file descriptor number. Descriptors of the init live until it exits unless closed by hand.
pub type Fd = usize;

pub fn exit(code: i32) -> ! {
    loop {
        let _ = call(NR_EXIT, [code as usize, 0, 0, 0, 0, 0]);
    }
}

pub fn close(fd: Fd) {
    let _ = call(NR_CLOSE, [fd, 0, 0, 0, 0, 0]);
}

pub fn write(fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
    call(NR_WRITE, [fd, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0])
}

pub fn read(fd: Fd, into: &mut [u8]) -> Result<usize, Errno> {
    call(NR_READ, [fd, into.as_mut_ptr() as usize, into.len(), 0, 0, 0])
}

pub fn openat(dir: Fd, path: CStr<'_>, flags: usize, mode: usize) -> Result<Fd, Errno> {
    call(NR_OPENAT, [dir, path.pointer(), flags | O_CLOEXEC, mode, 0, 0])
}

/// `openat2(2)` with `RESOLVE_*` bits: how paths in folders that others can write are opened.
pub fn openat2(dir: Fd, path: CStr<'_>, flags: usize, resolve: u64) -> Result<Fd, Errno> {
    let how = [(flags | O_CLOEXEC) as u64, 0, resolve];
    call(NR_OPENAT2, [dir, path.pointer(), how.as_ptr() as usize, size_of_val(&how), 0, 0])
}

/// A copy of `fd` at or above `least`, which is closed when a program is executed.
pub fn duplicate_above(fd: Fd, least: Fd) -> Result<Fd, Errno> {
    const NR_FCNTL: usize = 72;
    const F_DUPFD_CLOEXEC: usize = 1030;
    call(NR_FCNTL, [fd, F_DUPFD_CLOEXEC, least, 0, 0, 0])
}

pub fn prctl(option: usize, a: usize, b: usize) -> Result<usize, Errno> {
    call(NR_PRCTL, [option, a, b, 0, 0, 0])
}

/// Maps a whole file read-only and private, for as long as the process lives.
pub fn map_file(fd: Fd, length: usize) -> Result<&'static [u8], Errno> {
    const PROT_READ: usize = 1;
    const MAP_PRIVATE: usize = 2;
    let start = call(NR_MMAP, [0, length, PROT_READ, MAP_PRIVATE, fd, 0])?;
    // SAFETY: the kernel mapped `length` readable bytes at `start`; the file is a sealed memfd, which can
    // neither shrink nor change, and it is never unmapped.
    Ok(unsafe { core::slice::from_raw_parts(start as *const u8, length) })
}

/// The size, device and inode of an open file.
pub fn identity(fd: Fd) -> Result<FileIdentity, Errno> {
    let mut stat = [0u64; 18];
    call(NR_NEWFSTATAT, [fd, c"".as_ptr() as usize, stat.as_mut_ptr() as usize, AT_EMPTY_PATH, 0, 0])?;
    Ok(FileIdentity { device: stat[0], inode: stat[1], size: stat[6] as usize })
}

/// See [`identity`].
pub struct FileIdentity {
    pub device: u64,
    pub inode: u64,
    pub size: usize,
}

#[repr(C)]
struct MessageHeader {
    name: usize,
    name_length: usize,
    parts: *const [usize; 2],
    part_count: usize,
    control: *mut u8,
    control_length: usize,
    flags: usize,
}

/// Most descriptors that one message may carry (`SCM_MAX_FD` in `include/net/scm.h`).
pub const FDS_MAX: usize = 253;

#[repr(C, align(8))]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    fds: [i32; FDS_MAX],
}

const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
const CONTROL_HEADER: usize = 16;
const MSG_CTRUNC: usize = 8;
const MSG_TRUNC: usize = 0x20;
const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
const MSG_NOSIGNAL: usize = 0x4000;
const EPROTO: Errno = 71;

/// Receives one message and the descriptors with it. A message of length 0 means that the peer is gone.
pub fn receive(socket: Fd, into: &mut [u8], fds: &mut [Fd; FDS_MAX]) -> Result<(usize, usize), Errno> {
    let mut control = Control { length: 0, level: 0, kind: 0, fds: [-1; FDS_MAX] };
    let parts = [into.as_mut_ptr() as usize, into.len()];
    let mut header = MessageHeader {
        name: 0,
        name_length: 0,
        parts: &raw const parts,
        part_count: 1,
        control: (&raw mut control).cast(),
        control_length: size_of::<Control>(),
        flags: 0,
    };
    let length = call(NR_RECVMSG, [socket, &raw mut header as usize, MSG_CMSG_CLOEXEC, 0, 0, 0])?;
    if header.flags & (MSG_CTRUNC | MSG_TRUNC) != 0 {
        return Err(EPROTO);
    }
    let mut count = 0;
    if header.control_length >= CONTROL_HEADER && control.level == SOL_SOCKET && control.kind == SCM_RIGHTS {
        count = control.length.saturating_sub(CONTROL_HEADER) / 4;
        for (to, from) in fds.iter_mut().zip(&control.fds[..count.min(FDS_MAX)]) {
            *to = *from as Fd;
        }
    }
    Ok((length, count))
}

/// Sends one message, with at most one descriptor.
pub fn send(socket: Fd, bytes: &[u8], fd: Option<Fd>) -> Result<usize, Errno> {
    let mut control = Control { length: CONTROL_HEADER + 4, level: SOL_SOCKET, kind: SCM_RIGHTS, fds: [-1; FDS_MAX] };
    let parts = [bytes.as_ptr() as usize, bytes.len()];
    let mut header = MessageHeader {
        name: 0,
        name_length: 0,
        parts: &raw const parts,
        part_count: 1,
        control: core::ptr::null_mut(),
        control_length: 0,
        flags: 0,
    };
    if let Some(fd) = fd {
        control.fds[0] = fd as i32;
        header.control = (&raw mut control).cast();
        header.control_length = CONTROL_HEADER + 8;
    }
    call(NR_SENDMSG, [socket, &raw const header as usize, MSG_NOSIGNAL, 0, 0, 0])
}

/// Forks. Ok(0) in the child.
pub fn fork() -> Result<usize, Errno> {
    const SIGCHLD: usize = 17;
    call(NR_CLONE, [SIGCHLD, 0, 0, 0, 0, 0])
}

/// Forks; the child is born in a control group (version 2) if one is given.
pub fn fork_into(group: Option<Fd>) -> Result<usize, Errno> {
    const SIGCHLD: u64 = 17;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let Some(group) = group else { return fork() };
    // `struct clone_args`: flags first, the exit signal fifth, the group's folder last.
    let arguments = [CLONE_INTO_CGROUP, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, group as u64];
    call(NR_CLONE3, [arguments.as_ptr() as usize, size_of_val(&arguments), 0, 0, 0, 0])
}

/// What `wait4(2)` said of one process.
pub struct Reaped {
    pub pid: usize,
    pub status: i32,
    /// `struct rusage`: user seconds, microseconds, system seconds, microseconds, maximum resident KiB, …
    pub usage: [u64; 18],
}

/// Reaps one child that has exited: any (`None`, without waiting) or a given one (waiting for it).
pub fn reap(pid: Option<usize>) -> Option<Reaped> {
    const WNOHANG: usize = 1;
    const WALL: usize = 0x4000_0000;
    let mut reaped = Reaped { pid: 0, status: 0, usage: [0; 18] };
    let (which, options) = pid.map_or((usize::MAX, WNOHANG | WALL), |pid| (pid, WALL));
    let status = &raw mut reaped.status as usize;
    let usage = &raw mut reaped.usage as usize;
    reaped.pid = call(NR_WAIT4, [which, status, options, usage, 0, 0]).ok()?;
    (reaped.pid != 0).then_some(reaped)
}

/// Microseconds of the monotonic clock.
pub fn now() -> u64 {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0u64; 2];
    let _ = call(NR_CLOCK_GETTIME, [CLOCK_MONOTONIC, time.as_mut_ptr() as usize, 0, 0, 0, 0]);
    time[0] * 1_000_000 + time[1] / 1000
}

/// Waits until one of the two descriptors can be read, or for `timeout` milliseconds.
pub fn wait_readable(a: Fd, b: Fd, timeout: Option<u64>) -> Result<(bool, bool), Errno> {
    const POLLIN: u64 = 1;
    const READY: u64 = 0x19;
    let mut entries = [a as u64 & 0xffff_ffff | POLLIN << 32, b as u64 & 0xffff_ffff | POLLIN << 32];
    let time = timeout.map(|ms| [ms / 1000, ms % 1000 * 1_000_000]);
    let time = time.as_ref().map_or(0, |time| time.as_ptr() as usize);
    call(NR_PPOLL, [entries.as_mut_ptr() as usize, 2, time, 0, 0, 0])?;
    Ok((entries[0] >> 48 & READY != 0, entries[1] >> 48 & READY != 0))
}

/// A number that two processes see.
#[repr(transparent)]
pub struct SharedNumber(core::sync::atomic::AtomicI32);

impl SharedNumber {
    pub fn store(&self, value: i32) {
        self.0.store(value, core::sync::atomic::Ordering::SeqCst);
    }

    pub fn load(&self) -> i32 {
        self.0.load(core::sync::atomic::Ordering::SeqCst)
    }
}

/// A page of numbers that stays shared over a fork.
pub fn shared_page() -> Result<&'static [SharedNumber], Errno> {
    const PAGE: usize = 4096;
    const READ_WRITE: usize = 3;
    const SHARED_ANONYMOUS: usize = 0x21;
    let start = call(NR_MMAP, [0, PAGE, READ_WRITE, SHARED_ANONYMOUS, usize::MAX, 0])?;
    // SAFETY: the kernel mapped a zeroed page at `start`, which is never unmapped; atomics may be shared.
    Ok(unsafe { core::slice::from_raw_parts(start as *const SharedNumber, PAGE / size_of::<SharedNumber>()) })
}

/// How many pointers [`pointer_array`] has room for.
pub const POINTERS: usize = 16 * 1024;

/// Room for the pointers of arguments and variables, all null. Called once a process.
pub fn pointer_array() -> Result<&'static mut [usize], Errno> {
    const READ_WRITE: usize = 3;
    const PRIVATE_ANONYMOUS: usize = 0x22;
    let start = call(NR_MMAP, [0, POINTERS * size_of::<usize>(), READ_WRITE, PRIVATE_ANONYMOUS, usize::MAX, 0])?;
    // SAFETY: the kernel mapped zeroed memory of that size at `start`, for this caller alone.
    Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut usize, POINTERS) })
}
