//! `execve(2)`: seen, never refused.
//!
//! What is reported is what the task asked for, copied while it waited. A thread that shares its memory could
//! change the path between our look and the kernel's; no decision depends on it: whose call it was is told by
//! the listener, and what the program may do by the boundary.

use super::{Decision, Outcome, Scene, Sighting, Tracee};
use crate::sys::seccomp::Answer;
use event::fact::FileId;
use event::{Process, Text};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A program that is about to be executed.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The path, as it was asked for.
    pub path: Text,
    /// The process, with the program's file and arguments in place of its old ones.
    pub process: Process,
    /// The file.
    pub file: FileId,
    /// When it was last changed, in nanoseconds since 1970 by the kernel's clock.
    pub changed_ns: i64,
    /// Whether it lies in the scratch layer, which was empty when the run began.
    pub on_scratch: bool,
    /// The interpreter that its first line names.
    pub interpreter: Option<Text>,
}

const POINTER: usize = 8;
/// The most bytes that a vector has which the kernel takes, pointers included: three quarters of the default stack
/// (`bprm_stack_limits` in fs/exec.c), and the most that one argument has (`MAX_ARG_STRLEN`).
const VECTOR_BYTES: usize = 6 * 1024 * 1024;
const ARGUMENT_BYTES: usize = 128 * 1024;

pub(super) fn decide(tracee: &Tracee<'_>, scene: &Scene<'_>, folder: Option<i32>) -> Decision {
    let sighting = match look(tracee, scene, folder) {
        Ok(execution) => Some(Sighting::Execution(Box::new(execution))),
        // It will fail in the kernel as it did here: the task asked for what is not there.
        Err(
            Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP | Errno::FAULT | Errno::NAMETOOLONG,
        ) => None,
        Err(_) => Some(Sighting::Blind("a program that was executed could not be looked at")),
    };
    Decision { outcome: Outcome::Now(Answer::Continue), sighting }
}

fn look(tracee: &Tracee<'_>, scene: &Scene<'_>, folder: Option<i32>) -> Result<Execution, Errno> {
    let shift = usize::from(folder.is_some());
    let path = tracee.copy_path(tracee.argument(shift))?;
    let arguments = copy_arguments(tracee, tracee.argument(shift + 1));
    let file = open_program(tracee, scene, folder, &path)?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_mode & 0o111 == 0 {
        return Err(Errno::ACCESS);
    }
    let mut process = tracee.process().with_argv(arguments);
    process.exe = path_of(&file).map(Text::from).or(process.exe);
    Ok(Execution {
        path: Text::from(path),
        process,
        file: FileId { device: stat.st_dev, inode: stat.st_ino },
        changed_ns: stat
            .st_ctime
            .saturating_mul(1_000_000_000)
            .saturating_add(stat.st_ctime_nsec.cast_signed()),
        on_scratch: stat.st_dev == scene.scratch_device,
        interpreter: interpreter(&file),
    })
}

/// Copies the argument vector: all of what the kernel would take, and no more.
fn copy_arguments(tracee: &Tracee<'_>, place: u64) -> Vec<Vec<u8>> {
    let mut room = VECTOR_BYTES;
    let mut arguments = Vec::new();
    for index in 0.. {
        let mut pointer = [0; POINTER];
        let at = place.wrapping_add(index * POINTER as u64);
        let read = crate::sys::process::read_memory(tracee.task(), at, &mut pointer);
        let pointer = u64::from_ne_bytes(pointer);
        if read != Ok(POINTER) || pointer == 0 || room == 0 {
            break;
        }
        let argument = tracee.copy_string(pointer, room.min(ARGUMENT_BYTES)).unwrap_or_default();
        room = room.saturating_sub(argument.len() + 1 + POINTER);
        arguments.push(argument);
    }
    arguments
}

fn open_program(
    tracee: &Tracee<'_>,
    scene: &Scene<'_>,
    folder: Option<i32>,
    path: &[u8],
) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        return tracee.descriptor(folder.ok_or(Errno::NOENT)?);
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    open_inside(tracee, scene, folder, path, OFlags::PATH, Mode::empty(), ResolveFlags::empty())
}

/// Opens what a path means to the task: from the sandbox's root, from its current folder, or from one of its
/// descriptors.
pub(super) fn open_inside(
    tracee: &Tracee<'_>,
    scene: &Scene<'_>,
    folder: Option<i32>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let path = match folder {
        _ if path.is_absolute() => path.to_owned(),
        None | Some(libc::AT_FDCWD) => place_of(tracee, "cwd")?.join(path),
        Some(folder) => place_of(tracee, &format!("fd/{folder}"))?.join(path),
    };
    let path = own_entries(tracee, &path);
    rustix::fs::openat2(scene.root, path, flags | OFlags::CLOEXEC, mode, ResolveFlags::IN_ROOT | resolve)
}

fn place_of(tracee: &Tracee<'_>, link: &str) -> Result<PathBuf, Errno> {
    let target = rustix::fs::readlink(format!("/proc/{}/{link}", tracee.task()), Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

/// `/proc/self` means another process to us: names the task's instead.
fn own_entries(tracee: &Tracee<'_>, path: &Path) -> PathBuf {
    let inner = || tracee.process().pid.map(|pid| pid.to_string());
    match path.strip_prefix("/proc/self").or_else(|_| path.strip_prefix("/proc/thread-self")) {
        Ok(rest) => inner().map_or_else(|| path.to_owned(), |pid| Path::new("/proc").join(pid).join(rest)),
        Err(_) => path.to_owned(),
    }
}

/// The path of an open file, inside.
fn path_of(file: &OwnedFd) -> Option<PathBuf> {
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    std::fs::read_link(link).ok()
}

/// The interpreter of a script (execve(2), "Interpreter scripts").
fn interpreter(file: &OwnedFd) -> Option<Text> {
    const LONGEST_LINE: usize = 256;
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let file =
        rustix::fs::open(link, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty()).ok()?;
    let mut start = [0; LONGEST_LINE];
    let read = rustix::io::read(&file, &mut start).ok()?;
    let line = start.get(..read)?.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.trim_ascii().split(|byte| *byte == b' ' || *byte == b'\t').next()?;
    (!word.is_empty()).then(|| Text::from(word))
}
