//! The janitor: what cleans up after a supervisor that was killed.
//!
//! The kernel ends the processes, mounts and namespaces of a sandbox with its init. Cgroup folders it
//! leaves standing. The janitor is this program in the host's namespaces, holding one end of a socket: when
//! the supervisor is gone, it kills what is left in the supervisor's cgroups and removes them. Its
//! arguments are the top folders, version 2 first.

use crate::calls;
use crate::sys::{self, AT_FDCWD, Arguments, CStr, Fd};

const SUPERVISOR: Fd = 3;
const ATTEMPTS: u32 = 500;
const PAUSE_MS: u64 = 10;

/// Waits for the supervisor's end, then cleans.
pub fn wait_and_clean(arguments: Arguments) -> ! {
    calls::reset_signals();
    let _ = sys::call(sys::NR_SETSID, [0; 6]);
    let mut byte = [0];
    while matches!(sys::read(SUPERVISOR, &mut byte), Ok(1..)) {}
    for _ in 0..ATTEMPTS {
        let mut left = false;
        for index in 1.. {
            let Some(folder) = arguments.item(index) else { break };
            left |= !clean(folder);
        }
        if !left {
            sys::exit(0);
        }
        let _ = sys::wait_readable(usize::MAX, usize::MAX, Some(PAUSE_MS));
    }
    sys::exit(1)
}

/// Kills and removes one tree of cgroups. True once it is gone.
fn clean(folder: &[u8]) -> bool {
    let mut buffer = [0; 512];
    let Some(space) = buffer.get_mut(..=folder.len()) else { return true };
    space[..folder.len()].copy_from_slice(folder);
    let Some(path) = CStr::new(space) else { return true };
    let Ok(top) = sys::openat(AT_FDCWD, path, sys::O_DIRECTORY | sys::O_NOFOLLOW, 0) else { return true };
    if let Ok(kill) = sys::openat(top, KILL, 1, 0) {
        let _ = sys::write(kill, b"1");
        sys::close(kill);
    }
    remove_below(top, 0);
    sys::close(top);
    remove(AT_FDCWD, path)
}

const KILL: CStr<'static> = CStr::constant(b"cgroup.kill\0");
/// Supervisor, run, call: there is nothing deeper.
const DEPTH: u32 = 3;

fn remove(dir: Fd, path: CStr<'_>) -> bool {
    const AT_REMOVEDIR: usize = 0x200;
    const ENOENT: i32 = 2;
    let removed = sys::call(sys::NR_UNLINKAT, [dir, path.pointer(), AT_REMOVEDIR, 0, 0, 0]);
    matches!(removed, Ok(_) | Err(ENOENT))
}

fn remove_below(dir: Fd, depth: u32) {
    if depth > DEPTH {
        return;
    }
    let mut entries = [0; 4096];
    while let Ok(length @ 1..) =
        sys::call(sys::NR_GETDENTS64, [dir, entries.as_mut_ptr() as usize, entries.len(), 0, 0, 0])
    {
        let mut rest = &entries[..length];
        while let Some((entry, after)) = Entry::first(rest) {
            rest = after;
            if entry.is_folder && entry.name.bytes() != b"." && entry.name.bytes() != b".." {
                if let Ok(below) = sys::openat(dir, entry.name, sys::O_DIRECTORY | sys::O_NOFOLLOW, 0) {
                    remove_below(below, depth + 1);
                    sys::close(below);
                }
                remove(dir, entry.name);
            }
        }
    }
}

/// `struct linux_dirent64`: inode and offset, 8 bytes each, length of the record, type, name.
struct Entry<'a> {
    is_folder: bool,
    name: CStr<'a>,
}

impl<'a> Entry<'a> {
    fn first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const DT_DIR: u8 = 4;
        let length = u16::from_le_bytes(bytes.get(16..18)?.try_into().ok()?);
        let (record, rest) = bytes.split_at_checked(usize::from(length))?;
        let name = record.get(19..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        let name = CStr::new(name.get(..=end)?)?;
        Some((Self { is_folder: *record.get(18)? == DT_DIR, name }, rest))
    }
}
