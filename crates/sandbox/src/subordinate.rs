//! Ranges of ids for a user who is not root: those that the administrator gave in `/etc/subuid` and `/etc/subgid`
//! (subuid(5)), by way of `newuidmap` and `newgidmap`, which are set-user-id.
//!
//! They cost two executions, some milliseconds, so that only a sandbox whose root is an image has them: the programs of
//! an image expect users and groups that the host's don't need. The user's own ids stay what they are, or the workspace
//! would be another's. With a range the user's supplementary groups are dropped, which the kernel allows nobody
//! without.
//!
//! Whether there is a range is found out beforehand, and told. One that is there and then refused is an error, not less.

use rustix::fs::{AtFlags, StatVfsMountFlags};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A user's ranges, and who maps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subordinate {
    users: Mapper,
    groups: Mapper,
}

/// One program, and what it may map.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapper {
    program: PathBuf,
    range: Range,
}

/// Ids on the host, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

/// The user who asks.
pub(crate) struct Asker<'a> {
    pub(crate) name: &'a str,
    pub(crate) uid: u32,
    /// The effective group, and that of the account.
    pub(crate) groups: (u32, u32),
}

/// Where the helpers are: by absolute path, whatever `PATH` says.
const FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"];

/// As many ids as 16 bits have, the user's own included.
const MOST: u32 = 65_536;

impl Subordinate {
    /// Looks for them. The reason, where there are none.
    pub(crate) fn find(asker: &Asker<'_>) -> Result<Self, String> {
        if rustix::thread::no_new_privs().unwrap_or(true) {
            return Err("this process may gain no privileges (no_new_privs), which newuidmap needs".into());
        }
        if asker.groups.0 != asker.groups.1 {
            return Err("the current group is not the account's, and newgidmap maps no other".into());
        }
        Ok(Self {
            users: Mapper::find("newuidmap", "/etc/subuid", asker, asker.uid)?,
            groups: Mapper::find("newgidmap", "/etc/subgid", asker, asker.groups.0)?,
        })
    }

    /// How many users there are, the own included, and the first of them on the host.
    pub fn users(&self) -> (u32, u32) {
        (self.users.range.others() + 1, self.users.range.first)
    }

    /// Maps them for a new process of these ids.
    pub(crate) fn map(&self, pid: u32, (uid, gid): (u32, u32)) -> io::Result<()> {
        self.users.map(pid, uid)?;
        self.groups.map(pid, gid)
    }
}

impl Mapper {
    fn find(program: &str, table: &str, asker: &Asker<'_>, own: u32) -> Result<Self, String> {
        let places = FOLDERS.iter().map(|folder| Path::new(folder).join(program));
        let program = places
            .into_iter()
            .find(|place| is_privileged(place))
            .ok_or_else(|| format!("no {program} that can act with root's rights"))?;
        let content = fs::read_to_string(table).unwrap_or_default();
        let range = Range::largest(&content, asker, own)
            .ok_or_else(|| format!("{table} gives no range to {}", asker.name))?;
        Ok(Self { program, range })
    }

    fn map(&self, pid: u32, own: u32) -> io::Result<()> {
        let numbers = self.range.around(own).into_iter().flatten().map(|number| number.to_string());
        let output = Command::new(&self.program)
            .arg(pid.to_string())
            .args(numbers)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()
            .map_err(|source| self.refused(&source.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(self.refused(String::from_utf8_lossy(&output.stderr).trim()))
    }

    fn refused(&self, why: &str) -> io::Error {
        const SHOWN: usize = 300;
        let why: String = why.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        io::Error::other(format!(
            "{} did not map the ids that are yours by /etc/subuid and /etc/subgid: {why}; have these set right \
             (usermod --add-subuids, --add-subgids), or take the entries away to do with your own id alone",
            self.program.display()
        ))
    }
}

impl Range {
    /// The largest that a table of `name:first:count` lines gives the user, by name or by number, and that the own id
    /// is not in.
    fn largest(table: &str, asker: &Asker<'_>, own: u32) -> Option<Self> {
        let number = asker.uid.to_string();
        let given = table.lines().filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let range = Self { first: fields.next()?.parse().ok()?, count: fields.next()?.parse().ok()? };
            (owner == asker.name || owner == number).then_some(range).filter(|range| range.is_sound(own))
        });
        given.max_by_key(|range| range.count)
    }

    fn is_sound(self, own: u32) -> bool {
        let end = self.first.checked_add(self.count);
        self.first != 0 && self.count != 0 && end.is_some_and(|end| !(self.first..end).contains(&own))
    }

    /// How many of it are mapped.
    fn others(self) -> u32 {
        self.count.min(MOST - 1)
    }

    /// Ids inside, on the host, and how many: the own one is itself, and the range fills what is around it.
    fn around(self, own: u32) -> Vec<[u32; 3]> {
        let below = own.min(self.others());
        let above = self.others() - below;
        let mut map = vec![[0, self.first, below], [own, own, 1]];
        if above > 0 {
            map.push([own + 1, self.first + below, above]);
        }
        map.retain(|[.., count]| *count > 0);
        map
    }
}

/// Whether root can be had by executing it: it is root's, and nobody else can write it.
fn is_privileged(program: &Path) -> bool {
    let Ok(stat) = fs::metadata(program) else { return false };
    let has_file_capabilities = rustix::fs::getxattr(program, "security.capability", &mut [0u8; 64]).is_ok();
    let gives = stat.mode() & libc::S_ISUID != 0 || has_file_capabilities;
    let on_nosuid =
        rustix::fs::statvfs(program).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::NOSUID));
    let executable =
        rustix::fs::accessat(rustix::fs::CWD, program, rustix::fs::Access::EXEC_OK, AtFlags::EACCESS).is_ok();
    stat.is_file() && stat.uid() == 0 && stat.mode() & 0o022 == 0 && gives && !on_nosuid && executable
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASKER: Asker<'static> = Asker { name: "ann", uid: 1000, groups: (1000, 1000) };

    #[test]
    fn the_largest_range_of_the_user_is_taken() {
        let table =
            "bob:1:9999999\nann:100000:10\n1000:200000:65536\nann:broken\nann:0:70000\nann:4294967295:2\n";
        assert_eq!(Range::largest(table, &ASKER, 1000), Some(Range { first: 200_000, count: 65_536 }));
        assert_eq!(Range::largest("anna:100000:65536\n", &ASKER, 1000), None);
        assert_eq!(Range::largest("ann:500:600\n", &ASKER, 1000), None, "the own id is not given twice");
    }

    #[test]
    fn the_own_id_stays_and_the_range_is_around_it() {
        let range = Range { first: 100_000, count: 65_536 };
        assert_eq!(range.around(1000), [[0, 100_000, 1000], [1000, 1000, 1], [1001, 101_000, 64_535]]);
        assert_eq!(range.around(0), [[0, 0, 1], [1, 100_000, 65_535]]);
        let small = Range { first: 100_000, count: 10 };
        assert_eq!(small.around(1000), [[0, 100_000, 10], [1000, 1000, 1]]);
    }

    #[test]
    fn a_refusal_says_who_refused_and_what_to_do() {
        let mapper = Mapper { program: "/bin/false".into(), range: Range { first: 100_000, count: 10 } };
        let error = mapper.map(1, 1000).unwrap_err().to_string();
        assert!(error.starts_with("/bin/false did not map") && error.contains("--add-subuids"), "{error}");
    }

    proptest! {
        /// No id is mapped twice, on either side, and all of the range's that are to be mapped are.
        #[test]
        fn a_map_is_one_to_one(first in 1u32..3_000_000_000, count in 1u32..200_000, own in 0u32..4_000_000_000) {
            prop_assume!(!(first..first + count).contains(&own));
            let range = Range { first, count };
            let map = range.around(own);
            for side in [0, 1] {
                let mut parts: Vec<_> = map.iter().map(|part| (u64::from(part[side]), u64::from(part[2]))).collect();
                parts.sort_unstable();
                prop_assert!(parts.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
            }
            let sum: u32 = map.iter().map(|part| part[2]).sum();
            prop_assert_eq!(sum, count.min(65_535) + 1);
            prop_assert!(map.contains(&[own, own, 1]));
        }
    }
}
