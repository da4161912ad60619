//! Which refused system calls a policy may loosen.
//!
//! The boundary's list of allowed calls belongs to the sandbox. A policy can only add to it what acts inside the
//! sandbox alone, and that is little: debugging. Everything else that people ask for is refused here with the
//! reason, so that nobody learns it from a failing run.

use std::collections::BTreeSet;

use crate::problem::{Problem, ProblemKind, Problems, quoted, similar};
use crate::section;
use crate::yaml::Node;

pub(crate) const KEYS: [&str; 1] = ["allow"];

/// Calls that stay refused, each with what it would open.
const REFUSED: &[(&str, &str)] = &[
    ("acct", "it makes the host kernel write files"),
    ("add_key", "kernel keyrings are shared with the host"),
    ("bpf", "it loads programs into the host kernel"),
    ("chroot", "the root of the sandbox must not change"),
    ("clock_adjtime", "it sets the clock of the host"),
    ("clock_settime", "it sets the clock of the host"),
    ("delete_module", "it changes the host kernel"),
    ("fanotify_init", "it watches whole file systems, those of the host among them"),
    ("finit_module", "it changes the host kernel"),
    ("fsconfig", "mounts are the walls of the sandbox"),
    ("fsmount", "mounts are the walls of the sandbox"),
    ("fsopen", "mounts are the walls of the sandbox"),
    ("fspick", "mounts are the walls of the sandbox"),
    ("init_module", "it changes the host kernel"),
    ("io_uring_enter", "its requests pass by seccomp, so that nothing sees or stops them"),
    ("io_uring_register", "its requests pass by seccomp, so that nothing sees or stops them"),
    ("io_uring_setup", "its requests pass by seccomp, so that nothing sees or stops them"),
    ("ioperm", "it reaches the hardware of the host"),
    ("iopl", "it reaches the hardware of the host"),
    ("kexec_file_load", "it replaces the host kernel"),
    ("kexec_load", "it replaces the host kernel"),
    ("keyctl", "kernel keyrings are shared with the host"),
    ("lookup_dcookie", "it tells paths of the host"),
    ("mount", "mounts are the walls of the sandbox"),
    ("mount_setattr", "mounts are the walls of the sandbox"),
    ("move_mount", "mounts are the walls of the sandbox"),
    ("name_to_handle_at", "file handles lead around mounts"),
    ("open_by_handle_at", "file handles lead around mounts"),
    ("open_tree", "mounts are the walls of the sandbox"),
    ("perf_event_open", "it measures the host and is a long-standing way into the kernel"),
    ("pivot_root", "the root of the sandbox must not change"),
    ("quotactl", "it administers file systems of the host"),
    ("reboot", "it stops the host"),
    ("request_key", "kernel keyrings are shared with the host"),
    ("setdomainname", "the name of the machine belongs to the sandbox"),
    ("sethostname", "the name of the machine belongs to the sandbox"),
    ("setns", "it enters other namespaces"),
    ("settimeofday", "it sets the clock of the host"),
    ("swapoff", "it administers the memory of the host"),
    ("swapon", "it administers the memory of the host"),
    ("syslog", "it reads the log of the host kernel"),
    ("umount2", "mounts are the walls of the sandbox"),
    ("unshare", "a nested user namespace gives capabilities that the sandbox took away"),
    ("userfaultfd", "it holds the kernel still in the middle of a copy, which exploits rely on"),
    ("vhangup", "it acts on terminals of the host"),
];

/// A group of system calls, refused by default, that is safe to allow because it acts inside the sandbox only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Loosening {
    /// Debuggers and tracers: gdb, strace. Reaches the sandbox's own processes only; the sandbox's init is not
    /// dumpable, and a process outside has no pid inside.
    Ptrace,
    /// Programs that fix their address layout: `setarch -R`, gdb. `ADDR_NO_RANDOMIZE` on Linux's own
    /// personality only; any other personality stays refused.
    Personality,
}

impl Loosening {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Ptrace, Self::Personality];

    /// The name a policy uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ptrace => "ptrace",
            Self::Personality => "personality",
        }
    }

    /// The system calls it opens.
    pub const fn syscalls(self) -> &'static [&'static str] {
        match self {
            Self::Ptrace => &["ptrace", "process_vm_readv", "process_vm_writev", "kcmp"],
            Self::Personality => &["personality"],
        }
    }
}

/// Which refused system calls are allowed after all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Syscalls {
    allow: BTreeSet<Loosening>,
}

impl Syscalls {
    /// What is loosened.
    pub fn allowed(&self) -> impl Iterator<Item = Loosening> + '_ {
        self.allow.iter().copied()
    }

    /// Whether this is loosened.
    pub fn allows(&self, loosening: Loosening) -> bool {
        self.allow.contains(&loosening)
    }

    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Self {
        let mut syscalls = Self::default();
        for (key, value) in section::entries(node, "syscalls", problems) {
            match key.text.as_str() {
                "allow" => syscalls.read_allow(value, problems),
                _ => problems.add(section::unknown_key(key, "`syscalls`", &KEYS)),
            }
        }
        syscalls
    }

    fn read_allow(&mut self, node: &Node, problems: &mut Problems) {
        for (name, item) in section::texts(node, "syscalls.allow", problems) {
            match loosening(name, item) {
                Ok(loosening) if self.allow.insert(loosening) => {}
                Ok(_) => problems.add(
                    Problem::new(
                        ProblemKind::Duplicate,
                        &item.span,
                        format!("{} is listed twice", quoted(name)),
                    )
                    .with_help("keep one of them"),
                ),
                Err(problem) => problems.add(*problem),
            }
        }
    }
}

fn loosening(name: &str, item: &Node) -> Result<Loosening, Box<Problem>> {
    if let Some(loosening) = Loosening::ALL.into_iter().find(|loosening| loosening.name() == name) {
        return Ok(loosening);
    }
    if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        let message = format!("`{name}` can't be allowed: {reason}");
        let problem = Problem::new(ProblemKind::BreaksBoundary, &item.span, message);
        return Err(Box::new(problem.label("this would break the boundary").with_help(can_be_allowed())));
    }
    if let Some(group) = Loosening::ALL.into_iter().find(|group| group.syscalls().contains(&name)) {
        let message = format!("`{name}` is not allowed on its own");
        let problem = Problem::new(ProblemKind::WrongValue, &item.span, message);
        return Err(Box::new(problem.with_help(format!("it comes with `{0}`: write `{0}`", group.name()))));
    }
    let message = format!("{} is not a system call that a policy can allow", quoted(name));
    let problem = Problem::new(ProblemKind::WrongValue, &item.span, message).with_help(can_be_allowed());
    let names = Loosening::ALL.iter().flat_map(|group| group.syscalls()).copied();
    let names = names.chain(REFUSED.iter().map(|(name, _)| *name));
    Err(Box::new(match similar(name, names) {
        Some(meant) => problem.label(format!("did you mean `{meant}`?")),
        None => problem,
    }))
}

fn can_be_allowed() -> String {
    let names = Loosening::ALL.map(Loosening::name).join(", ");
    format!("can be allowed: {names}; ordinary calls need no entry")
}
