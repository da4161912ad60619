//! What this host gives: who we are on it, and which controls its kernel has.

use crate::subordinate::{Asker, Subordinate};
use crate::sys;
use std::fs;
use std::path::PathBuf;

/// Facts about the host that do not change while a supervisor lives.
#[derive(Clone, Debug)]
pub struct Host {
    /// The kernel's release.
    pub kernel: String,
    /// Our user id.
    pub uid: u32,
    /// Our group id.
    pub gid: u32,
    /// Whether we may do without a user's restrictions: mount for others, map any ids.
    pub privileged: bool,
    /// The version of Landlock; 0 if there is none.
    pub landlock: u32,
    /// Whether the kernel tells how a process ended that is not our child (since 6.15).
    pub tells_exits: bool,
    /// The home folder of our user, if it has one.
    pub home: Option<PathBuf>,
    /// The name of our user.
    pub user: String,
    /// The ranges of ids that our user may map besides its own, or why there are none. Root needs none.
    pub subordinate: Result<Subordinate, String>,
}

/// A user's entry in `/etc/passwd`.
struct Account {
    name: String,
    gid: u32,
    home: PathBuf,
}

impl Host {
    /// Looks at the host.
    pub fn look() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let account = account(uid);
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let gid = rustix::process::getegid().as_raw();
        let privileged = uid == 0 && has_admin_capability();
        let subordinate = match &account {
            _ if privileged => Err("root may map any".to_owned()),
            None => Err("the user has no account in /etc/passwd".to_owned()),
            Some(account) => {
                Subordinate::find(&Asker { name: &account.name, uid, groups: (gid, account.gid) })
            }
        };
        Self {
            subordinate,
            tells_exits: is_at_least(&kernel, (6, 15)),
            kernel,
            uid,
            gid,
            privileged,
            landlock: sys::mount::landlock_version(),
            home: home.or_else(|| account.as_ref().map(|account| account.home.clone())),
            user: account.map_or_else(|| format!("user{uid}"), |account| account.name),
        }
    }
}

fn has_admin_capability() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

fn account(uid: u32) -> Option<Account> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let found = fields.get(2)?.parse() == Ok(uid);
        found.then(|| {
            let (name, home) = (fields.first()?.to_string(), PathBuf::from(fields.get(5)?));
            Some(Account { name, gid: fields.get(3)?.parse().ok()?, home })
        })?
    })
}

/// Whether a release such as `6.18.44-generic` is this version or a later one.
fn is_at_least(release: &str, version: (u32, u32)) -> bool {
    let mut numbers =
        release.split(|character: char| !character.is_ascii_digit()).map(|number| number.parse().ok());
    let found = numbers.next().flatten().zip(numbers.next().flatten());
    found.is_some_and(|found: (u32, u32)| found >= version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        assert!(is_at_least("6.18.44-fc", (6, 15)));
        assert!(is_at_least("7.0", (6, 15)));
        assert!(!is_at_least("6.8.0-41-generic", (6, 15)));
        assert!(!is_at_least("strange", (6, 15)));
    }
}
