//! The boundary is tried: refused system calls by family.
//!
//! One family is what programs try that need it and do without: low. From three families in one call on it is a campaign.
//! All of it was refused, or there would be no event.

use std::collections::BTreeSet;

use event::fact::{EscapeSeen, Fact, Family, NetRefused, SyscallRefused, Votes};
use event::{CallId, Event};

use super::{Analyzer, caller, program};
use crate::bounded::Bounded;
use crate::catalogue::{self, Entry};
use crate::finding::Suspicion;

const CALLS: usize = 4096;
/// From so many families on it is a campaign.
const CAMPAIGN: usize = 3;
/// From so many attempts of one family on it is one too: nobody needs that many.
const PERSISTENT: u64 = 50;

/// What a call tried.
#[derive(Debug, Default)]
struct Tried {
    families: BTreeSet<&'static str>,
    attempts: u64,
    evidence: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Escape(Bounded<Option<CallId>, Tried>);

impl Default for Escape {
    fn default() -> Self {
        Self(Bounded::new(CALLS))
    }
}

impl Analyzer for Escape {
    fn name(&self) -> &'static str {
        "escape"
    }

    fn see(&mut self, event: &Event, suspicions: &mut Vec<Suspicion>) {
        let Some((entry, what)) = attempt(&event.fact) else { return };
        let tried = self.0.entry(event.call, Tried::default);
        let is_new = tried.families.insert(entry.id);
        tried.attempts += 1;
        if is_new {
            tried.evidence.push(event.seq);
        }
        let message = format!("{} of {} tried {what}, and was refused", program(event), caller(event));
        suspicions.push(Suspicion::of(entry, "", message).prevented(true));
        let is_campaign = is_new && tried.families.len() >= CAMPAIGN;
        if is_campaign || tried.attempts == PERSISTENT {
            suspicions.push(campaign(tried, event));
        }
    }

    fn forgotten(&mut self) -> u64 {
        self.0.forgotten()
    }
}

fn campaign(tried: &Tried, event: &Event) -> Suspicion {
    let families: Vec<_> = tried.families.iter().map(|id| id.trim_start_matches("escape.")).collect();
    let mut votes = Votes::default();
    for family in &families {
        votes.add(*family, 40);
    }
    if tried.attempts >= PERSISTENT {
        votes.add("persistent", 60);
    }
    let message = format!(
        "{} tried to get out {} times, in {} ways ({}); all were refused",
        caller(event),
        tried.attempts,
        families.len(),
        families.join(", ")
    );
    let seen = EscapeSeen {
        families: families.into_iter().map(Into::into).collect(),
        attempts: tried.attempts,
        votes,
    };
    Suspicion::of(&catalogue::ESCAPE_CAMPAIGN, "", message)
        .prevented(true)
        .confidence(seen.votes.score)
        .evidence(tried.evidence.iter().copied())
        .analysis(seen)
}

/// The family of an attempt, and what it was.
fn attempt(fact: &Fact) -> Option<(&'static Entry, String)> {
    match fact {
        Fact::SyscallRefused(refused) => Some((family(refused)?, sentence(refused))),
        Fact::NetRefused(refused) if is_unusual(refused) => {
            Some((&catalogue::ESCAPE_SOCKETS, format!("a socket of family {}", name(&refused.family))))
        }
        _ => None,
    }
}

fn sentence(refused: &SyscallRefused) -> String {
    let arguments: Vec<_> = refused.args.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}({})", refused.syscall, arguments.join(", "))
}

fn name(family: &Family) -> String {
    serde_json::to_value(family).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Whether a socket was asked for that passes the rules for networks: anything but what programs fall back from.
fn is_unusual(refused: &NetRefused) -> bool {
    refused.syscall == "socket" && !matches!(refused.family, Family::Netlink | Family::Unix | Family::Alg)
}

/// The family of a refused system call; none for those that ordinary programs try and do without.
fn family(refused: &SyscallRefused) -> Option<&'static Entry> {
    Some(match &*refused.syscall {
        "unshare" | "setns" | "clone" | "clone3" => &catalogue::ESCAPE_NAMESPACES,
        "mount" | "umount2" | "pivot_root" | "chroot" | "open_tree" | "move_mount" | "fsopen"
        | "fsconfig" | "fsmount" | "fspick" | "mount_setattr" | "quotactl" | "quotactl_fd" => {
            &catalogue::ESCAPE_MOUNTS
        }
        "bpf" | "perf_event_open" | "userfaultfd" | "keyctl" | "add_key" | "request_key" | "modify_ldt" => {
            &catalogue::ESCAPE_KERNEL
        }
        // Runtimes look for it and do without.
        "io_uring_setup" | "io_uring_enter" | "io_uring_register" | "personality" => return None,
        "ptrace" | "process_vm_readv" | "process_vm_writev" | "kcmp" | "pidfd_getfd" => {
            &catalogue::ESCAPE_TRACE
        }
        "open_by_handle_at" | "name_to_handle_at" | "fanotify_init" | "fanotify_mark" | "mknod"
        | "mknodat" => &catalogue::ESCAPE_FILES,
        "kexec_load" | "kexec_file_load" | "init_module" | "finit_module" | "delete_module" | "reboot"
        | "acct" | "syslog" | "settimeofday" | "clock_settime" | "adjtimex" | "clock_adjtime" | "iopl"
        | "ioperm" | "vhangup" | "setdomainname" | "sethostname" | "swapon" | "swapoff" | "ioctl" => {
            &catalogue::ESCAPE_MACHINE
        }
        "setsockopt" => &catalogue::ESCAPE_SOCKETS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use event::Observation;

    use super::*;
    use crate::testing::{Trial, refused};

    fn tried(syscalls: &[&'static str]) -> Vec<Suspicion> {
        let mut trial = Trial::of(Escape::default());
        trial.call(1, syscalls.iter().map(|syscall| Observation::new(refused(syscall))))
    }

    #[test]
    fn one_family_is_low_and_three_are_a_campaign() {
        let one = tried(&["unshare", "clone", "unshare"]);
        assert!(one.iter().all(|suspicion| suspicion.rule == "escape.namespaces"), "{one:?}");
        let all = tried(&["unshare", "mount", "ptrace"]);
        let campaign = all.last().unwrap();
        assert_eq!((&*campaign.rule, campaign.prevented), ("escape.campaign", true));
        assert_eq!(campaign.evidence, [1, 2, 3]);
    }

    #[test]
    fn who_goes_on_and_on_with_one_is_no_program_that_falls_back() {
        let persistent = tried(&["bpf"; 60]);
        assert_eq!(persistent.iter().filter(|suspicion| suspicion.rule == "escape.campaign").count(), 1);
    }

    #[test]
    fn what_runtimes_look_for_is_nothing() {
        assert!(tried(&["io_uring_setup", "personality", "io_uring_setup"]).is_empty());
    }
}
