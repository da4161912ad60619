//! How to know a file that was made inside: by the device number of what it lies on.
//!
//! The scratch layer has one of its own, and begins empty. Where it is the root of an image, an overlay, files that were
//! written show with another number, and files of the image with a third (Documentation/filesystems/overlayfs.rst,
//! "Inode properties"; `xino=off` sees to it). It is read off a file that every start puts there. A file of the image
//! that was changed keeps the image's number: the time of its last change tells (`changed_ns`).

use crate::image::Image;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, statat};

/// The device numbers of what is written inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    scratch: Option<u64>,
    root: Option<u64>,
}

impl Written {
    /// For who must take nothing for written.
    pub(crate) const NOTHING: Self = Self { scratch: None, root: None };

    /// Looks, before anything of the agent runs.
    pub(crate) fn find(scratch: u64, image: &Image, root: BorrowedFd<'_>) -> Self {
        let number = |path| statat(root, path, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| stat.st_dev);
        // Folders show with the number of the overlay as a whole: were files to show with it, it would tell nothing.
        let file = number("etc/hostname").filter(|file| image.is_written() && number(".") != Some(*file));
        Self { scratch: Some(scratch), root: file }
    }

    /// Whether what has this device number was written inside.
    pub(crate) fn is_on(self, device: u64) -> bool {
        [self.scratch, self.root].contains(&Some(device))
    }
}
