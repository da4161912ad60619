//! The folder that layers are extracted into, and how paths of an image are followed in it.
//!
//! Nothing of an image is ever opened by a path of the host. A parent folder is opened by `openat2(2)`
//! relative to the root; everything else is done by `*at` calls on that descriptor and one
//! name, never following a link at that name.
//!
//! Layers legitimately go through symbolic links to folders: `lib -> usr/lib` in one layer, `lib/foo`
//! in the next. So a parent is first resolved strictly (`RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`), which is
//! nearly always enough, and only if there is a link in it with `RESOLVE_IN_ROOT`: the kernel then follows links
//! as it would after a chroot, so that `/x` and `../../x` mean x in the image. That is what containerd
//! and Docker do, too; refusing such layers would refuse most distributions' images.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fchmod, fstat, mkdirat, openat, openat2, readlinkat,
    statat, unlinkat,
};
use rustix::io::Errno;

/// Links to folders that don't exist yet are followed this many times.
const DANGLING_HOPS: usize = 8;
/// `RESOLVE_IN_ROOT` asks to try again when something was renamed anywhere meanwhile.
const RESOLVE_TRIES: usize = 128;
/// A name is tried again this often when its folder isn't empty after emptying it.
const REMOVE_TRIES: usize = 4;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// A folder, and nothing outside it.
pub(super) struct Tree {
    root: OwnedFd,
    identity: (u64, u64),
    depth: usize,
    /// How many entries may still be made.
    entries: Cell<u64>,
}

/// Why a folder of the tree couldn't be had.
#[derive(Debug)]
pub(super) enum Refused {
    /// A path, or where its links lead, is deeper than allowed.
    Deep,
    /// No entry may be made any more.
    Entries,
    /// The kernel said no.
    Io(io::Error),
}

impl Refused {
    /// Whether there just is nothing at that path.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl Tree {
    /// The tree below the folder `root`, in which `entries` entries may be made and no folder lies deeper than `depth`.
    pub(super) fn new(root: OwnedFd, depth: usize, entries: u64) -> io::Result<Self> {
        let identity = identity(&root)?;
        Ok(Self { root, identity, depth, entries: Cell::new(entries) })
    }

    /// Takes note of one more entry.
    pub(super) fn count(&self) -> Result<(), Refused> {
        let left = self.entries.get().checked_sub(1).ok_or(Refused::Entries)?;
        self.entries.set(left);
        Ok(())
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens the folder at `path`, if there is one; links in `path` stay inside the tree.
    pub(super) fn folder(&self, path: &OsStr) -> Result<OwnedFd, Refused> {
        if path.is_empty() {
            return Ok(openat(&self.root, ".", FOLDER, Mode::empty())?);
        }
        let strict = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match self.resolve(path, strict) {
            Err(Errno::LOOP | Errno::XDEV) => {}
            strict => return Ok(strict?),
        }
        let mut tries = RESOLVE_TRIES;
        let folder = loop {
            match self.resolve(path, ResolveFlags::IN_ROOT) {
                Err(Errno::AGAIN) if tries > 0 => tries -= 1,
                followed => break followed?,
            }
        };
        self.check_depth(&folder)?;
        Ok(folder)
    }

    fn resolve(&self, path: &OsStr, how: ResolveFlags) -> Result<OwnedFd, Errno> {
        let how = how | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let flags = FOLDER.difference(OFlags::NOFOLLOW);
        openat2(&self.root, path, flags, Mode::empty(), how)
    }

    /// Opens the folder at `path`, and makes it and those above it where they are missing.
    pub(super) fn make_folder(&self, path: &OsStr) -> Result<OwnedFd, Refused> {
        self.make_folder_through(path, DANGLING_HOPS)
    }

    fn make_folder_through(&self, path: &OsStr, hops: usize) -> Result<OwnedFd, Refused> {
        match self.folder(path) {
            Err(refused) if refused.is_missing() => {}
            other => return other,
        }
        let prefixes = prefixes(path);
        if prefixes.len() > self.depth {
            return Err(Refused::Deep);
        }
        let mut missing = prefixes.len();
        let mut folder = loop {
            missing = missing.saturating_sub(1);
            let above = missing.checked_sub(1).map_or(OsStr::new(""), |last| prefixes[last]);
            match self.folder(above) {
                Err(refused) if refused.is_missing() && missing > 0 => {}
                other => break other?,
            }
        };
        for prefix in &prefixes[missing..] {
            folder = self.make_one(&folder, prefix, hops)?;
        }
        Ok(folder)
    }

    /// Makes the last component of `path` in `parent`. It may exist as a link that leads nowhere: then
    /// the folder it should lead to is made, so that the entry lands where a program would look for it.
    fn make_one(&self, parent: &OwnedFd, path: &OsStr, hops: usize) -> Result<OwnedFd, Refused> {
        let (above, name) = split_last(path);
        match mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => {
                self.count()?;
                let made = open_folder(parent.as_fd(), name).map_err(Refused::Io)?;
                fchmod(&made, Mode::from_raw_mode(0o755))?;
                self.check_depth(&made)?;
                return Ok(made);
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        match self.folder(path) {
            Err(refused) if refused.is_missing() => {}
            other => return other,
        }
        let hops = hops.checked_sub(1).ok_or(Refused::from(Errno::LOOP))?;
        let target = readlinkat(parent, name, Vec::new())?.into_bytes();
        let joined = match target.first() {
            Some(b'/') => target,
            _ => [above.as_bytes(), b"/", &target].concat(),
        };
        self.make_folder_through(&without_empty(&joined), hops)
    }

    /// Links can lead deeper than any path may be written. Counts the way back up to the root.
    fn check_depth(&self, folder: &OwnedFd) -> Result<(), Refused> {
        let mut here = openat(folder, ".", FOLDER, Mode::empty())?;
        for _ in 0..=self.depth {
            if identity(&here)? == self.identity {
                return Ok(());
            }
            here = openat(&here, "..", FOLDER, Mode::empty())?;
        }
        Err(Refused::Deep)
    }

    /// Calls `visit` with each folder of the tree, the root last, those inside before those around.
    pub(super) fn each_folder(&self, visit: &mut dyn FnMut(&OwnedFd) -> io::Result<()>) -> io::Result<()> {
        each_folder_below(&openat(&self.root, ".", FOLDER, Mode::empty())?, visit)
    }
}

fn each_folder_below(folder: &OwnedFd, visit: &mut dyn FnMut(&OwnedFd) -> io::Result<()>) -> io::Result<()> {
    for_each_name(folder.as_fd(), &mut |name, kind| {
        if kind == FileType::Directory {
            each_folder_below(&openat(folder, name, FOLDER, Mode::empty())?, visit)?;
        }
        Ok(())
    })?;
    visit(folder)
}

/// Opens the folder `name` of `parent`, not through a link.
pub(super) fn open_folder(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    Ok(openat(parent, name, FOLDER, Mode::empty())?)
}

/// The type of what is called `name` in `parent`, not through a link.
pub(super) fn type_of(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<FileType>> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes `name` from `parent` with all that is in it; it needn't exist.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    for _ in 0..REMOVE_TRIES {
        if remove_unless(parent, name, &mut |_, _| Ok(false))? {
            return Ok(());
        }
    }
    Err(Errno::NOTEMPTY.into())
}

/// Like [`remove`], but keeps each name that `keep` claims, and the folders around it. Of a folder
/// that is claimed, what is in it and not claimed itself still goes. Says whether `name` is gone.
pub(super) fn remove_unless(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    keep: &mut dyn FnMut(BorrowedFd<'_>, &OsStr) -> io::Result<bool>,
) -> io::Result<bool> {
    let kept = keep(parent, name)?;
    let flags = match type_of(parent, name)? {
        None => return Ok(true),
        Some(FileType::Directory) => {
            empty_unless(open_folder(parent, name)?.as_fd(), keep)?;
            AtFlags::REMOVEDIR
        }
        Some(_) => AtFlags::empty(),
    };
    if kept {
        return Ok(false);
    }
    match unlinkat(parent, name, flags) {
        Ok(()) => Ok(true),
        Err(Errno::NOTEMPTY) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes all names in `folder`, as [`remove_unless`] does.
pub(super) fn empty_unless(
    folder: BorrowedFd<'_>,
    keep: &mut dyn FnMut(BorrowedFd<'_>, &OsStr) -> io::Result<bool>,
) -> io::Result<()> {
    for_each_name(folder, &mut |name, _| remove_unless(folder, name, keep).map(drop))
}

/// Calls `visit` with each name in `folder` but `.` and `..`, and its type.
pub(super) fn for_each_name(
    folder: BorrowedFd<'_>,
    visit: &mut dyn FnMut(&OsStr, FileType) -> io::Result<()>,
) -> io::Result<()> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => type_of(folder, name)?.unwrap_or(FileType::Unknown),
            known => known,
        };
        visit(name, kind)?;
    }
    Ok(())
}

/// Device and inode number of an open file.
pub(super) fn identity(file: impl AsFd) -> io::Result<(u64, u64)> {
    let stat = fstat(file)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// `a`, `a/b`, `a/b/c` of `a/b/c`.
fn prefixes(path: &OsStr) -> Vec<&OsStr> {
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at);
    slashes.chain([bytes.len()]).map(|end| OsStr::from_bytes(&bytes[..end])).collect()
}

/// `a/b` and `c` of `a/b/c`.
fn split_last(path: &OsStr) -> (&OsStr, &OsStr) {
    let bytes = path.as_bytes();
    let (above, name) = match bytes.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&bytes[..slash], &bytes[slash + 1..]),
        None => (&bytes[..0], bytes),
    };
    (OsStr::from_bytes(above), OsStr::from_bytes(name))
}

/// A link's target as a path below the root: `..` stays, for the kernel to resolve.
fn without_empty(path: &[u8]) -> OsString {
    let components: Vec<&[u8]> =
        path.split(|&byte| byte == b'/').filter(|component| !matches!(*component, b"" | b".")).collect();
    OsString::from_vec(components.join(&b'/'))
}
