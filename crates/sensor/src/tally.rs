//! What is counted while a run goes on, so that a summary costs no second look at the record.
//!
//! The agent decides how many different things it attempts, not how many are remembered.

use std::collections::BTreeMap;

use event::fact::{
    CallStarted, Decision, Fact, FlowPhase, LimitHit, NetConnect, ProcessExec, Refused, ResponseStep, Spoken,
    TelemetryGap, Wanted, WorkspacePlanted,
};
use event::{CallId, Observation, Protocol, Text};

use crate::findings::Findings;
use crate::summary::{CallSummary, Gap, LimitSummary, Place, Planted, Reached, Refusal, Refusals};

/// Different refusals that are remembered of one call. A scan of a /27 on four ports fits.
const REFUSALS: usize = 256;
/// Different places that are remembered of one call.
const PLACES: usize = 64;
/// Limits, planted files and gaps that are remembered of a run.
const NOTES: usize = 64;
/// Items of a command that are remembered, and bytes of all of them.
const COMMAND_ITEMS: usize = 16;
const COMMAND_BYTES: usize = 1024;

/// The counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: BTreeMap<CallId, CallSummary>,
    pub(crate) outside: Refusals,
    pub(crate) refused: Refused,
    pub(crate) limits: Vec<LimitSummary>,
    /// Events of kind `limit.hit`.
    pub(crate) limits_hit: u64,
    pub(crate) planted: Vec<Planted>,
    pub(crate) findings: Findings,
    pub(crate) responses: Vec<ResponseStep>,
    pub(crate) gaps: Vec<Gap>,
    /// Events of kind `telemetry.gap`.
    pub(crate) gap_events: u64,
    pub(crate) proven: bool,
}

impl Tally {
    /// Counts an observation.
    pub(crate) fn count(&mut self, observation: &Observation) {
        let call = observation.cause.as_ref().map(|cause| cause.call);
        match &observation.fact {
            Fact::BoundaryProven(_) => self.proven = true,
            Fact::CallStarted(started) => self.begin(observation, started),
            Fact::CallEnded(ended) => {
                if let Some(summary) = call.and_then(|call| self.calls.get_mut(&call)) {
                    summary.ended = Some(ended.clone());
                }
            }
            Fact::ProcessExec(exec) => self.execute(call, exec),
            Fact::NetRefused(_) => {
                self.refused.network += 1;
                self.refuse(call, &observation.fact);
            }
            Fact::NetConnect(connect) if connect.decision == Decision::Refused => {
                self.refused.network += 1;
                self.refuse(call, &observation.fact);
            }
            Fact::NetConnect(connect) if connect.decision == Decision::Failed => {
                self.reach(call, &connect.wanted, connect.spoken.as_ref(), |place| place.failed += 1);
            }
            Fact::NetFlow(flow) if flow.phase == FlowPhase::Closed => {
                let bytes = flow.shape.bytes;
                self.reach(call, &flow.wanted, flow.spoken.as_ref(), |place| {
                    place.connections += 1;
                    place.sent_bytes = place.sent_bytes.saturating_add(bytes.client);
                    place.received_bytes = place.received_bytes.saturating_add(bytes.server);
                });
            }
            Fact::DnsQuery(query) if query.refused => {
                self.refused.network += 1 + query.omitted;
                self.refuse(call, &observation.fact);
            }
            Fact::SyscallRefused(_) => {
                self.refused.syscalls += 1;
                self.refuse(call, &observation.fact);
            }
            Fact::LimitHit(hit) => self.limit(call, *hit),
            Fact::WorkspacePlanted(planted) => self.plant(call, planted),
            Fact::Finding(finding) => self.findings.count(observation, finding),
            Fact::ResponseStep(step) if self.responses.len() < NOTES => {
                self.responses.push(step.as_ref().clone())
            }
            Fact::TelemetryGap(gap) => self.miss(gap),
            _ => {}
        }
    }

    fn begin(&mut self, observation: &Observation, started: &CallStarted) {
        let Some(cause) = &observation.cause else { return };
        let summary = CallSummary {
            call: cause.call,
            tool_call_id: cause.tool_call_id.clone(),
            command: brief(&started.command),
            ended: None,
            executed: 0,
            executed_written: 0,
            refused: Refusals::default(),
            reached: Reached::default(),
        };
        self.calls.insert(cause.call, summary);
    }

    fn execute(&mut self, call: Option<CallId>, exec: &ProcessExec) {
        if let Some(summary) = call.and_then(|call| self.calls.get_mut(&call)) {
            summary.executed += 1;
            summary.executed_written += u64::from(exec.written.is_some());
        }
    }

    fn refuse(&mut self, call: Option<CallId>, fact: &Fact) {
        let calls = &mut self.calls;
        let refusals = call.and_then(|call| calls.get_mut(&call)).map(|summary| &mut summary.refused);
        let refusals = refusals.unwrap_or(&mut self.outside);
        if let Some(known) = refusals.list.iter_mut().find(|refusal| is_same(&refusal.fact, fact)) {
            known.count += 1;
        } else if refusals.list.len() < REFUSALS {
            refusals.list.push(Refusal { fact: fact.clone(), count: 1 });
        } else {
            refusals.more += 1;
        }
    }

    /// Counts something at a place.
    fn reach(
        &mut self,
        call: Option<CallId>,
        wanted: &Wanted,
        spoken: Option<&Spoken>,
        count: impl FnOnce(&mut Place),
    ) {
        let Some(summary) = call.and_then(|call| self.calls.get_mut(&call)) else { return };
        let address = || wanted.address.as_deref().map(Text::from);
        let host = wanted.name.clone().or_else(address).unwrap_or_default();
        let protocol = spoken.map_or(Protocol::Unknown, |spoken| spoken.layer.protocol);
        let reached = &mut summary.reached;
        let is_there = |place: &&mut Place| {
            place.host == host && place.port == wanted.port && place.protocol == protocol
        };
        if let Some(place) = reached.list.iter_mut().find(is_there) {
            count(place);
        } else if reached.list.len() < PLACES {
            let mut place = Place {
                host,
                port: wanted.port,
                protocol,
                connections: 0,
                failed: 0,
                sent_bytes: 0,
                received_bytes: 0,
            };
            count(&mut place);
            reached.list.push(place);
        } else {
            reached.more += 1;
        }
    }

    fn limit(&mut self, call: Option<CallId>, hit: LimitHit) {
        self.limits_hit += 1;
        if let Some(known) = self.limits.iter_mut().find(|limit| limit.call == call && limit.hit == hit) {
            known.count += 1;
        } else if self.limits.len() < NOTES {
            self.limits.push(LimitSummary { call, hit, count: 1 });
        }
    }

    fn plant(&mut self, call: Option<CallId>, planted: &WorkspacePlanted) {
        if self.planted.len() < NOTES {
            self.planted.push(Planted { call, path: planted.path.clone(), why: planted.why.clone() });
        }
    }

    fn miss(&mut self, gap: &TelemetryGap) {
        self.gap_events += 1;
        let known =
            self.gaps.iter_mut().find(|known| known.source == gap.source && known.reason == gap.reason);
        if let Some(known) = known {
            known.lost += gap.lost;
        } else if self.gaps.len() < NOTES {
            self.gaps.push(Gap { lost: gap.lost, source: gap.source.clone(), reason: gap.reason.clone() });
        }
    }
}

/// Whether two attempts are the same one again: each connection has its own number, and its own words.
fn is_same(one: &Fact, other: &Fact) -> bool {
    match (one, other) {
        (Fact::NetConnect(one), Fact::NetConnect(other)) => {
            let spoken = |connect: &NetConnect| connect.spoken.as_ref().map(|spoken| spoken.layer.protocol);
            one.wanted == other.wanted && one.reason == other.reason && spoken(one) == spoken(other)
        }
        (Fact::DnsQuery(one), Fact::DnsQuery(other)) => {
            one.name == other.name && one.record_type == other.record_type && one.outcome == other.outcome
        }
        _ => one == other,
    }
}

/// The beginning of a command.
fn brief(command: &[Text]) -> Vec<Text> {
    let mut room = COMMAND_BYTES;
    let mut kept = Vec::new();
    for item in command.iter().take(COMMAND_ITEMS) {
        let item = Text::truncated(item.as_bytes(), room);
        room -= item.as_bytes().len();
        kept.push(item);
        if room == 0 {
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use event::Cause;
    use event::fact::{Destination, Family, NetRefused, SocketType};

    use super::*;

    fn connect(port: u16) -> Fact {
        let destination = Destination { address: "10.0.0.1".into(), port: Some(port) };
        Fact::NetRefused(NetRefused {
            syscall: "connect".into(),
            family: Family::Inet,
            socket_type: SocketType::Stream,
            protocol: None,
            destination: Some(destination),
            errno: "ENETUNREACH".into(),
        })
    }

    fn tally_of(facts: impl IntoIterator<Item = Fact>) -> Tally {
        let mut tally = Tally::default();
        let cause = Cause::from(CallId::FIRST);
        tally.count(&Observation::new(CallStarted::new(["true"], "/w")).caused_by(cause.clone()));
        for fact in facts {
            tally.count(&Observation { cause: Some(cause.clone()), process: None, fact });
        }
        tally
    }

    #[test]
    fn the_same_attempt_is_counted_not_repeated() {
        let tally = tally_of([connect(22), connect(80), connect(22)]);
        let refused = &tally.calls[&CallId::FIRST].refused;
        assert_eq!(refused.list.iter().map(|refusal| refusal.count).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((refused.total(), refused.more, tally.refused.network), (3, 0, 3));
    }

    #[test]
    fn a_scan_is_counted_in_bounded_memory() {
        let tally = tally_of((0..10_000).map(connect));
        let refused = &tally.calls[&CallId::FIRST].refused;
        assert_eq!((refused.list.len(), refused.more), (REFUSALS, 10_000 - REFUSALS as u64));
        assert_eq!(refused.total(), 10_000);
    }

    #[test]
    fn a_refusal_of_no_known_call_is_kept_apart() {
        let mut tally = Tally::default();
        tally.count(&Observation::new(connect(22)));
        tally.count(&Observation::new(connect(22)).caused_by(CallId::FIRST));
        assert_eq!((tally.outside.total(), tally.calls.len()), (2, 0));
    }

    #[test]
    fn only_the_beginning_of_a_command_is_kept() {
        let long = Text::from("x".repeat(5000));
        assert_eq!(brief(&["sh".into(), long.clone(), long])[1].as_bytes().len(), COMMAND_BYTES - 2);
        assert_eq!(brief(&vec![Text::from("a"); 40]).len(), COMMAND_ITEMS);
    }
}
