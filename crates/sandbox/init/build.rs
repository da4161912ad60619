//! Builds the inside, step by step, as the plan says.
//!
//! The steps run in the sandbox's own namespaces and before any process of the agent exists, so nothing
//! races with them, except in the workspace, which others may write at the same time: there, paths are
//! resolved without following links (`RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`).

use crate::landlock::Ruleset;
use crate::network::{self, Addresses};
use crate::proof::{self, Results};
use crate::protocol::{Fields, Message, Report, Step, Steps};
use crate::sys::{self, AT_EMPTY_PATH, AT_FDCWD, CStr, Errno, Fd};

/// Which step failed, and how.
pub struct Failure {
    pub step: u32,
    pub errno: Errno,
}

/// What the steps made: all that the init needs while it serves.
pub struct Inside {
    /// The folder of the scratch layer, for the supervisor.
    pub scratch: Fd,
    /// The filter of every call.
    pub filter: &'static [u8],
    /// Whether there is a Landlock domain, and calls get one of their own in it.
    pub landlock: bool,
    results: Results,
}

impl Inside {
    /// The message that says that the boundary stands, and with which results.
    pub fn ready(&self) -> &[u8] {
        self.results.message()
    }
}

/// The plan is malformed, which only a mismatched supervisor could bring about.
const EPROTO: Errno = 71;
const ENOENT: Errno = 2;

const EMPTY: CStrLiteral = CStrLiteral(b"\0");

/// A constant path.
struct CStrLiteral(&'static [u8]);

impl CStrLiteral {
    fn get(&self) -> Result<CStr<'static>, Errno> {
        CStr::new(self.0).ok_or(EPROTO)
    }
}

/// Runs every step of `plan`; `groups` are the lists of control groups, `mounts` the descriptors of prepared mounts.
pub fn build(plan: &'static [u8], groups: &[Fd], mounts: &[Fd]) -> Result<Inside, Failure> {
    let mut site = Site { groups, mounts, scratch: 0, layer: 0, root: 0, image: 0, filter: &[], landlock: None, in_domain: false, results: Results::none(), done: false };
    let mut index = 0;
    for (step, fields) in Steps::new(plan) {
        site.run(step, fields).map_err(|errno| Failure { step: index, errno })?;
        index += 1;
    }
    if !site.done {
        return Err(Failure { step: index, errno: EPROTO });
    }
    Ok(Inside { scratch: site.layer, filter: site.filter, landlock: site.in_domain, results: site.results })
}

/// The state between steps.
struct Site<'a> {
    groups: &'a [Fd],
    mounts: &'a [Fd],
    /// The top of the scratch file system.
    scratch: Fd,
    /// The folder of the scratch layer in it, opened before Landlock forbids it.
    layer: Fd,
    /// The root of the inside.
    root: Fd,
    /// The image that is the root, or lies under it.
    image: Fd,
    filter: &'static [u8],
    landlock: Option<Ruleset>,
    in_domain: bool,
    results: Results,
    done: bool,
}

fn path(fields: &mut Fields<'static>) -> Result<CStr<'static>, Errno> {
    fields.bytes().and_then(CStr::new).ok_or(EPROTO)
}

fn number(fields: &mut Fields<'static>) -> Result<u64, Errno> {
    fields.number().ok_or(EPROTO)
}

impl Site<'_> {
    fn run(&mut self, step: Step, mut f: Fields<'static>) -> Result<(), Errno> {
        let f = &mut f;
        match step {
            Step::JoinGroups => self.join_groups(),
            Step::MountsPrivate => set_attributes(AT_FDCWD, CStr::new(b"/\0").ok_or(EPROTO)?, AT_RECURSIVE_FLAG, [0, 0, MS_PRIVATE, 0]),
            Step::Scratch => self.scratch(number(f)?, number(f)?),
            Step::Skeleton => self.skeleton(),
            Step::Template => self.template(number(f)?),
            Step::Keep => {
                make_unwritable(self.root)?;
                drop_capabilities()?;
                sys::prctl(PR_SET_NO_NEW_PRIVS, 1, 0)?;
                close_all_but(crate::SUPERVISOR, self.root)?;
                sys::prctl(PR_SET_DUMPABLE, 0, 0)?;
                crate::template::keep(self.root)
            }
            Step::Folder => self.folder(number(f)?, path(f)?),
            Step::File => self.file(number(f)?, path(f)?, f.bytes().ok_or(EPROTO)?),
            Step::Link => self.link(path(f)?, path(f)?),
            Step::BindPath => self.bind_path(number(f)?, (number(f)?, number(f)?), path(f)?, path(f)?),
            Step::BindFd => self.bind_fd(number(f)?, number(f)?, path(f)?),
            Step::BindScratch => self.bind_scratch(number(f)?, path(f)?, path(f)?),
            Step::Overlay => self.overlay(number(f)?, [path(f)?, path(f)?, path(f)?], path(f)?),
            Step::Proc => self.file_system(b"proc\0", &[], MOUNT_ATTR_SAFE, path(f)?),
            Step::Terminals => self.file_system(b"devpts\0", &TERMINAL_OPTIONS, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, path(f)?),
            Step::Attributes => self.attributes(number(f)?, path(f)?),
            Step::Pin => self.pin(number(f)?, path(f)?, path(f)?),
            Step::Enter => self.enter(),
            Step::HostName => host_name(path(f)?),
            Step::Loopback => network::loopback_up(),
            Step::Network => network::prepare(&Addresses { v4: number(f)? as u32, v4_length: number(f)? as u8, v6: number(f)? }),
            Step::Limit => limit(number(f)?, number(f)?, number(f)?),
            Step::Identity => identity(number(f)?, number(f)?, number(f)?),
            Step::Landlock => self.landlock_begin(number(f)?, number(f)?, number(f)?),
            Step::LandlockPath => self.landlock_path(number(f)?, path(f)?),
            Step::LandlockEnter => {
                self.in_domain = true;
                self.landlock.take().ok_or(EPROTO)?.enter()
            }
            Step::Capabilities => drop_capabilities(),
            Step::NoNewPrivileges => sys::prctl(PR_SET_NO_NEW_PRIVS, 1, 0).map(drop),
            Step::CallFilter => {
                self.filter = f.bytes().ok_or(EPROTO)?;
                Ok(())
            }
            Step::Prove => {
                let built = Message::<1>::new(Report::Built as u8);
                sys::write(crate::SUPERVISOR, built.as_bytes())?;
                let folders = proof::Folders { image: self.image, scratch: self.layer };
                self.results = proof::prove(self.filter, self.in_domain, folders, path(f)?, path(f)?)?;
                Ok(())
            }
            Step::Done => {
                self.done = true;
                crate::die_with_parent();
                close_all_but(crate::SUPERVISOR, self.layer)?;
                sys::prctl(PR_SET_DUMPABLE, 0, 0).map(drop)
            }
        }
    }

    /// Enters each group: 0 is the thread that writes (cgroups(7)).
    fn join_groups(&self) -> Result<(), Errno> {
        self.groups.iter().try_for_each(|group| sys::write(*group, b"0").map(drop))
    }

    /// A bounded tmpfs with two folders: `r`, the skeleton of the root, and `s`, the scratch layer; the root is put on a
    /// third. It is put on top of the host's root, where it is in nobody's way and vanishes with it.
    fn scratch(&mut self, size: u64, inodes: u64) -> Result<(), Errno> {
        let (mut sizes, mut counts) = ([0; 24], [0; 24]);
        let options: [(&[u8], &[u8]); 3] =
            [(b"size\0", decimal(size, &mut sizes)), (b"nr_inodes\0", decimal(inodes, &mut counts)), (b"mode\0", b"755\0")];
        self.scratch = make_file_system(b"tmpfs\0", &options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)?;
        move_mount(self.scratch, AT_FDCWD, CStr::new(b"/\0").ok_or(EPROTO)?)?;
        for name in [&b"r\0"[..], b"s\0", b"m\0"] {
            self.folder(0o755, CStr::new(name).ok_or(EPROTO)?)?;
        }
        self.layer = sys::openat(self.scratch, CStr::new(b"s\0").ok_or(EPROTO)?, sys::O_DIRECTORY, 0)?;
        Ok(())
    }

    fn skeleton(&mut self) -> Result<(), Errno> {
        self.put_root(clone_tree(self.scratch, CStr::new(b"r\0").ok_or(EPROTO)?, 0)?)
    }

    fn template(&mut self, index: u64) -> Result<(), Errno> {
        self.put_root(*self.mounts.get(index as usize).ok_or(EPROTO)?)
    }

    fn put_root(&mut self, root: Fd) -> Result<(), Errno> {
        (self.root, self.image) = (root, root);
        move_mount(root, self.scratch, CStr::new(b"m\0").ok_or(EPROTO)?)
    }

    fn folder(&self, mode: u64, path: CStr<'_>) -> Result<(), Errno> {
        sys::call(sys::NR_MKDIRAT, [self.scratch, path.pointer(), mode as usize, 0, 0, 0]).map(drop)
    }

    fn file(&self, mode: u64, path: CStr<'_>, content: &[u8]) -> Result<(), Errno> {
        let fd = sys::openat(self.scratch, path, sys::O_CREAT_EXCL_WRITE, mode as usize)?;
        let written = write_all(fd, content);
        sys::close(fd);
        written
    }

    fn link(&self, path: CStr<'_>, target: CStr<'_>) -> Result<(), Errno> {
        sys::call(sys::NR_SYMLINKAT, [target.pointer(), self.scratch, path.pointer(), 0, 0, 0]).map(drop)
    }

    fn bind_path(&self, attributes: u64, wanted: (u64, u64), source: CStr<'_>, target: CStr<'_>) -> Result<(), Errno> {
        let tree = clone_tree(AT_FDCWD, source, attributes)?;
        let found = sys::identity(tree)?;
        if (found.device, found.inode) != wanted {
            return Err(ESTALE);
        }
        self.attach(tree, attributes, target)
    }

    fn bind_fd(&self, attributes: u64, index: u64, target: CStr<'_>) -> Result<(), Errno> {
        let tree = *self.mounts.get(index as usize).ok_or(EPROTO)?;
        self.attach(tree, attributes, target)
    }

    fn bind_scratch(&self, attributes: u64, source: CStr<'_>, target: CStr<'_>) -> Result<(), Errno> {
        self.attach(clone_tree(self.scratch, source, attributes)?, attributes, target)
    }

    fn overlay(&mut self, attributes: u64, layers: [CStr<'static>; 3], target: CStr<'_>) -> Result<(), Errno> {
        let names: [&[u8]; 3] = [b"lowerdir\0", b"upperdir\0", b"workdir\0"];
        let context = open_file_system(b"overlay\0")?;
        set_flag(context, b"userxattr\0")?;
        // So that the device number of a file tells whether it was written inside.
        set_string(context, b"xino\0", CStr::new(b"off\0").ok_or(EPROTO)?)?;
        self.image = sys::openat(self.scratch, layers[0], sys::O_PATH | sys::O_DIRECTORY, 0)?;
        for (name, layer) in names.into_iter().zip(layers) {
            // The upper layer lies in the scratch file system, which no path leads to.
            let mut buffer = [0; 64];
            let value = if layer.bytes().first() == Some(&b'/') { layer } else { self.scratch_path(layer, &mut buffer)? };
            set_string(context, name, value)?;
        }
        let mount = finish_file_system(context, attributes & MOUNT_ATTR_ALL)?;
        self.attach(mount, attributes, target)?;
        if target.bytes().is_empty() {
            self.root = mount;
        }
        Ok(())
    }

    fn scratch_path<'b>(&self, inside: CStr<'_>, buffer: &'b mut [u8; 64]) -> Result<CStr<'b>, Errno> {
        let mut digits = [0; 24];
        let fd = decimal(self.scratch as u64, &mut digits);
        let parts: [&[u8]; 4] = [b"/proc/self/fd/", fd.split_last().map_or(&[], |(_, d)| d), b"/", inside.bytes()];
        let mut length = 0;
        for part in parts {
            buffer.get_mut(length..length + part.len()).ok_or(EPROTO)?.copy_from_slice(part);
            length += part.len();
        }
        CStr::new(buffer.get(..=length).ok_or(EPROTO)?).ok_or(EPROTO)
    }

    fn file_system(&self, kind: &[u8], options: &[(&[u8], &[u8])], attributes: u64, target: CStr<'_>) -> Result<(), Errno> {
        let mount = make_file_system(kind, options, attributes)?;
        let moved = move_mount(mount, self.root, target);
        sys::close(mount);
        moved
    }

    fn attributes(&self, attributes: u64, target: CStr<'_>) -> Result<(), Errno> {
        let fd = if target.bytes().is_empty() { self.root } else { sys::openat(self.root, target, sys::O_PATH, 0)? };
        set_attributes(fd, EMPTY.get()?, AT_EMPTY_PATH | recursive(attributes), [attributes & MOUNT_ATTR_ALL, 0, 0, 0])
    }

    /// Makes `name` in `folder` a mount of its own: a mount point can't be renamed, replaced or removed.
    fn pin(&self, attributes: u64, folder: CStr<'_>, name: CStr<'_>) -> Result<(), Errno> {
        let folder = sys::openat(self.root, folder, sys::O_PATH | sys::O_DIRECTORY, 0)?;
        let found = sys::openat2(folder, name, sys::O_PATH | sys::O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        sys::close(folder);
        let place = match found {
            Ok(place) => place,
            Err(ENOENT | ENOTDIR) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let tree = clone_tree(place, EMPTY.get()?, attributes)?;
        self.attach_at(tree, attributes, place, EMPTY.get()?)
    }

    fn attach(&self, tree: Fd, attributes: u64, target: CStr<'_>) -> Result<(), Errno> {
        let folder = if attributes & ON_SCRATCH != 0 { self.scratch } else { self.root };
        match self.attach_at(tree, attributes, folder, target) {
            Err(ENOENT) if attributes & OPTIONAL != 0 => Ok(()),
            other => other,
        }
    }

    fn attach_at(&self, tree: Fd, attributes: u64, folder: Fd, target: CStr<'_>) -> Result<(), Errno> {
        let wanted = attributes & MOUNT_ATTR_ALL;
        if wanted != 0 {
            set_attributes(tree, EMPTY.get()?, AT_EMPTY_PATH | recursive(attributes), [wanted, 0, 0, 0])?;
        }
        // Descriptors are closed all at once, when the plan is done.
        move_mount(tree, folder, target)
    }

    /// Changes the root, and takes away everything that the old one leaves on top of the new: the scratch file
    /// system, which lies on the host's root, and the host's root itself. What is left there could be reached as
    /// `/..`, so that this is looked at, not counted.
    fn enter(&mut self) -> Result<(), Errno> {
        const LAYERS_MAX: u32 = 8;
        sys::call(sys::NR_FCHDIR, [self.root, 0, 0, 0, 0, 0])?;
        let here = CStr::new(b".\0").ok_or(EPROTO)?.pointer();
        sys::call(sys::NR_PIVOT_ROOT, [here, here, 0, 0, 0, 0])?;
        for _ in 0..LAYERS_MAX {
            if self.root_is_bare()? {
                return Ok(());
            }
            sys::call(sys::NR_UMOUNT2, [here, MNT_DETACH, 0, 0, 0, 0])?;
        }
        Err(EBUSY)
    }

    /// Whether nothing lies on top of the root.
    fn root_is_bare(&self) -> Result<bool, Errno> {
        let top = sys::openat(AT_FDCWD, CStr::new(b"/..\0").ok_or(EPROTO)?, sys::O_PATH, 0)?;
        let (top_identity, root) = (sys::identity(top), sys::identity(self.root)?);
        sys::close(top);
        let top = top_identity?;
        Ok((top.device, top.inode) == (root.device, root.inode))
    }

    fn landlock_begin(&mut self, files: u64, network: u64, scopes: u64) -> Result<(), Errno> {
        self.landlock = Some(Ruleset::new(files, network, scopes)?);
        Ok(())
    }

    fn landlock_path(&mut self, access: u64, path: CStr<'_>) -> Result<(), Errno> {
        self.landlock.as_ref().ok_or(EPROTO)?.allow(access, path)
    }
}

const MOUNT_ATTR_NOSUID: u64 = 2;
const MOUNT_ATTR_NODEV: u64 = 4;
const MOUNT_ATTR_NOEXEC: u64 = 8;
const MOUNT_ATTR_SAFE: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
/// The attributes that the kernel knows; above them are ours.
const MOUNT_ATTR_ALL: u64 = 0xffff_ffff;
/// Ours: the mounts below the path come too.
const RECURSIVE: u64 = 1 << 32;
/// Ours: a target that doesn't exist is no error.
const OPTIONAL: u64 = 1 << 33;
/// Ours: the descriptor is needed later.
const KEEP_OPEN: u64 = 1 << 34;
/// Ours: the target is a path of the scratch file system.
const ON_SCRATCH: u64 = 1 << 35;
const AT_RECURSIVE_FLAG: usize = sys::AT_RECURSIVE;
const MS_PRIVATE: u64 = 1 << 18;
const MNT_DETACH: usize = 2;
const RESOLVE_NO_SYMLINKS: u64 = 4;
const RESOLVE_BENEATH: u64 = 8;
const EBUSY: Errno = 16;
const ENOTDIR: Errno = 20;
const ESTALE: Errno = 116;
const PR_SET_DUMPABLE: usize = 4;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const TERMINAL_OPTIONS: [(&[u8], &[u8]); 2] = [(b"ptmxmode\0", b"666\0"), (b"mode\0", b"620\0")];

/// Closes every descriptor but these two.
fn close_all_but(a: Fd, b: Fd) -> Result<(), Errno> {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    close_range(0, low.checked_sub(1))?;
    close_range(low + 1, high.checked_sub(1))?;
    close_range(high + 1, Some(u32::MAX as usize))
}

fn close_range(first: Fd, last: Option<Fd>) -> Result<(), Errno> {
    match last {
        Some(last) if first <= last => sys::call(sys::NR_CLOSE_RANGE, [first, last, 0, 0, 0, 0]).map(drop),
        _ => Ok(()),
    }
}

fn recursive(attributes: u64) -> usize {
    if attributes & RECURSIVE != 0 { sys::AT_RECURSIVE } else { 0 }
}

/// Makes the whole file system read-only, for whoever holds a mount of it: only who made it could take that back.
fn make_unwritable(mount: Fd) -> Result<(), Errno> {
    const FSPICK_CLOEXEC_EMPTY_PATH: usize = 1 | 8;
    const FSCONFIG_CMD_RECONFIGURE: usize = 7;
    let context = sys::call(sys::NR_FSPICK, [mount, EMPTY.get()?.pointer(), FSPICK_CLOEXEC_EMPTY_PATH, 0, 0, 0])?;
    set_flag(context, b"ro\0")?;
    sys::call(sys::NR_FSCONFIG, [context, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0, 0])?;
    sys::close(context);
    Ok(())
}

/// A detached copy of a mount and of all that is mounted below it.
pub fn copy_tree(mount: Fd) -> Result<Fd, Errno> {
    clone_tree(mount, EMPTY.get()?, RECURSIVE)
}

fn clone_tree(dir: Fd, source: CStr<'_>, attributes: u64) -> Result<Fd, Errno> {
    const OPEN_TREE_CLONE: usize = 1;
    let empty = if source.bytes().is_empty() { AT_EMPTY_PATH } else { 0 };
    let flags = OPEN_TREE_CLONE | sys::O_CLOEXEC | sys::AT_SYMLINK_NOFOLLOW | empty | recursive(attributes);
    sys::call(sys::NR_OPEN_TREE, [dir, source.pointer(), flags, 0, 0, 0])
}

fn set_attributes(fd: Fd, path: CStr<'_>, flags: usize, set_clear_propagation_namespace: [u64; 4]) -> Result<(), Errno> {
    let attributes = set_clear_propagation_namespace;
    sys::call(sys::NR_MOUNT_SETATTR, [fd, path.pointer(), flags, attributes.as_ptr() as usize, 32, 0]).map(drop)
}

fn move_mount(tree: Fd, folder: Fd, target: CStr<'_>) -> Result<(), Errno> {
    const F_EMPTY_PATH: usize = 4;
    const T_EMPTY_PATH: usize = 0x40;
    let empty = EMPTY.get()?;
    let flags = F_EMPTY_PATH | if target.bytes().is_empty() { T_EMPTY_PATH } else { 0 };
    sys::call(sys::NR_MOVE_MOUNT, [tree, empty.pointer(), folder, target.pointer(), flags, 0]).map(drop)
}

fn open_file_system(kind: &[u8]) -> Result<Fd, Errno> {
    const FSOPEN_CLOEXEC: usize = 1;
    let kind = CStr::new(kind).ok_or(EPROTO)?;
    sys::call(sys::NR_FSOPEN, [kind.pointer(), FSOPEN_CLOEXEC, 0, 0, 0, 0])
}

fn set_flag(context: Fd, name: &[u8]) -> Result<(), Errno> {
    const FSCONFIG_SET_FLAG: usize = 0;
    let name = CStr::new(name).ok_or(EPROTO)?;
    sys::call(sys::NR_FSCONFIG, [context, FSCONFIG_SET_FLAG, name.pointer(), 0, 0, 0]).map(drop)
}

fn set_string(context: Fd, name: &[u8], value: CStr<'_>) -> Result<(), Errno> {
    const FSCONFIG_SET_STRING: usize = 1;
    let name = CStr::new(name).ok_or(EPROTO)?;
    sys::call(sys::NR_FSCONFIG, [context, FSCONFIG_SET_STRING, name.pointer(), value.pointer(), 0, 0]).map(drop)
}

fn finish_file_system(context: Fd, attributes: u64) -> Result<Fd, Errno> {
    const FSCONFIG_CMD_CREATE: usize = 6;
    const FSMOUNT_CLOEXEC: usize = 1;
    sys::call(sys::NR_FSCONFIG, [context, FSCONFIG_CMD_CREATE, 0, 0, 0, 0])?;
    let mount = sys::call(sys::NR_FSMOUNT, [context, FSMOUNT_CLOEXEC, attributes as usize, 0, 0, 0])?;
    sys::close(context);
    Ok(mount)
}

fn make_file_system(kind: &[u8], options: &[(&[u8], &[u8])], attributes: u64) -> Result<Fd, Errno> {
    let context = open_file_system(kind)?;
    for (name, value) in options {
        set_string(context, name, CStr::new(value).ok_or(EPROTO)?)?;
    }
    finish_file_system(context, attributes)
}

fn write_all(fd: Fd, mut content: &[u8]) -> Result<(), Errno> {
    while !content.is_empty() {
        let written = sys::write(fd, content)?;
        content = content.get(written..).ok_or(EPROTO)?;
    }
    Ok(())
}

/// `number` in decimal, with a NUL behind it.
fn decimal(mut number: u64, buffer: &mut [u8; 24]) -> &[u8] {
    let mut start = buffer.len() - 1;
    buffer[start] = 0;
    loop {
        start -= 1;
        buffer[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 || start == 0 {
            return &buffer[start..];
        }
    }
}

fn host_name(name: CStr<'_>) -> Result<(), Errno> {
    sys::call(sys::NR_SETHOSTNAME, [name.pointer(), name.bytes().len(), 0, 0, 0, 0]).map(drop)
}

fn limit(resource: u64, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = [soft, hard];
    sys::call(sys::NR_PRLIMIT64, [0, resource as usize, limit.as_ptr() as usize, 0, 0, 0]).map(drop)
}

fn identity(uid: u64, gid: u64, clear_groups: u64) -> Result<(), Errno> {
    let (uid, gid) = (uid as usize, gid as usize);
    if clear_groups != 0 {
        sys::call(sys::NR_SETGROUPS, [0, 0, 0, 0, 0, 0])?;
    }
    sys::call(sys::NR_SETRESGID, [gid, gid, gid, 0, 0, 0])?;
    sys::call(sys::NR_SETRESUID, [uid, uid, uid, 0, 0, 0])?;
    // A change of identity clears the signal that the parent's death sends (prctl(2)).
    crate::die_with_parent();
    Ok(())
}

/// The one capability that the init keeps, in the sandbox's own user namespace, to mark each call with a UTS
/// namespace; the calls themselves have none.
const CAP_SYS_ADMIN: u32 = 21;

fn drop_capabilities() -> Result<(), Errno> {
    const PR_CAPBSET_DROP: usize = 24;
    const PR_CAP_AMBIENT: usize = 47;
    const PR_CAP_AMBIENT_CLEAR_ALL: usize = 4;
    const EINVAL: Errno = 22;
    for capability in 0..64 {
        match sys::prctl(PR_CAPBSET_DROP, capability, 0) {
            Ok(_) => {}
            Err(EINVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    set_capabilities(1 << CAP_SYS_ADMIN)
}

/// Effective and permitted become `low` (capabilities 0–31); the inheritable ones and those above are none.
pub fn set_capabilities(low: u32) -> Result<(), Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let data = [low, low, 0, 0, 0, 0];
    sys::call(sys::NR_CAPSET, [header.as_ptr() as usize, data.as_ptr() as usize, 0, 0, 0, 0]).map(drop)
}
