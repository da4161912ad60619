//! What tests of analyzers share: events at times of their own.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use event::fact::{
    Arch, Both, Decision, Fact, FlowPhase, FlowShape, Layer, NetConnect, NetFlow, Spoken, SyscallRefused,
    Wanted,
};
use event::{CallId, Event, Name, Observation, Process, Protocol, RunId, Sequence, Timestamp};

use crate::analyzers::Analyzer;
use crate::finding::Suspicion;

/// An analyzer, and a run whose time the test decides.
pub(crate) struct Trial<A> {
    pub(crate) analyzer: A,
    sequence: Sequence,
    /// Milliseconds since the run began.
    now: i64,
}

const BEGAN: i64 = 1_764_000_000_000;

impl<A: Analyzer> Trial<A> {
    pub(crate) fn of(analyzer: A) -> Self {
        Self { analyzer, sequence: Sequence::new(RunId::new()), now: 0 }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, milliseconds: i64) {
        self.now += milliseconds;
    }

    /// What it suspects about these observations of a call, at this moment.
    pub(crate) fn call(
        &mut self,
        call: u32,
        observations: impl IntoIterator<Item = Observation>,
    ) -> Vec<Suspicion> {
        let mut suspicions = Vec::new();
        for observation in observations {
            let observation = observation.caused_by(CallId::new(call).unwrap());
            let mut event = self.sequence.stamp(observation);
            event.time = Timestamp::from_nanos((BEGAN + self.now) * 1_000_000);
            self.analyzer.see(&event, &mut suspicions);
        }
        suspicions
    }

    /// The same of one fact.
    pub(crate) fn fact(&mut self, call: u32, fact: impl Into<Fact>) -> Vec<Suspicion> {
        self.call(call, [Observation::new(fact)])
    }
}

/// The names of what was suspected.
pub(crate) fn rules(suspicions: &[Suspicion]) -> Vec<&str> {
    suspicions.iter().map(|suspicion| &*suspicion.rule).collect()
}

pub(crate) fn refused(syscall: &'static str) -> SyscallRefused {
    SyscallRefused {
        syscall: syscall.into(),
        number: 0,
        arch: Arch::X86_64,
        args: BTreeMap::new(),
        errno: "EPERM".into(),
    }
}

pub(crate) fn wanted(name: Option<&str>, address: Option<&str>, port: u16) -> Wanted {
    Wanted { name: name.map(Into::into), address: address.map(|text| Name::Owned(text.to_owned())), port }
}

pub(crate) fn spoken(protocol: Protocol) -> Spoken {
    Spoken { layer: Layer::new(protocol), inside: Vec::new() }
}

pub(crate) fn connect(wanted: Wanted, protocol: Option<Protocol>, decision: Decision) -> NetConnect {
    NetConnect {
        flow: 1,
        wanted,
        decision,
        rule: None,
        reason: None,
        detail: None,
        spoken: protocol.map(spoken),
    }
}

/// A flow that goes on, with so many idle times that each side ended.
pub(crate) fn flow(protocol: Protocol, client_gaps: u64, server_gaps: u64) -> NetFlow {
    NetFlow {
        flow: 1,
        phase: FlowPhase::Opened,
        wanted: wanted(Some("host.example"), None, 443),
        local: "192.0.2.1:1".into(),
        rule: None,
        spoken: Some(spoken(protocol)),
        shape: FlowShape {
            gap_initiative: Both { client: client_gaps, server: server_gaps },
            ..FlowShape::default()
        },
        duration_us: 0,
        lookup_us: None,
        identify_us: 0,
        connect_us: 0,
        rtt_us: None,
        retransmitted: None,
        ended: None,
        detail: None,
    }
}

/// A process with a program, for observations that need one.
pub(crate) fn process(host_pid: u32, exe: &str) -> Process {
    Process { exe: Some(exe.into()), ..Process::new(host_pid) }
}

#[allow(dead_code, reason = "not every test needs one")]
pub(crate) fn event_of(observation: Observation) -> Event {
    Sequence::new(RunId::new()).stamp(observation)
}
