//! Attempts that are refused whatever their circumstances: recorded with the arguments that tell what was wanted.

use super::{Decision, Tracee};
use crate::seccomp::compile::X32;
use crate::seccomp::names;
use event::Text;
use event::fact::{Arch, Family, NetRefused, SocketType, SyscallRefused};
use rustix::io::Errno;
use std::collections::BTreeMap;

/// A system call of another architecture.
pub(super) fn foreign(tracee: &Tracee<'_>) -> Decision {
    const I386: u32 = 0x4000_0003;
    let notification = tracee.notification();
    let number = notification.number.cast_unsigned();
    let arch = match notification.architecture {
        I386 => Arch::I386,
        _ if number & X32 != 0 => Arch::X32,
        other => Arch::Other(format!("{other:#x}").into()),
    };
    let number = number & !X32;
    let fact = SyscallRefused {
        syscall: number.to_string().into(),
        number,
        arch,
        args: BTreeMap::new(),
        errno: "ENOSYS".into(),
    };
    Decision::refuse(Errno::NOSYS, fact)
}

/// A socket of a family, type or protocol that nobody gets.
pub(super) fn socket(tracee: &Tracee<'_>) -> Decision {
    let [family, kind, protocol] = [0, 1, 2].map(|index| tracee.argument(index) as u32);
    let errno = match (family.cast_signed(), kind.cast_signed() & 0xf, protocol.cast_signed()) {
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_RAW, _) | (libc::AF_NETLINK, _, _) => Errno::PERM,
        (libc::AF_INET | libc::AF_INET6, ..) => Errno::PROTONOSUPPORT,
        (libc::AF_UNIX, ..) => Errno::PROTONOSUPPORT,
        _ => Errno::AFNOSUPPORT,
    };
    let fact = NetRefused {
        syscall: name(tracee).into(),
        family: Family::from_raw(family.cast_signed()),
        socket_type: SocketType::from_raw(kind.cast_signed()),
        protocol: Some(protocol),
        destination: None,
        errno: crate::errno::name(errno.raw_os_error()).into(),
    };
    Decision::refuse(errno, fact)
}

/// Any other attempt.
pub(super) fn syscall(tracee: &Tracee<'_>) -> Decision {
    let number = libc::c_long::from(tracee.notification().number);
    let errno = match number {
        libc::SYS_io_uring_setup | libc::SYS_io_uring_enter | libc::SYS_io_uring_register => Errno::NOSYS,
        _ => Errno::PERM,
    };
    let fact = SyscallRefused {
        syscall: name(tracee).into(),
        number: tracee.notification().number.cast_unsigned(),
        arch: Arch::X86_64,
        args: arguments(tracee, number),
        errno: crate::errno::name(errno.raw_os_error()).into(),
    };
    Decision::refuse(errno, fact)
}

fn name(tracee: &Tracee<'_>) -> String {
    let number = tracee.notification().number;
    names::name(number.into()).map_or_else(|| number.to_string(), str::to_owned)
}

fn arguments(tracee: &Tracee<'_>, number: libc::c_long) -> BTreeMap<event::Name, Text> {
    let mut arguments = BTreeMap::new();
    let mut add = |name: &'static str, value: Option<Text>| {
        if let Some(value) = value {
            arguments.insert(name.into(), value);
        }
    };
    let path = |index: usize| tracee.copy_path(tracee.argument(index)).ok().map(Text::from);
    let hex = |index: usize| Some(Text::from(format!("{:#x}", tracee.argument(index))));
    let octal = |index: usize| Some(Text::from(format!("{:#o}", tracee.argument(index) as u32)));
    let decimal = |index: usize| Some(Text::from((tracee.argument(index) as i32).to_string()));
    match number {
        libc::SYS_mount => {
            add("source", path(0));
            add("target", path(1));
            add("type", path(2));
            add("flags", hex(3));
        }
        libc::SYS_umount2 | libc::SYS_chroot | libc::SYS_swapon | libc::SYS_swapoff | libc::SYS_acct => {
            add("path", path(0))
        }
        libc::SYS_pivot_root => {
            add("new_root", path(0));
            add("put_old", path(1));
        }
        libc::SYS_open_tree | libc::SYS_mount_setattr | libc::SYS_fspick => add("path", path(1)),
        libc::SYS_move_mount => {
            add("from", path(1));
            add("to", path(3));
        }
        libc::SYS_fsopen => add("type", path(0)),
        libc::SYS_unshare | libc::SYS_clone => add("flags", Some(namespaces(tracee.argument(0)))),
        libc::SYS_setns => {
            add("fd", decimal(0));
            add("type", Some(namespaces(tracee.argument(1))));
        }
        libc::SYS_ptrace => {
            add("request", hex(0));
            add("pid", decimal(1));
        }
        libc::SYS_prlimit64 => {
            add("pid", decimal(0));
            add("resource", decimal(1));
        }
        libc::SYS_process_vm_readv | libc::SYS_process_vm_writev => add("pid", decimal(0)),
        libc::SYS_bpf | libc::SYS_keyctl => add("command", decimal(0)),
        libc::SYS_add_key | libc::SYS_request_key => add("type", path(0)),
        libc::SYS_ioctl => {
            add("fd", decimal(0));
            add("request", hex(1));
        }
        libc::SYS_fcntl => {
            add("fd", decimal(0));
            add("command", decimal(1));
        }
        libc::SYS_prctl => add("option", decimal(0)),
        libc::SYS_personality => add("persona", hex(0)),
        libc::SYS_mknod | libc::SYS_chmod | libc::SYS_creat => {
            add("path", path(0));
            add("mode", octal(1));
        }
        libc::SYS_mknodat | libc::SYS_fchmodat | libc::SYS_fchmodat2 => {
            add("path", path(1));
            add("mode", octal(2));
        }
        libc::SYS_fchmod => {
            add("fd", decimal(0));
            add("mode", octal(1));
        }
        libc::SYS_open => {
            add("path", path(0));
            add("mode", octal(2));
        }
        libc::SYS_openat => {
            add("path", path(1));
            add("mode", octal(3));
        }
        _ => {}
    }
    arguments
}

/// The namespace flags of a system call, by name.
fn namespaces(flags: u64) -> Text {
    const NAMES: [(i32, &str); 7] = [
        (libc::CLONE_NEWUSER, "CLONE_NEWUSER"),
        (libc::CLONE_NEWNS, "CLONE_NEWNS"),
        (libc::CLONE_NEWPID, "CLONE_NEWPID"),
        (libc::CLONE_NEWNET, "CLONE_NEWNET"),
        (libc::CLONE_NEWIPC, "CLONE_NEWIPC"),
        (libc::CLONE_NEWUTS, "CLONE_NEWUTS"),
        (libc::CLONE_NEWCGROUP, "CLONE_NEWCGROUP"),
    ];
    let mut rest = flags as u32;
    let mut names = Vec::new();
    for (flag, name) in NAMES {
        if rest & flag.cast_unsigned() != 0 {
            names.push(name.to_owned());
            rest &= !flag.cast_unsigned();
        }
    }
    if rest != 0 || names.is_empty() {
        names.push(format!("{rest:#x}"));
    }
    Text::from(names.join("|"))
}
