//! Modes, times and owners: what an entry says, and what of it is applied.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown, futimens, utimensat,
};
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};
use tar::Entry;

/// Ids that images may use: more than this isn't delegated to a sandbox, so no file could be seen as owned by one.
const IDS: u32 = 65536;

/// Whether files get the owners that the image names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    /// They do.
    Kept,
    /// All belong to the user who runs this.
    Own,
}

/// What an entry says about a file besides its content.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    mode: u32,
    time: Timespec,
    owner: Option<(Uid, Gid)>,
}

impl Ownership {
    /// What this process may do: keeping owners takes root, the capability, and a user namespace with all ids.
    pub(super) fn of_process() -> Self {
        let capable = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::CHOWN));
        let mapped = |file| fs::read_to_string(file).is_ok_and(|map| covers_all_ids(&map));
        let kept =
            geteuid().is_root() && capable && mapped("/proc/self/uid_map") && mapped("/proc/self/gid_map");
        if kept { Self::Kept } else { Self::Own }
    }
}

/// Whether a map (`user_namespaces(7)`: inside, outside, count) has all ids from 0 to 65535.
fn covers_all_ids(map: &str) -> bool {
    let mut ranges: Vec<(u32, u32)> = map
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let inside: u32 = fields.next()?.parse().ok()?;
            let count: u32 = fields.nth(1)?.parse().ok()?;
            Some((inside, inside.saturating_add(count)))
        })
        .collect();
    ranges.sort_unstable();
    let covered =
        ranges.iter().fold(0, |covered, &(from, to)| if from <= covered { covered.max(to) } else { covered });
    covered >= IDS
}

impl Metadata {
    /// Reads what `entry` says, or says what is wrong with it.
    pub(super) fn of(entry: &mut Entry<'_, impl Read>, ownership: Ownership) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("has no valid header: {error}");
        let mode = entry.header().mode().map_err(unreadable)?;
        let seconds = i64::try_from(entry.header().mtime().map_err(unreadable)?).unwrap_or(0);
        let time = pax_time(entry).unwrap_or(Timespec { tv_sec: seconds, tv_nsec: 0 });
        let owner = match ownership {
            Ownership::Own => None,
            Ownership::Kept => {
                let uid = id("user", entry.header().uid().map_err(unreadable)?)?;
                let gid = id("group", entry.header().gid().map_err(unreadable)?)?;
                Some((Uid::from_raw(uid), Gid::from_raw(gid)))
            }
        };
        Ok(Self { mode, time, owner })
    }

    /// The modification time.
    pub(super) fn time(&self) -> Timespec {
        self.time
    }

    /// Sets all of a file's attributes.
    pub(super) fn apply_to_file(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        self.own(file)?;
        fchmod(file, Mode::from_raw_mode(self.mode & 0o777 | 0o600))?;
        Self::set_time(file, self.time)
    }

    /// Sets a folder's attributes but its time, which later entries would change.
    pub(super) fn apply_to_folder(&self, folder: BorrowedFd<'_>) -> io::Result<()> {
        self.own(folder)?;
        Ok(fchmod(folder, Mode::from_raw_mode(self.mode & 0o1777 | 0o700))?)
    }

    /// Sets the attributes of a symbolic link itself.
    pub(super) fn apply_to_link(&self, folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(utimensat(folder, name, &times(self.time), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Sets the modification time of an open file.
    pub(super) fn set_time(file: BorrowedFd<'_>, time: Timespec) -> io::Result<()> {
        Ok(futimens(file, &times(time))?)
    }

    fn own(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        match self.owner {
            Some((uid, gid)) => Ok(fchown(file, Some(uid), Some(gid))?),
            None => Ok(()),
        }
    }
}

fn times(modified: Timespec) -> Timestamps {
    Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: modified }
}

fn id(whose: &str, id: u64) -> Result<u32, String> {
    u32::try_from(id)
        .ok()
        .filter(|&id| id < IDS)
        .ok_or_else(|| format!("belongs to the {whose} {id}, beyond the {IDS} ids that a sandbox can have"))
}

/// The time with fractions that PAX records may carry.
fn pax_time(entry: &mut Entry<'_, impl Read>) -> Option<Timespec> {
    let mut records = entry.pax_extensions().ok()??;
    let record = records.find_map(|record| record.ok().filter(|record| record.key_bytes() == b"mtime"))?;
    parse_time(record.value().ok()?)
}

/// Parses a decimal number of seconds since 1970 (POSIX pax, "mtime").
fn parse_time(text: &str) -> Option<Timespec> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{fraction:0<9}");
    let nanoseconds: i64 = digits.get(..9)?.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some(Timespec { tv_sec: seconds.checked_sub(1)?, tv_nsec: 1_000_000_000 - nanoseconds });
    }
    Some(Timespec { tv_sec: seconds, tv_nsec: nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_have_fractions_and_signs() {
        let time = |tv_sec, tv_nsec| Some(Timespec { tv_sec, tv_nsec });
        assert_eq!(parse_time("12"), time(12, 0));
        assert_eq!(parse_time("12.5"), time(12, 500_000_000));
        assert_eq!(parse_time("12.1234567899"), time(12, 123_456_789));
        assert_eq!(parse_time("-1.25"), time(-2, 750_000_000));
        for wrong in ["", "x", "1.x", "1.-5", "9223372036854775808", "-9223372036854775808.5"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn maps_with_holes_do_not_cover_all_ids() {
        assert!(covers_all_ids("         0          0 4294967295\n"));
        assert!(covers_all_ids("1 100000 65536\n0 1000 1\n"));
        assert!(!covers_all_ids("0 1000 1\n"));
        assert!(!covers_all_ids("0 1000 1\n2 100000 65536\n"));
        assert!(!covers_all_ids(""));
    }
}
