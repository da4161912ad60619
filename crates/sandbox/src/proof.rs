//! What the attempts of the proof had to answer, and whether they did.

use crate::inspection::Inspection;
use crate::protocol::{Attempt, Fields, NOT_APPLICABLE, OPEN};
use event::fact::{Probe, ProbeResult};
use rustix::io::Errno;

/// The answers that show that the boundary holds. Anything else, even another refusal, means that the
/// control that should have answered did not.
fn expected(attempt: Attempt) -> &'static [Errno] {
    use Attempt::*;
    const CRASHED: Errno = Errno::from_raw_os_error(1000);
    match attempt {
        ConnectOut | DatagramOut => &[Errno::NETUNREACH],
        PacketSocket | VsockSocket | AlgSocket => &[Errno::AFNOSUPPORT],
        RawSocket | AuditSocket => &[Errno::PERM],
        MultipathTcp => &[Errno::PROTONOSUPPORT],
        HostAbstractSocket => &[Errno::CONNREFUSED],
        Clone3User | IoUring | X32 => &[Errno::NOSYS],
        I386 => &[Errno::NOSYS, CRASHED],
        InitMemory | InitRoot | HostFile | HostFileAboveRoot => &[Errno::ACCESS, Errno::PERM, Errno::NOENT],
        SetUser => &[Errno::PERM, Errno::INVAL],
        // A read-only mount answers before anything else is asked.
        WriteImage => &[Errno::ROFS],
        KernelSetting | InitSetting => &[Errno::ROFS, Errno::ACCESS],
        LandlockWrite => &[Errno::ACCESS],
        UnshareUser | CloneUser | JoinNamespace | Mount | OpenTree | PivotRoot | TraceInit | FileHandle
        | Capabilities | Bpf | Keyring | PerfEvent | UserFault | Module | TypeIntoTerminal
        | NewPrivileges => &[Errno::PERM],
    }
}

/// The control that an attempt tests.
fn control(attempt: Attempt) -> &'static str {
    use Attempt::*;
    match attempt {
        ConnectOut | DatagramOut | HostAbstractSocket => "network namespace",
        HostFile | HostFileAboveRoot => "root",
        KernelSetting | InitSetting => "proc",
        WriteImage => "read-only-root",
        InitMemory | InitRoot | TraceInit => "init",
        Capabilities => "capabilities",
        NewPrivileges => "no_new_privs",
        SetUser => "user namespace",
        LandlockWrite => "landlock",
        _ => "seccomp",
    }
}

/// The name of an attempt in events.
fn name(attempt: Attempt) -> &'static str {
    use Attempt::*;
    match attempt {
        ConnectOut => "connect_out",
        DatagramOut => "datagram_out",
        PacketSocket => "packet_socket",
        RawSocket => "raw_socket",
        MultipathTcp => "multipath_tcp",
        VsockSocket => "vsock_socket",
        AlgSocket => "alg_socket",
        AuditSocket => "audit_socket",
        HostAbstractSocket => "host_abstract_socket",
        UnshareUser => "unshare_user_namespace",
        CloneUser => "clone_user_namespace",
        Clone3User => "clone3_user_namespace",
        JoinNamespace => "join_namespace",
        Mount => "mount",
        OpenTree => "open_tree",
        PivotRoot => "pivot_root",
        IoUring => "io_uring",
        X32 => "x32_syscall",
        I386 => "i386_syscall",
        TraceInit => "trace_init",
        InitMemory => "init_memory",
        HostFile => "host_file",
        HostFileAboveRoot => "host_file_above_root",
        InitRoot => "init_root",
        FileHandle => "file_handle",
        SetUser => "set_user",
        Capabilities => "capabilities",
        Bpf => "bpf",
        Keyring => "keyring",
        PerfEvent => "perf_event",
        UserFault => "userfaultfd",
        Module => "kernel_module",
        TypeIntoTerminal => "type_into_terminal",
        KernelSetting => "kernel_setting",
        InitSetting => "init_setting",
        WriteImage => "write_image",
        NewPrivileges => "new_privileges",
        LandlockWrite => "landlock_write",
    }
}

/// The results of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Each attempt, in the order in which they were made.
    pub probes: Vec<Probe>,
    /// The time that it took, in microseconds.
    pub duration_us: u64,
}

impl Proof {
    /// Reads the init's report. `skipped` are attempts that this kernel or policy makes meaningless, and why.
    /// `None` if the report is not one, or lacks an attempt.
    pub(crate) fn read(mut report: Fields<'_>, skipped: &[(Attempt, &'static str)]) -> Option<Self> {
        let duration_us = report.number()?;
        let mut probes = Vec::new();
        for wanted in Attempt::ALL {
            if Attempt::from_code(report.byte()?)? != *wanted {
                return None;
            }
            let answer = report.signed()?;
            let reason = skipped.iter().find(|(attempt, _)| attempt == wanted).map(|(_, reason)| *reason);
            probes.push(judge(*wanted, answer, reason));
        }
        Some(Self { probes, duration_us })
    }

    /// Adds what was checked from outside.
    pub(crate) fn add(&mut self, inspection: Inspection) {
        self.probes.extend(inspection.into_checks().into_iter().map(|check| Probe {
            name: check.name.into(),
            control: check.control.into(),
            result: if check.holds { ProbeResult::Held } else { ProbeResult::Open },
            detail: check.detail.map(Into::into),
        }));
    }

    /// The first probe that found a hole.
    pub fn hole(&self) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.result == ProbeResult::Open)
    }
}

fn judge(attempt: Attempt, answer: i32, skipped: Option<&'static str>) -> Probe {
    let held = answer > OPEN && expected(attempt).contains(&Errno::from_raw_os_error(answer));
    let (result, detail) = match (skipped, answer) {
        (Some(reason), _) => (ProbeResult::Skipped, reason.to_owned()),
        (None, NOT_APPLICABLE) => (ProbeResult::Open, "the attempt was not made".to_owned()),
        (None, OPEN) => (ProbeResult::Open, "it succeeded".to_owned()),
        (None, answer) if held => (ProbeResult::Held, crate::errno::name(answer)),
        (None, answer) => (ProbeResult::Open, format!("answered {} instead", crate::errno::name(answer))),
    };
    Probe {
        name: name(attempt).into(),
        control: control(attempt).into(),
        result,
        detail: Some(detail.into()),
    }
}
