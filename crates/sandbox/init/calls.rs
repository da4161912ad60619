//! Starts calls and reaps what dies.
//!
//! A call is a child of the init that marks itself (a UTS namespace of its own, which every descendant
//! inherits and none can leave), enters its filter, hands the filter's listener to the supervisor, waits
//! for leave, and executes. The init itself never reads the call's record: the child does.

use crate::build::{self, Inside};
use crate::landlock::Ruleset;
use crate::protocol::{
    EXIT_ORPHANED, Fields, LIVE_CALLS, MESSAGE_MAX, Message, Order, Report,
};
use crate::sys::{self, CStr, Errno, FDS_MAX, Fd, Reaped};
use crate::{SUPERVISOR, protocol};

/// Which process is which call's first.
struct Live {
    entries: [(u32, u32); LIVE_CALLS],
    /// Blocks that orphans read and wrote, since a call began when no other was live. Whose they were only the
    /// supervisor can tell, and only when no call was left.
    orphans: [u64; 2],
}

impl Live {
    const NONE: (u32, u32) = (0, 0);

    fn add(&mut self, pid: u32, call: u32) {
        if self.entries.iter().all(|entry| *entry == Self::NONE) {
            self.orphans = [0; 2];
        }
        if let Some(free) = self.entries.iter_mut().find(|entry| **entry == Self::NONE) {
            *free = (pid, call);
        }
    }

    fn is_full(&self) -> bool {
        !self.entries.contains(&Self::NONE)
    }

    /// The call whose first process `pid` was, or 0.
    fn remove(&mut self, pid: u32) -> u32 {
        match self.entries.iter_mut().find(|entry| entry.0 == pid) {
            Some(entry) => core::mem::replace(entry, Self::NONE).1,
            None => 0,
        }
    }
}

/// Serves the supervisor until it is gone.
pub fn serve(inside: &Inside) -> ! {
    let mut live = Live { entries: [Live::NONE; LIVE_CALLS], orphans: [0; 2] };
    let deaths = death_descriptor();
    loop {
        let Ok((order, death)) = sys::wait_readable(SUPERVISOR, deaths, None) else { continue };
        if death {
            forget_signal(deaths);
            reap_all(&mut live);
        }
        if order {
            // Who died before the order came belongs to the time before it.
            reap_all(&mut live);
            take_order(inside, &mut live);
        }
    }
}

fn reap_all(live: &mut Live) {
    while let Some(reaped) = sys::reap(None) {
        report_death(live, &reaped);
    }
}

fn report_death(live: &mut Live, reaped: &Reaped) {
    let call = live.remove(reaped.pid as u32);
    let usage = &reaped.usage;
    if call == 0 {
        for (sum, blocks) in live.orphans.iter_mut().zip([usage[BLOCKS_IN], usage[BLOCKS_OUT]]) {
            *sum = sum.saturating_add(blocks);
        }
        return;
    }
    let message = Message::<MESSAGE_MAX>::new(Report::Exited as u8)
        .with(&call.to_le_bytes())
        .with(&reaped.status.to_le_bytes())
        .with(&(usage[0] * 1_000_000 + usage[1]).to_le_bytes())
        .with(&(usage[2] * 1_000_000 + usage[3]).to_le_bytes())
        .with(&usage[4].to_le_bytes())
        .with(&usage[BLOCKS_IN].to_le_bytes())
        .with(&usage[BLOCKS_OUT].to_le_bytes())
        .with(&live.orphans[0].to_le_bytes())
        .with(&live.orphans[1].to_le_bytes());
    let _ = sys::send(SUPERVISOR, message.as_bytes(), None);
}

/// `ru_inblock` and `ru_oublock` of `struct rusage`.
const BLOCKS_IN: usize = 11;
const BLOCKS_OUT: usize = 12;

fn take_order(inside: &Inside, live: &mut Live) {
    let mut message = [0; MESSAGE_MAX];
    let mut fds = [0; FDS_MAX];
    let Ok((length, count)) = sys::receive(SUPERVISOR, &mut message, &mut fds) else { sys::exit(EXIT_ORPHANED) };
    if length == 0 {
        sys::exit(EXIT_ORPHANED);
    }
    let mut fields = Fields::new(message.get(..length).unwrap_or_default());
    if fields.byte().and_then(Order::from_code) == Some(Order::Call) {
        if let (Some(call), Some((given, group))) = (fields.short(), fds[..count].split_first_chunk()) {
            start(inside, live, call, *given, group.first().copied());
        }
    }
    for &fd in &fds[..count] {
        sys::close(fd);
    }
}

/// The record, stdin, stdout, stderr, the call's socket.
const CALL_FDS: usize = 5;

fn start(inside: &Inside, live: &mut Live, call: u32, fds: [Fd; CALL_FDS], group: Option<Fd>) {
    if live.is_full() {
        let message = Message::<8>::new(Report::TooManyCalls as u8).with(&call.to_le_bytes());
        let _ = sys::write(fds[4], message.as_bytes());
        return;
    }
    match sys::fork_into(group) {
        Ok(0) => become_call(inside, fds),
        Ok(pid) => live.add(pid as u32, call),
        Err(errno) => not_set_up(fds[4], errno, 0),
    }
}

fn not_set_up(socket: Fd, errno: Errno, place: u32) {
    let message =
        Message::<16>::new(Report::NotSetUp as u8).with(&errno.to_le_bytes()).with(&place.to_le_bytes());
    let _ = sys::write(socket, message.as_bytes());
}

/// Where the call's descriptors lie while it is set up: above the three that it will have.
const SOCKET: Fd = 4;

fn become_call(inside: &Inside, fds: [Fd; CALL_FDS]) -> ! {
    let socket = fds[4];
    match set_up_call(inside, fds) {
        Ok(never) => match never {},
        Err((errno, place)) => not_set_up(socket, errno, place),
    }
    sys::exit(protocol::EXIT_PLAN)
}

enum Never {}

fn set_up_call(inside: &Inside, fds: [Fd; CALL_FDS]) -> Result<Never, (Errno, u32)> {
    let record = sys::identity(fds[0]).and_then(|file| sys::map_file(fds[0], file.size)).map_err(|e| (e, 1))?;
    let record = Record::read(record).ok_or((EINVAL, 2))?;
    place_descriptors([fds[1], fds[2], fds[3]], fds[4]).map_err(|e| (e, 3))?;
    let _ = sys::call(sys::NR_SETSID, [0; 6]);
    if record.terminal {
        const TIOCSCTTY: usize = 0x540e;
        sys::call(sys::NR_IOCTL, [0, TIOCSCTTY, 0, 0, 0, 0]).map_err(|e| (e, 4))?;
    }
    unblock_signals();
    sys::call(sys::NR_UMASK, [0o022, 0, 0, 0, 0, 0]).map_err(|e| (e, 5))?;
    let folder = sys::openat(sys::AT_FDCWD, record.folder, sys::O_PATH | sys::O_DIRECTORY, 0);
    let entered = folder.and_then(|fd| sys::call(sys::NR_FCHDIR, [fd, 0, 0, 0, 0, 0]).map(|_| sys::close(fd)));
    if let Err(errno) = entered {
        not_executed(SOCKET, errno);
        sys::exit(127)
    }
    mark(inside.landlock)?;
    let listener = enter_filter(inside.filter).map_err(|e| (e, 7))?;
    announce(SOCKET, listener).map_err(|e| (e, 8))?;
    sys::close(listener);
    let errno = execute(&record);
    not_executed(SOCKET, errno);
    sys::exit(127)
}

fn not_executed(socket: Fd, errno: Errno) {
    let message = Message::<8>::new(Report::NotExecuted as u8).with(&errno.to_le_bytes());
    let _ = sys::write(socket, message.as_bytes());
}

/// The prover is a call without a record: same mark, same filter, its listener sent over the init's socket.
pub fn become_prover(filter: &[u8], own_domain: bool) {
    unblock_signals();
    if let Err((errno, place)) = set_up_prover(filter, own_domain) {
        not_set_up(SUPERVISOR, errno, place);
        sys::exit(protocol::EXIT_PLAN);
    }
}

fn set_up_prover(filter: &[u8], own_domain: bool) -> Result<(), (Errno, u32)> {
    mark(own_domain)?;
    let listener = enter_filter(filter).map_err(|e| (e, 7))?;
    announce(SUPERVISOR, listener).map_err(|e| (e, 8))?;
    sys::close(listener);
    Ok(())
}

/// Tells the supervisor which descriptor the listener is, and waits until it has fetched it.
fn announce(socket: Fd, listener: Fd) -> Result<(), Errno> {
    let message = Message::<8>::new(Report::Listening as u8).with(&(listener as i32).to_le_bytes());
    sys::write(socket, message.as_bytes())?;
    let mut leave = [0];
    match sys::read(socket, &mut leave) {
        Ok(1) => Ok(()),
        Ok(_) => sys::exit(EXIT_ORPHANED),
        Err(errno) => Err(errno),
    }
}

/// Makes the three standard descriptors and the socket the only ones that are open.
fn place_descriptors(standard: [Fd; 3], socket: Fd) -> Result<(), Errno> {
    // First out of the way, so that none is overwritten before it is placed.
    let mut away = [0; 4];
    for (to, fd) in away.iter_mut().zip(standard.into_iter().chain([socket])) {
        *to = sys::duplicate_above(fd, SOCKET + 1)?;
    }
    for (target, fd) in away.iter().take(3).enumerate() {
        sys::call(sys::NR_DUP3, [*fd, target, 0, 0, 0, 0])?;
    }
    sys::call(sys::NR_DUP3, [away[3], SOCKET, sys::O_CLOEXEC, 0, 0, 0])?;
    sys::close(SUPERVISOR);
    sys::call(sys::NR_CLOSE_RANGE, [SOCKET + 1, u32::MAX as usize, 0, 0, 0, 0]).map(drop)
}

/// A UTS namespace of its own is the call's mark; after it, no capability is needed or left. A Landlock domain of
/// its own keeps it out of the memory and the descriptors of other calls, and so from acting in their name.
fn mark(own_domain: bool) -> Result<(), (Errno, u32)> {
    const CLONE_NEWUTS: usize = 0x0400_0000;
    sys::call(sys::NR_UNSHARE, [CLONE_NEWUTS, 0, 0, 0, 0, 0]).map_err(|e| (e, 6))?;
    build::set_capabilities(0).map_err(|e| (e, 6))?;
    if !own_domain {
        return Ok(());
    }
    Ruleset::of_call().and_then(Ruleset::enter).map_err(|e| (e, 9))
}

fn enter_filter(filter: &[u8]) -> Result<Fd, Errno> {
    const SECCOMP_SET_MODE_FILTER: usize = 1;
    const NEW_LISTENER: usize = 8;
    const WAIT_KILLABLE_RECV: usize = 0x20;
    // `struct sock_fprog`: a count of 8-byte instructions, then their place.
    let program = [filter.len() / 8, filter.as_ptr() as usize];
    let flags = NEW_LISTENER | WAIT_KILLABLE_RECV;
    sys::call(sys::NR_SECCOMP, [SECCOMP_SET_MODE_FILTER, flags, program.as_ptr() as usize, 0, 0, 0])
}

/// What to execute, as the supervisor wrote it.
struct Record {
    terminal: bool,
    folder: CStr<'static>,
    path: Fields<'static>,
    /// Pointers to the arguments, null, pointers to the variables, null.
    strings: &'static [usize],
    variables: usize,
    program: CStr<'static>,
}

impl Record {
    fn read(bytes: &'static [u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let terminal = fields.byte()? != 0;
        let folder = CStr::new(fields.bytes()?)?;
        let path = Fields::new(fields.bytes()?);
        let (arguments, variables) = (fields.short()? as usize, fields.short()? as usize);
        let strings = sys::pointer_array().ok()?;
        if arguments == 0 || arguments + variables + 2 > strings.len() {
            return None;
        }
        let mut program = None;
        for i in 0..arguments + variables {
            let string = CStr::new(fields.bytes()?)?;
            program = program.or(Some(string));
            strings[i + usize::from(i >= arguments)] = string.pointer();
        }
        Some(Self { terminal, folder, path, strings, variables: arguments + 1, program: program? })
    }
}

/// Executes the program: by its path if that has a slash, else from the first folder of the search path
/// that has it, as `execvp(3)` does. Returns why nothing could be executed.
fn execute(record: &Record) -> Errno {
    const ENOENT: Errno = 2;
    const ENOTDIR: Errno = 20;
    const EACCES: Errno = 13;
    if record.program.bytes().contains(&b'/') {
        return execute_file(record, record.program);
    }
    let mut path = record.path;
    let mut worst = ENOENT;
    while let Some(folder) = path.bytes() {
        let mut buffer = [0; 4096];
        let Some(file) = join(folder, record.program.bytes(), &mut buffer) else { continue };
        match execute_file(record, file) {
            ENOENT | ENOTDIR => {}
            EACCES => worst = EACCES,
            errno => return errno,
        }
    }
    worst
}

fn join<'b>(folder: &[u8], name: &[u8], buffer: &'b mut [u8; 4096]) -> Option<CStr<'b>> {
    let length = folder.len() + 1 + name.len() + 1;
    let space = buffer.get_mut(..length)?;
    space[..folder.len()].copy_from_slice(folder);
    space[folder.len()] = b'/';
    space[folder.len() + 1..length - 1].copy_from_slice(name);
    CStr::new(space)
}

fn execute_file(record: &Record, file: CStr<'_>) -> Errno {
    let arguments = record.strings.as_ptr() as usize;
    let variables = record.strings[record.variables..].as_ptr() as usize;
    sys::call(sys::NR_EXECVE, [file.pointer(), arguments, variables, 0, 0, 0]).err().unwrap_or(EINVAL)
}

const EINVAL: Errno = 22;

/// `sigset_t` with every signal but those that can't be blocked.
const ALL_SIGNALS: u64 = !0;
const SIG_SETMASK: usize = 2;
const SIGCHLD_BIT: u64 = 1 << 16;

/// Blocks all signals and forgets what the supervisor's process ignored or handled.
pub fn reset_signals() {
    set_mask(ALL_SIGNALS);
    for signal in 1..=64 {
        default_signal(signal);
    }
}

/// Gives `signal` its default action.
pub fn default_signal(signal: usize) {
    const NR_RT_SIGACTION: usize = 13;
    let action = [0u64; 4];
    let _ = sys::call(NR_RT_SIGACTION, [signal, action.as_ptr() as usize, 0, 8, 0, 0]);
}

fn set_mask(mask: u64) {
    let _ = sys::call(sys::NR_RT_SIGPROCMASK, [SIG_SETMASK, &raw const mask as usize, 0, 8, 0, 0]);
}

fn unblock_signals() {
    set_mask(0);
}

fn death_descriptor() -> Fd {
    const SFD_CLOEXEC_NONBLOCK: usize = 0o2000000 | 0o4000;
    let mask = SIGCHLD_BIT;
    let created = sys::call(sys::NR_SIGNALFD4, [usize::MAX, &raw const mask as usize, 8, SFD_CLOEXEC_NONBLOCK, 0, 0]);
    created.unwrap_or_else(|_| sys::exit(protocol::EXIT_PANIC))
}

fn forget_signal(deaths: Fd) {
    let mut information = [0; 128];
    let _ = sys::read(deaths, &mut information);
}
