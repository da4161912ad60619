//! What can be observed: one type per kind of event, and [`Fact`], which is any of them.
//!
//! A field of type [`Name`](crate::Name) holds a word of ours; whatever the agent controls is a
//! [`Text`](crate::Text). Units are in the names of the fields: `_us` microseconds, `_ms` milliseconds, `_bytes` bytes.

mod analysis;
mod boundary;
mod call;
mod finding;
mod network;
mod process;
mod refused;
mod resources;
mod run;
mod sensed;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use analysis::{
    AnomalySeen, EscapeSeen, ExfiltrationSeen, Figure, MiningSeen, PersistenceSeen, ResourcesSeen, ScanSeen,
    TheftSeen, TunnelSeen, Vote, Votes,
};
pub use boundary::{BoundaryFailed, BoundaryProven, Probe, ProbeResult};
pub use call::{CallEnded, CallStarted, EndReason, OutputBytes};
pub use finding::{Ancestor, Finding, Outcome, ResponseStep, Severity, Step};
pub use network::{
    Bits, Both, Burst, Decision, DnsQuery, Entropy, FlowPhase, FlowShape, Layer, NetConnect, NetFlow,
    RuleRef, Spoken, Wanted,
};
pub use process::{FileId, ProcessExec, ProcessExited, Stdio, WorkspacePlanted, WrittenDuringRun};
pub use refused::{Arch, Destination, Family, NetRefused, SocketType, SyscallRefused};
pub use resources::{Busiest, Io, Limit, LimitAction, LimitHit, LimitUnit, ResourceSample, TelemetryGap};
pub use run::{
    Cgroup, ControlState, HostControl, HostControls, IdMap, Image, PolicyReplaced, Refused, RulesReplaced,
    RunEnded, RunStarted, Verdict,
};
pub use sensed::{DecoyRead, DecoySent, FilePlanted, NetListen};

/// Declares [`Fact`], its kinds as they stand in JSON, and the conversions into it.
macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident $kind:literal $(in $holder:ident)?,)*) => {
        /// What was observed. In JSON, `kind` names the variant and its fields stand beside it.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum Fact {
            $($(#[$doc])* #[serde(rename = $kind)] $name(facts!(@holder $name $($holder)?)),)*
        }

        impl Fact {
            /// The kinds there are, as they stand in JSON.
            pub const KINDS: &[&str] = &[$($kind),*];

            /// The kind, as it stands in JSON.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $kind,)*
                }
            }
        }

        $(impl From<$name> for Fact {
            fn from(fact: $name) -> Self {
                Self::$name(fact.into())
            }
        })*
    };
    (@holder $name:ident) => { $name };
    (@holder $name:ident $holder:ident) => { $holder<$name> };
}

facts! {
    /// A run was made ready: what is allowed, on what, under which controls. Always the first event.
    RunStarted "run.started" in Box,
    /// Every bypass was tried inside the finished sandbox, and none worked. Comes before the first call.
    BoundaryProven "boundary.proven",
    /// The boundary could not be established or proven: nothing of the agent was started.
    BoundaryFailed "boundary.failed",
    /// A call was started.
    CallStarted "call.started",
    /// A call ended. Processes it left behind may still act, and are still booked to it.
    CallEnded "call.ended",
    /// A process executes another program.
    ProcessExec "process.exec",
    /// A process ended.
    ProcessExited "process.exited",
    /// An attempt to reach a network was refused.
    NetRefused "net.refused",
    /// A name was asked for, where the policy opens a network.
    DnsQuery "dns.query",
    /// A connection that was to leave was allowed, or refused.
    NetConnect "net.connect" in Box,
    /// A connection that was allowed: opened, going on, closed.
    NetFlow "net.flow" in Box,
    /// A process waits for connections.
    NetListen "net.listen",
    /// The policy was replaced while the run went on, or was to be.
    PolicyReplaced "policy.replaced",
    /// The rules that findings are made by were replaced while the run went on, or were to be.
    RulesReplaced "rules.replaced",
    /// A system call worth knowing about was refused.
    SyscallRefused "syscall.refused",
    /// A limit of the policy held.
    LimitHit "limit.hit",
    /// A file that the host would later execute appeared in the workspace.
    WorkspacePlanted "workspace.planted",
    /// A file appeared that makes something run again later.
    FilePlanted "file.planted",
    /// A decoy was opened.
    DecoyRead "decoy.read",
    /// The token of a decoy was about to leave, or left.
    DecoySent "decoy.sent",
    /// What a call, or the whole run where there is no call, was using at that moment.
    ResourceSample "resource.sample",
    /// Work is done for a pool, or looks like it.
    MiningSeen "analysis.mining" in Box,
    /// Somebody outside acts through a flow, or looks like it.
    TunnelSeen "analysis.tunnel" in Box,
    /// Places are tried one after the other.
    ScanSeen "analysis.scan" in Box,
    /// Something is taken that opens other doors.
    TheftSeen "analysis.theft" in Box,
    /// The boundary is tried, or those who watch it are.
    EscapeSeen "analysis.escape" in Box,
    /// Something is to act later, or does so.
    PersistenceSeen "analysis.persistence" in Box,
    /// More leaves than is usual, or in an unusual way.
    ExfiltrationSeen "analysis.exfiltration" in Box,
    /// An agent gets itself what no task gave it.
    ResourcesSeen "analysis.resources" in Box,
    /// A call did what calls of its label set don't do.
    AnomalySeen "analysis.anomaly" in Box,
    /// Something was judged wrong.
    Finding "finding" in Box,
    /// A step of a response was taken.
    ResponseStep "response.step" in Box,
    /// Something was not recorded. A run with a gap is never `clean`.
    TelemetryGap "telemetry.gap",
    /// The run ended. Always the last event.
    RunEnded "run.ended",
}
