//! The beginning and the end of a run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Text};

/// A run was made ready: what is allowed, on what, under which controls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunStarted {
    /// The version of Aurelian.
    pub version: Name,
    /// The operator's labels of the run.
    pub labels: BTreeMap<String, String>,
    /// The digest of the policy as checked: `sha256:` and 64 hex digits.
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub policy_digest: String,
    /// What the sandbox's root is made of.
    pub image: Image,
    /// The one folder that is bound read-write, as a path inside the sandbox.
    pub workspace: Text,
    /// What the host gives to hold the agent with.
    pub host: HostControls,
}

/// The policy of a run was replaced while it went on, or was to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyReplaced {
    /// The digest of the policy that holds from now on; absent where it was not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<Name>,
    /// Why it was not valid: then the policy of before holds on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// What the sandbox's root is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// The image as the operator named it: `host`, `oci:FOLDER`, `oci-archive:FILE`.
    pub reference: Text,
    /// The digest of its manifest, verified: `sha256:` and 64 hex digits. Absent for `host`, which has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
}

/// What the host gives to hold the agent with, and how it is used in this run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostControls {
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// The machine, as `uname -m` prints it.
    pub machine: String,
    /// Whether Aurelian runs without root.
    pub rootless: bool,
    /// Which ids the sandbox's user namespace has.
    pub user_namespace: IdMap,
    /// Whether refused system calls can be reported (seccomp's user notification), not just refused.
    pub seccomp_notify: bool,
    /// The version of Landlock's interface; 0 where there is none.
    pub landlock_abi: u32,
    /// Where the controllers of cgroups are.
    pub cgroup: Cgroup,
    /// Every control of the boundary by name, and whether it is on in this run.
    pub controls: BTreeMap<Name, HostControl>,
}

/// Which ids a user namespace has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdMap {
    /// One user and one group, those of the operator on the host.
    Single,
    /// Those of the operator, and ranges of others that the administrator gave the operator (subuid(5)).
    Subordinate,
    /// A full range of users and groups that are nobody's on the host.
    Range,
}

/// Where the controllers of cgroups are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cgroup {
    /// All in the unified hierarchy.
    V2,
    /// Limits in v1 hierarchies, freezing and killing in the unified one.
    Hybrid,
    /// None that can be written: limits are rlimits, and killing is by the sandbox's init.
    None,
}

/// One control of the boundary, in this run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostControl {
    /// Whether it is on.
    pub state: ControlState,
    /// Why it isn't on, or in what form it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Name>,
}

/// Whether a control is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ControlState {
    /// In full.
    On,
    /// In a weaker form, because the host gives no more.
    Reduced,
    /// Not at all, because the host doesn't give it.
    Off,
}

/// The run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunEnded {
    /// What can be said of the run as a whole.
    pub verdict: Verdict,
    /// Calls that were started.
    pub calls: u32,
    /// Events of the run, this one included.
    pub events: u64,
    /// What was refused.
    pub refused: Refused,
    /// Events of kind `limit.hit`.
    pub limits_hit: u64,
    /// Different findings.
    pub findings: u64,
    /// Events of kind `telemetry.gap`.
    pub gaps: u64,
    /// From the first event to this one.
    pub wall_us: u64,
    /// CPU time, user and system, of all processes of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
    /// The most memory in use at any moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// What can be said of a run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Everything was seen, and nothing of it was a violation.
    Clean,
    /// Something was found: see the events of kind `finding`.
    Violation,
    /// Telemetry was lost or a control was off: nothing can be promised.
    Unproven,
}

/// The rules that findings are made by were replaced while the run went on, or were to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RulesReplaced {
    /// How many hold from now on.
    pub rules: u64,
    /// Why those before them still hold; absent when they don't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// How many attempts were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// Attempts to reach a network: `net.refused`, and `net.connect` and `dns.query` that were refused, with those they
    /// stand for.
    pub network: u64,
    /// Events of kind `syscall.refused`.
    pub syscalls: u64,
}
