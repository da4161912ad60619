//! Placing the entries of one layer, each where its path leads inside the tree.
//!
//! An entry replaces whatever has its name, a folder with all that is in it; only a folder stays where
//! a folder comes, and gets the new attributes. Nothing is written through an existing name. Whiteouts hide what lower
//! layers made, and spare what this layer made itself, wherever in the layer they stand.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, linkat, mkdirat, openat, statat, symlinkat};
use rustix::io::Errno;
use tar::EntryType;

use super::content::{self, CopyError};
use super::entry::{EntryPath, Mark, PathFault};
use super::layer::{Extraction, LayerError};
use super::metadata::Metadata;
use super::stream::Meter;
use super::tree::{self, Refused};

/// One layer in the making.
pub(super) struct Layer<'e, 'l> {
    to: &'e mut Extraction<'l>,
    /// What this layer made: hashes of folder and name. Its own whiteouts spare them.
    made: HashSet<u64>,
    hash: RandomState,
    /// The folder of the entry before, since entries of one folder follow each other.
    near: Option<(OsString, OwnedFd)>,
    /// Whether the current entry took the place of something.
    replaced: bool,
    content_allowed: u64,
    content_left: u64,
    buffer: Vec<u8>,
}

impl<'e, 'l> Layer<'e, 'l> {
    /// The next layer of `to`, whose files may hold `content_left` bytes.
    pub(super) fn new(to: &'e mut Extraction<'l>, content_left: u64) -> Self {
        Self {
            to,
            made: HashSet::new(),
            hash: RandomState::new(),
            near: None,
            replaced: false,
            content_allowed: content_left,
            content_left,
            buffer: vec![0; 128 << 10],
        }
    }

    /// How many bytes its files may still hold.
    pub(super) fn content_left(&self) -> u64 {
        self.content_left
    }

    /// Places all entries of `tar`.
    pub(super) fn apply(&mut self, tar: impl Read, meter: &Meter) -> Result<(), LayerError> {
        let mut archive = tar::Archive::new(tar);
        let mut entries = archive.entries().map_err(LayerError::Content)?;
        while let Some(entry) = meter.header(|| entries.next()) {
            let mut entry = entry.map_err(LayerError::Content)?;
            self.entry(&mut entry)?;
            // Not more than what is left of this entry: the bound on headers counts from here.
            io::copy(&mut entry, &mut io::sink()).map_err(LayerError::Content)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), LayerError> {
        let written = OsString::from_vec(entry.path_bytes().into_owned());
        self.to.tree.count().map_err(|refused| self.refused(refused, "add", &written))?;
        let kind = content::kind_of(entry).map_err(|problem| LayerError::unsupported(&written, problem))?;
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let fault = |fault| LayerError::Path { path: written.clone(), fault };
        let path = EntryPath::of_entry(written.as_bytes(), self.to.limits).map_err(fault)?;
        match path.mark().map_err(fault)? {
            Mark::None => self.add(entry, kind, &path, &written),
            Mark::Bookkeeping => Ok(()),
            Mark::Whiteout(name) => self.hide(&path, Some(name), &written),
            Mark::Opaque => self.hide(&path, None, &written),
        }
    }

    /// Removes what lower layers have as `name` beside `path`, or all they have beside it.
    fn hide(&mut self, path: &EntryPath, name: Option<&OsStr>, written: &OsStr) -> Result<(), LayerError> {
        self.near = None;
        let folder = match self.to.tree.folder(path.parent()) {
            Err(refused) if refused.is_missing() => return Ok(()),
            folder => folder.map_err(|refused| self.refused(refused, "open the folder of", written))?,
        };
        // What is looked at counts as an entry, or a thousand marks on a large folder would take forever.
        let mut exhausted = false;
        let mut keep = |parent: BorrowedFd<'_>, name: &OsStr| {
            exhausted |= self.to.tree.count().is_err();
            if exhausted {
                Err(Errno::DQUOT.into())
            } else {
                Ok(self.made.contains(&self.key(parent, name)?))
            }
        };
        let hidden = match name {
            Some(name) => tree::remove_unless(folder.as_fd(), name, &mut keep).map(drop),
            None => tree::empty_unless(folder.as_fd(), &mut keep),
        };
        match hidden {
            Err(_) if exhausted => Err(self.refused(Refused::Entries, "", written)),
            hidden => hidden.map_err(|source| LayerError::host("remove what is hidden by", written, source)),
        }
    }

    fn add(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        kind: EntryType,
        path: &EntryPath,
        written: &OsStr,
    ) -> Result<(), LayerError> {
        let metadata = Metadata::of(entry, self.to.ownership)
            .map_err(|problem| LayerError::unsupported(written, problem))?;
        if path.is_root() {
            return self.root(kind, &metadata, written);
        }
        let parent = self.parent(path, written)?;
        let at = parent.as_fd();
        let key = self
            .key(at, path.name())
            .map_err(|source| LayerError::host("look at the folder of", written, source))?;
        self.made.insert(key);
        self.replaced = false;
        let result = match kind {
            EntryType::Directory => self.folder(at, path.name(), &metadata, written),
            EntryType::Symlink => self.symlink(entry, at, path.name(), &metadata, written),
            EntryType::Link => self.hard_link(entry, at, path.name(), written),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(entry, at, path.name(), &metadata, written)
            }
            _ => self.skip(kind, at, path.name(), written),
        };
        // What was replaced may be on the way to this folder.
        self.near = (!self.replaced).then(|| (path.parent().to_owned(), parent));
        result
    }

    /// The folder for `path`. It is taken out of `near`; [`Self::add`] puts it back.
    fn parent(&mut self, path: &EntryPath, written: &OsStr) -> Result<OwnedFd, LayerError> {
        match self.near.take() {
            Some((near, folder)) if near == path.parent() => Ok(folder),
            _ => self
                .to
                .tree
                .make_folder(path.parent())
                .map_err(|refused| self.refused(refused, "make the folder of", written)),
        }
    }

    fn root(&mut self, kind: EntryType, metadata: &Metadata, written: &OsStr) -> Result<(), LayerError> {
        if kind != EntryType::Directory {
            return Err(LayerError::Path { path: written.to_owned(), fault: PathFault::Root });
        }
        let root = self.to.tree.root();
        metadata
            .apply_to_folder(root)
            .map_err(|source| LayerError::host("set the attributes of", written, source))?;
        let (_, inode) =
            tree::identity(root).map_err(|source| LayerError::host("look at", written, source))?;
        self.to.folders.insert(inode, metadata.time());
        Ok(())
    }

    fn folder(
        &mut self,
        at: BorrowedFd<'_>,
        name: &OsStr,
        metadata: &Metadata,
        written: &OsStr,
    ) -> Result<(), LayerError> {
        let make = || match mkdirat(at, name, Mode::RWXU) {
            Err(Errno::EXIST) if tree::type_of(at, name)? == Some(FileType::Directory) => Ok(()),
            made => Ok(made?),
        };
        self.afresh(at, name, make)
            .and_then(|()| tree::open_folder(at, name))
            .and_then(|folder| {
                metadata.apply_to_folder(folder.as_fd())?;
                self.to.folders.insert(tree::identity(&folder)?.1, metadata.time());
                Ok(())
            })
            .map_err(|source| LayerError::host("make the folder", written, source))
    }

    fn symlink(
        &mut self,
        entry: &tar::Entry<'_, impl Read>,
        at: BorrowedFd<'_>,
        name: &OsStr,
        metadata: &Metadata,
        written: &OsStr,
    ) -> Result<(), LayerError> {
        let target = entry.link_name_bytes().unwrap_or_default();
        if target.is_empty() || target.contains(&0) || target.len() > self.to.limits.path_bytes {
            return Err(LayerError::unsupported(written, "is a symbolic link without a usable target"));
        }
        let target = OsStr::from_bytes(&target);
        self.afresh(at, name, || Ok(symlinkat(target, at, name)?))
            .and_then(|()| metadata.apply_to_link(at, name))
            .map_err(|source| LayerError::host("make the symbolic link", written, source))
    }

    fn hard_link(
        &mut self,
        entry: &tar::Entry<'_, impl Read>,
        at: BorrowedFd<'_>,
        name: &OsStr,
        written: &OsStr,
    ) -> Result<(), LayerError> {
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        let path = EntryPath::of_link(&target, self.to.limits)
            .map_err(|fault| LayerError::Path { path: OsString::from_vec(target), fault })?;
        let from = self.to.tree.folder(path.parent());
        let from =
            from.map_err(|refused| self.refused(refused, "open the folder of the link target of", written))?;
        let failed = |source| LayerError::host("make the hard link", written, source);
        let stat = |at, name| statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
        let linked = stat(from.as_fd(), path.name()).map_err(|errno| failed(errno.into()))?;
        if FileType::from_raw_mode(linked.st_mode) == FileType::Directory {
            return Err(LayerError::unsupported(written, "is a hard link to a folder"));
        }
        if stat(at, name).is_ok_and(|there| there.st_ino == linked.st_ino) {
            return Ok(());
        }
        self.afresh(at, name, || Ok(linkat(&from, path.name(), at, name, AtFlags::empty())?)).map_err(failed)
    }

    fn file(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        at: BorrowedFd<'_>,
        name: &OsStr,
        metadata: &Metadata,
        written: &OsStr,
    ) -> Result<(), LayerError> {
        let size = entry.size();
        let Some(left) = self.content_left.checked_sub(size) else {
            return Err(self.to.exceeded(self.content_allowed, "bytes in files"));
        };
        self.content_left = left;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self
            .afresh(at, name, || Ok(openat(at, name, flags, Mode::RUSR | Mode::WUSR)?))
            .map_err(|source| LayerError::host("make the file", written, source))?;
        match content::write(entry, file.as_fd(), &mut self.buffer) {
            Ok(()) => {}
            Err(CopyError::Read(source)) => return Err(LayerError::Content(source)),
            Err(CopyError::Write(source)) => return Err(LayerError::host("write the file", written, source)),
        }
        metadata
            .apply_to_file(file.as_fd())
            .map_err(|source| LayerError::host("set the attributes of", written, source))
    }

    fn skip(
        &mut self,
        kind: EntryType,
        at: BorrowedFd<'_>,
        name: &OsStr,
        written: &OsStr,
    ) -> Result<(), LayerError> {
        self.replaced = true;
        match kind {
            EntryType::Block | EntryType::Char => self.to.skipped.devices += 1,
            _ => self.to.skipped.fifos += 1,
        }
        tree::remove(at, name)
            .map_err(|source| LayerError::host("remove what is replaced by", written, source))
    }

    /// Runs `make`; if there is something already, removes it and runs `make` again.
    fn afresh<T>(
        &mut self,
        at: BorrowedFd<'_>,
        name: &OsStr,
        make: impl Fn() -> io::Result<T>,
    ) -> io::Result<T> {
        match make() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        self.replaced = true;
        tree::remove(at, name)?;
        make()
    }

    /// What stands for `name` in `folder` among the things this layer made. The hash is keyed at
    /// random, so that no image can be built in which two of them collide.
    fn key(&self, folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<u64> {
        Ok(self.hash.hash_one((tree::identity(folder)?, name)))
    }

    fn refused(&self, refused: Refused, action: &'static str, written: &OsStr) -> LayerError {
        match refused {
            Refused::Io(source) => LayerError::host(action, written, source),
            Refused::Entries => LayerError::Limit { what: "entries", limit: self.to.limits.entries },
            Refused::Deep => {
                LayerError::Path { path: written.to_owned(), fault: PathFault::Deep(self.to.limits.depth) }
            }
        }
    }
}
