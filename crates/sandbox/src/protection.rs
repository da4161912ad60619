//! What in a folder that the agent may write is protected all the same: what the host would later execute on its own,
//! by opening the folder, entering it or using git in it.
//!
//! Such files are read-only. Since a file is also replaced by renaming a folder above it, each folder between the
//! writable one and a protected file is a mount of its own, which can't be renamed. What is not there can't be
//! protected, but for `.git/commondir` (`placeholder`); when it appears it is told, and so is what the host itself
//! replaces: that takes the protection off.

use crate::plan::FileIdentity;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Protected: what the operator's shell or editor executes without being asked.
const PROTECTED: &[&str] = &[
    ".bash_login",
    ".bash_profile",
    ".bashrc",
    ".claude",
    ".cursor",
    ".devcontainer",
    ".direnv",
    ".envrc",
    ".gitconfig",
    ".husky",
    ".idea",
    ".mcp.json",
    ".profile",
    ".vscode",
    ".zprofile",
    ".zshenv",
    ".zshrc",
];

/// Protected in a repository, and in those of its submodules: what git executes, or finds its configuration by.
const PROTECTED_IN_REPOSITORY: &[&str] = &["commondir", "config", "config.worktree", "hooks", "worktrees"];

/// How deep repositories within the folder are looked for, and among how many entries: it costs time at each start.
const NESTED_DEPTH: usize = 2;
const ENTRIES_MAX: usize = 512;

/// How many submodules' repositories are looked for, and how deep.
const REPOSITORIES_MAX: usize = 256;
const REPOSITORIES_DEPTH: usize = 6;

/// A folder, and what in it is protected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protection<'a> {
    folder: &'a Path,
}

impl<'a> Protection<'a> {
    pub(crate) fn of(folder: &'a Path) -> Self {
        Self { folder }
    }

    /// What in it is protected now, folders above each first: the name, and whether it may still be written.
    pub(crate) fn pins(&self) -> Vec<(PathBuf, bool)> {
        let mut pins = Vec::new();
        let mut pin = |name: PathBuf, writable| {
            if !pins.iter().any(|(pinned, _)| *pinned == name) {
                pins.push((name, writable));
            }
        };
        for name in self.protected().into_iter().filter(|name| exists(&self.folder.join(name))) {
            let mut above: Vec<_> =
                name.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
            above.reverse();
            above.into_iter().for_each(|folder| pin(folder.to_owned(), true));
            pin(name, false);
        }
        // A worktree or submodule has a file that names the repository.
        if self.folder.join(".git").is_file() {
            pin(PathBuf::from(".git"), false);
        }
        pins
    }

    /// Each protected name, and the file that it was when this was asked.
    pub(crate) fn watched(&self) -> Vec<(PathBuf, Option<FileIdentity>)> {
        self.protected().into_iter().map(|name| (name.clone(), self.identity_of(&name))).collect()
    }

    /// The file that a name in the workspace is now.
    pub(crate) fn identity_of(&self, name: &Path) -> Option<FileIdentity> {
        let metadata = fs::symlink_metadata(self.folder.join(name)).ok()?;
        Some(FileIdentity { device: metadata.dev(), inode: metadata.ino() })
    }

    /// The repositories: that of the workspace, and those of its submodules in it.
    pub(crate) fn repositories(&self) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::from(".git")];
        let mut room = ENTRIES_MAX;
        self.find_nested(Path::new(""), NESTED_DEPTH, &mut room, &mut found);
        for repository in found.clone() {
            self.find_repositories(&repository.join("modules"), REPOSITORIES_DEPTH, &mut found);
        }
        found
    }

    /// Repositories in the folders right below, which git looks into from above. Those that are deeper are not found.
    fn find_nested(&self, folder: &Path, depth: usize, room: &mut usize, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(self.folder.join(folder)) else { return };
        for entry in entries.flatten() {
            if *room == 0 || depth == 0 || found.len() >= REPOSITORIES_MAX {
                return;
            }
            *room -= 1;
            if entry.file_name() == ".git" || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let below = folder.join(entry.file_name());
            if exists(&self.folder.join(&below).join(".git/HEAD")) {
                found.push(below.join(".git"));
            }
            self.find_nested(&below, depth - 1, room, found);
        }
    }

    fn find_repositories(&self, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(self.folder.join(folder)) else { return };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if depth == 0 || found.len() >= REPOSITORIES_MAX {
                return;
            }
            let below = folder.join(entry.file_name());
            if exists(&self.folder.join(&below).join("HEAD")) {
                found.push(below.clone());
                self.find_repositories(&below.join("modules"), depth - 1, found);
            } else {
                // A submodule's name may have slashes.
                self.find_repositories(&below, depth - 1, found);
            }
        }
    }

    fn protected(&self) -> Vec<PathBuf> {
        let mut names: Vec<_> = PROTECTED.iter().map(PathBuf::from).collect();
        for repository in self.repositories() {
            names.extend(PROTECTED_IN_REPOSITORY.iter().map(|name| repository.join(name)));
        }
        names
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
