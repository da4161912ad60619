//! Which user the sandbox runs as, and what its ids mean on the host.
//!
//! Run by an ordinary user, the sandbox has that user's id and no other; where its root is an OCI image and the
//! administrator gave the user ranges, it has those as well ([`Subordinate`]). Run by root, it gets a range of ids
//! that nobody on the host has, so that even a file that leaks in is not its own; the folders that the operator
//! granted are shown with their ids mapped, and the agent acts with the rights of the workspace's owner.

use crate::host::Host;
use crate::image::Image;
use crate::subordinate::Subordinate;
use crate::workspace::Workspace;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ids of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    /// The user inside.
    pub(crate) uid: u32,
    /// Its group.
    pub(crate) gid: u32,
    map: Map,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Map {
    /// One id, that of our user.
    Single,
    /// That id, and the ranges that our user was given.
    Subordinate(Box<Subordinate>),
    /// All 16-bit ids, from this one on the host.
    Range(u32),
}

/// The first host id of all ranges, and how many ranges there are: ids that neither accounts, nor containers, nor
/// systemd's dynamic users have (systemd, "Users, Groups, UIDs and GIDs on systemd Systems").
const FIRST: u32 = 1_879_048_192;
const RANGES: u32 = 4095;
const RANGE: u32 = 65_536;

impl Ids {
    pub(crate) fn choose(host: &Host, workspace: &Workspace, image: &Image) -> io::Result<Self> {
        if !host.privileged {
            let map = match (image, &host.subordinate) {
                (Image::Oci(_), Ok(subordinate)) => Map::Subordinate(Box::new(subordinate.clone())),
                _ => Map::Single,
            };
            return Ok(Self { uid: host.uid, gid: host.gid, map });
        }
        let owner = fs::metadata(workspace.host())?;
        let within = |id: u32| if id < RANGE { id } else { 65_534 };
        Ok(Self { uid: within(owner.uid()), gid: within(owner.gid()), map: Map::Range(next_range()) })
    }

    /// Whether its user is nobody on the host, so that what counts for that user counts for the sandbox alone.
    pub(crate) fn is_range(&self) -> bool {
        matches!(self.map, Map::Range(_))
    }

    /// Whether supplementary groups can be dropped.
    pub(crate) fn can_drop_groups(&self) -> bool {
        !matches!(self.map, Map::Single)
    }

    /// The user and group on the host, where they are not our own.
    pub(crate) fn on_host(&self) -> Option<(u32, u32)> {
        match self.map {
            Map::Single | Map::Subordinate(_) => None,
            Map::Range(first) => Some((first + self.uid, first + self.gid)),
        }
    }

    /// The name that the user has inside.
    pub(crate) fn user_name<'a>(&self, host: &'a Host) -> &'a str {
        match self.uid {
            0 => "root",
            uid if uid == host.uid => &host.user,
            _ => "agent",
        }
    }
}

/// Ranges are taken in turn, from a place that depends on our process, so that sandboxes which live at the
/// same time rarely share one.
fn next_range() -> u32 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
    let index = std::process::id().wrapping_mul(61).wrapping_add(taken) % RANGES;
    FIRST + index * RANGE
}

/// Writes the maps of a new process (user_namespaces(7)).
pub(crate) fn write_maps(pid: u32, ids: &Ids) -> io::Result<()> {
    let (users, groups) = match &ids.map {
        Map::Subordinate(subordinate) => return subordinate.map(pid, (ids.uid, ids.gid)),
        Map::Single => {
            fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
            (format!("{0} {0} 1\n", ids.uid), format!("{0} {0} 1\n", ids.gid))
        }
        Map::Range(first) => {
            let map = format!("0 {first} {RANGE}\n");
            (map.clone(), map)
        }
    };
    fs::write(format!("/proc/{pid}/uid_map"), users)?;
    fs::write(format!("/proc/{pid}/gid_map"), groups)
}
