//! Which process came from which, as far as events told.

use event::Event;
use event::Text;
use event::fact::{Ancestor, Fact};

use crate::bounded::Bounded;

/// Processes that are remembered, the last ones that were told of.
const PROCESSES: usize = 16_384;
/// Ancestors that a finding names.
const LONGEST: usize = 12;
/// Bytes of an ancestor's program: a finding has to fit into a pipe, for the operator's command.
const EXE: usize = 256;

/// What is known of a process.
#[derive(Debug, Clone, Default)]
struct Known {
    exe: Option<Text>,
    parent: Option<u32>,
}

/// The processes of a run.
#[derive(Debug)]
pub(crate) struct Lineage(Bounded<u32, Known>);

impl Default for Lineage {
    fn default() -> Self {
        Self(Bounded::new(PROCESSES))
    }
}

impl Lineage {
    /// Notes the process behind an event.
    pub(crate) fn note(&mut self, event: &Event) {
        let Some(process) = &event.process else { return };
        let known = self.0.entry(process.host_pid, Known::default);
        // A process keeps its program until it executes another one.
        if matches!(event.fact, Fact::ProcessExec(_)) || known.exe.is_none() {
            known.exe.clone_from(&process.exe);
        }
        if process.parent.is_some() {
            known.parent = process.parent;
        }
    }

    /// The program of the parent of the process behind an event.
    pub(crate) fn parent_exe(&self, event: &Event) -> Option<&Text> {
        self.0.get(&event.process.as_ref()?.parent?)?.exe.as_ref()
    }

    /// The process behind an event, its parent, and so on, as far as known.
    pub(crate) fn of(&self, event: &Event) -> Vec<Ancestor> {
        let mut lineage = Vec::new();
        let mut next = event.process.as_ref().map(|process| process.host_pid);
        while let Some(host_pid) = next
            && lineage.len() < LONGEST
            && lineage.iter().all(|ancestor: &Ancestor| ancestor.host_pid != host_pid)
        {
            let known = self.0.get(&host_pid);
            let exe = known.and_then(|known| known.exe.as_ref());
            let exe = exe.map(|exe| Text::truncated(exe.as_bytes(), EXE));
            lineage.push(Ancestor { host_pid, exe });
            // What nobody told of is outside of the call.
            next = known.and_then(|known| known.parent).filter(|parent| self.0.get(parent).is_some());
        }
        lineage
    }
}
