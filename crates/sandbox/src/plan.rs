//! Writes the plan: what the init does to build the inside, step by step.
//!
//! Each step carries, on this side only, what it is for, so that a failure names the control and the path
//! and not a number.

use crate::protocol::{STEP_HEADER, Step};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Attributes of a mount: the kernel's `MOUNT_ATTR_*` bits, and ours above them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes(u64);

impl Attributes {
    /// Can't be written.
    pub(crate) const READ_ONLY: Self = Self(libc::MOUNT_ATTR_RDONLY);
    /// Set-user-id bits and device nodes have no effect.
    pub(crate) const SAFE: Self = Self(libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV);
    /// Set-user-id bits have no effect; device nodes have.
    pub(crate) const DEVICE: Self = Self(libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC);
    /// Nothing in it can be executed.
    pub(crate) const NO_EXECUTION: Self = Self(libc::MOUNT_ATTR_NOEXEC);
    /// What is mounted below comes too, with the same attributes.
    pub(crate) const RECURSIVE: Self = Self(1 << 32);
    /// A target that doesn't exist is no error.
    pub(crate) const OPTIONAL: Self = Self(1 << 33);
    /// The target is a path of the scratch file system, not of the root.
    pub(crate) const ON_SCRATCH: Self = Self(1 << 35);

    /// Both.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One field of a step.
enum Field<'a> {
    Number(u64),
    /// A string; its NUL is added.
    Text(&'a [u8]),
    /// Bytes as they are.
    Bytes(&'a [u8]),
}

/// A plan in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    bytes: Vec<u8>,
    purposes: Vec<(Step, String)>,
}

/// A host file, as it was when the plan was made: the init takes no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    /// Device number, as in `stat`.
    pub(crate) device: u64,
    /// Inode number.
    pub(crate) inode: u64,
}

impl Plan {
    /// What step `index` was to do, and for which control: for the error that says that it could not.
    pub(crate) fn purpose(&self, index: u32) -> (&'static str, &str) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let found = self.purposes.get(index);
        found.map_or(("init", "finish the plan"), |(step, purpose)| (control(*step), purpose.as_str()))
    }

    /// This plan, and then another.
    #[must_use]
    pub(crate) fn then(mut self, next: &Self) -> Self {
        self.bytes.extend(&next.bytes);
        self.purposes.extend_from_slice(&next.purposes);
        self
    }

    /// The plan as the init reads it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The plan in sealed memory, as the init reads it.
    pub(crate) fn seal(&self) -> io::Result<OwnedFd> {
        sealed_memory("aurelian-plan", &self.bytes)
    }

    fn add(&mut self, step: Step, purpose: impl Into<String>, fields: &[Field<'_>]) {
        let start = self.bytes.len();
        self.bytes.extend((step as u16).to_le_bytes());
        self.bytes.extend([0; STEP_HEADER - 2]);
        for field in fields {
            match field {
                Field::Number(number) => self.bytes.extend(number.to_le_bytes()),
                Field::Text(text) => {
                    put_length(&mut self.bytes, text.len() + 1);
                    self.bytes.extend(*text);
                    self.bytes.push(0);
                }
                Field::Bytes(bytes) => {
                    put_length(&mut self.bytes, bytes.len());
                    self.bytes.extend(*bytes);
                }
            }
        }
        let length = self.bytes.len() - start - STEP_HEADER;
        if let Some(place) = self.bytes.get_mut(start + 4..start + STEP_HEADER) {
            place.copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        }
        self.purposes.push((step, purpose.into()));
    }

    /// The control groups with the sandbox's limits are entered.
    pub(crate) fn join_groups(&mut self) {
        self.add(Step::JoinGroups, "enter its control groups", &[]);
    }

    /// Nothing that happens inside reaches the host's mounts.
    pub(crate) fn mounts_private(&mut self) {
        self.add(Step::MountsPrivate, "cut the mounts off from the host's", &[]);
    }

    /// The root is made from the skeleton.
    pub(crate) fn skeleton(&mut self) {
        self.add(Step::Skeleton, "make the sandbox's root", &[]);
    }

    /// The root is the prepared mount number `index`, a copy of a template.
    pub(crate) fn template(&mut self, index: u64) {
        self.add(Step::Template, "take a template as the sandbox's root", &[Field::Number(index)]);
    }

    /// What was built is kept as a template.
    pub(crate) fn keep(&mut self) {
        self.add(Step::Keep, "keep a template", &[]);
    }

    /// The bounded file system that all writes outside the workspace go to.
    pub(crate) fn scratch(&mut self, bytes: u64, inodes: u64) {
        self.add(
            Step::Scratch,
            "make the scratch file system",
            &[Field::Number(bytes), Field::Number(inodes)],
        );
    }

    /// A folder in the scratch file system.
    pub(crate) fn folder(&mut self, mode: u32, path: &Path) {
        let purpose = format!("make the folder {}", path.display());
        self.add(Step::Folder, purpose, &[Field::Number(mode.into()), text(path)]);
    }

    /// A file in it.
    pub(crate) fn file(&mut self, mode: u32, path: &Path, content: &[u8]) {
        let purpose = format!("make the file {}", path.display());
        self.add(Step::File, purpose, &[Field::Number(mode.into()), text(path), Field::Bytes(content)]);
    }

    /// A symbolic link in it.
    pub(crate) fn link(&mut self, path: &Path, target: &Path) {
        let purpose = format!("make the link {}", path.display());
        self.add(Step::Link, purpose, &[text(path), text(target)]);
    }

    /// A host path, as it is now, at a place inside.
    pub(crate) fn bind_path(
        &mut self,
        attributes: Attributes,
        identity: FileIdentity,
        source: &Path,
        target: &Path,
    ) {
        let purpose = format!("mount {} at /{}", source.display(), target.display());
        let FileIdentity { device, inode } = identity;
        let numbers = [attributes.0, device, inode].map(Field::Number);
        let [a, b, c] = numbers;
        self.add(Step::BindPath, purpose, &[a, b, c, text(source), text(target)]);
    }

    /// The prepared mount number `index` at a place inside.
    pub(crate) fn bind_fd(&mut self, attributes: Attributes, index: u64, source: &Path, target: &Path) {
        let purpose = format!("mount {} at /{}", source.display(), target.display());
        self.add(Step::BindFd, purpose, &[Field::Number(attributes.0), Field::Number(index), text(target)]);
    }

    /// A path of the scratch file system at a place inside.
    pub(crate) fn bind_scratch(&mut self, attributes: Attributes, source: &Path, target: &Path) {
        let purpose = format!("mount the scratch folder {} at /{}", source.display(), target.display());
        self.add(Step::BindScratch, purpose, &[Field::Number(attributes.0), text(source), text(target)]);
    }

    /// The root becomes an image under a writable layer.
    pub(crate) fn overlay(&mut self, attributes: Attributes, lower: &Path, upper: &Path, work: &Path) {
        let purpose = format!("mount the image {} under a scratch layer", lower.display());
        let fields = [Field::Number(attributes.0), text(lower), text(upper), text(work), Field::Text(b"")];
        self.add(Step::Overlay, purpose, &fields);
    }

    /// The sandbox's own `/proc`.
    pub(crate) fn proc(&mut self, target: &Path) {
        self.add(
            Step::Proc,
            "mount /proc (a container that hides parts of its own /proc forbids this to its users)",
            &[text(target)],
        );
    }

    /// The sandbox's own terminals.
    pub(crate) fn terminals(&mut self, target: &Path) {
        self.add(Step::Terminals, "mount the sandbox's own terminals at /dev/pts", &[text(target)]);
    }

    /// Further attributes for a mount; the empty path is the root.
    pub(crate) fn attributes(&mut self, attributes: Attributes, path: &Path) {
        let purpose = format!("restrict the mount at /{}", path.display());
        self.add(Step::Attributes, purpose, &[Field::Number(attributes.0), text(path)]);
    }

    /// A file or folder below `folder` becomes a mount of its own, if it exists.
    pub(crate) fn pin(&mut self, attributes: Attributes, folder: &Path, name: &Path) {
        let purpose = format!("protect {} in /{}", name.display(), folder.display());
        self.add(Step::Pin, purpose, &[Field::Number(attributes.0), text(folder), text(name)]);
    }

    /// The new root is entered, the host's is gone.
    pub(crate) fn enter(&mut self) {
        self.add(Step::Enter, "enter the sandbox's root", &[]);
    }

    /// The name of the machine, as the inside sees it.
    pub(crate) fn host_name(&mut self, name: &str) {
        self.add(Step::HostName, "set the sandbox's host name", &[Field::Text(name.as_bytes())]);
    }

    /// The loopback interface goes up.
    pub(crate) fn loopback(&mut self) {
        self.add(Step::Loopback, "bring the sandbox's loopback interface up", &[]);
    }

    /// The gateway's sockets are made, and addresses for names.
    pub(crate) fn network(&mut self, v4: (u32, u8), v6: u64) {
        let fields = [v4.0.into(), v4.1.into(), v6].map(Field::Number);
        self.add(Step::Network, "make the gateway's sockets in the sandbox's network", &fields);
    }

    /// A resource limit of every process (setrlimit(2)).
    pub(crate) fn limit(&mut self, resource: u32, soft: u64, hard: u64) {
        let purpose = format!("set resource limit {resource} to {soft}");
        let fields = [u64::from(resource), soft, hard].map(Field::Number);
        self.add(Step::Limit, purpose, &fields);
    }

    /// The user and group that everything inside runs as.
    pub(crate) fn identity(&mut self, uid: u32, gid: u32, clear_groups: bool) {
        let purpose = format!("become user {uid} and group {gid} of the sandbox");
        let fields = [u64::from(uid), gid.into(), clear_groups.into()].map(Field::Number);
        self.add(Step::Identity, purpose, &fields);
    }

    /// The Landlock domain that is to come, and the rights that it handles.
    pub(crate) fn landlock(&mut self, files: u64, network: u64, scopes: u64) {
        let fields = [files, network, scopes].map(Field::Number);
        self.add(Step::Landlock, "make a Landlock domain", &fields);
    }

    /// Rights that the domain leaves, at and below a path.
    pub(crate) fn landlock_path(&mut self, access: u64, path: &Path) {
        let purpose = format!("add {} to the Landlock domain", path.display());
        self.add(Step::LandlockPath, purpose, &[Field::Number(access), text(path)]);
    }

    /// The Landlock domain is entered.
    pub(crate) fn landlock_enter(&mut self) {
        self.add(Step::LandlockEnter, "enter the Landlock domain", &[]);
    }

    /// Capabilities are dropped.
    pub(crate) fn capabilities(&mut self) {
        self.add(Step::Capabilities, "drop capabilities", &[]);
    }

    /// No execution gives a privilege any more.
    pub(crate) fn no_new_privileges(&mut self) {
        self.add(Step::NoNewPrivileges, "forbid new privileges", &[]);
    }

    /// The filter of every call.
    pub(crate) fn call_filter(&mut self, filter: &[u8]) {
        self.add(Step::CallFilter, "take the filter of system calls", &[Field::Bytes(filter)]);
    }

    /// The proof is made.
    pub(crate) fn prove(&mut self, file: &Path, socket: &[u8]) {
        self.add(Step::Prove, "run the proof", &[text(file), Field::Text(socket)]);
    }

    /// The plan ends.
    pub(crate) fn done(&mut self) {
        self.add(Step::Done, "finish the plan", &[]);
    }
}

/// The control that a step establishes.
fn control(step: Step) -> &'static str {
    match step {
        Step::HostName => "uts namespace",
        Step::Loopback | Step::Network => "network namespace",
        Step::Limit => "limits",
        Step::Identity => "user namespace",
        Step::Landlock | Step::LandlockPath | Step::LandlockEnter => "landlock",
        Step::Capabilities => "capabilities",
        Step::NoNewPrivileges => "no_new_privs",
        Step::CallFilter => "seccomp",
        Step::JoinGroups => "cgroup",
        Step::Proc => "proc",
        _ => "root",
    }
}

fn text(path: &Path) -> Field<'_> {
    Field::Text(path.as_os_str().as_bytes())
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// A sealed memory file: nobody, not even we, can change it any more.
pub(crate) fn sealed_memory(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    rustix::fs::fcntl_add_seals(
        file.as_fd(),
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}

/// The record of a call: what the child of the init executes.
pub(crate) struct Record<'a> {
    pub(crate) terminal: bool,
    pub(crate) folder: &'a OsStr,
    /// Folders to search for a program without a slash.
    pub(crate) search: Vec<&'a OsStr>,
    pub(crate) arguments: &'a [std::ffi::OsString],
    /// `NAME=value` each.
    pub(crate) environment: Vec<std::ffi::OsString>,
}

impl Record<'_> {
    pub(crate) fn seal(&self) -> io::Result<OwnedFd> {
        let mut bytes = vec![u8::from(self.terminal)];
        put_string(&mut bytes, self.folder);
        let mut search = Vec::new();
        for folder in &self.search {
            put_length(&mut search, folder.len());
            search.extend(folder.as_bytes());
        }
        put_length(&mut bytes, search.len());
        bytes.extend(search);
        put_length(&mut bytes, self.arguments.len());
        put_length(&mut bytes, self.environment.len());
        for string in self.arguments.iter().chain(&self.environment) {
            put_string(&mut bytes, string);
        }
        sealed_memory("aurelian-call", &bytes)
    }
}

fn put_string(bytes: &mut Vec<u8>, string: &OsStr) {
    put_length(bytes, string.len() + 1);
    bytes.extend(string.as_bytes());
    bytes.push(0);
}
