//! The judge of one run.

use std::sync::Arc;

use event::fact::{Fact, TelemetryGap};
use event::{Cause, Event, Observation};

use crate::analyzers::{self, Analyzer, Anomaly, Baselines};
use crate::finding::{Findings, Suspicion};
use crate::lineage::Lineage;
use crate::sigma::{Matcher, Rules};

/// Looks at the events of one run, in their order.
#[derive(Debug)]
pub struct Detector {
    analyzers: Vec<Box<dyn Analyzer>>,
    anomaly: Anomaly,
    rules: Matcher,
    lineage: Lineage,
    findings: Findings,
    /// Kept between events, so as not to be made anew for each.
    suspicions: Vec<Suspicion>,
    /// Events since it was asked who has forgotten something.
    seen: u32,
}

/// After so many events it is asked who has forgotten something.
const ASK_AFTER: u32 = 1024;

impl Detector {
    /// A detector with these rules, which knows nothing yet of what calls usually do.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            analyzers: analyzers::all(),
            anomaly: Anomaly::new(Baselines::default()),
            rules: Matcher::new(rules),
            lineage: Lineage::default(),
            findings: Findings::default(),
            suspicions: Vec::new(),
            seen: 0,
        }
    }

    /// The same, knowing what calls usually do.
    pub fn with_baselines(self, baselines: Baselines) -> Self {
        Self { anomaly: Anomaly::new(baselines), ..self }
    }

    /// What calls usually do, those of this run included.
    pub fn baselines(&self) -> &Baselines {
        self.anomaly.baselines()
    }

    /// Other rules from now on. What correlations had counted is forgotten.
    pub fn set_rules(&mut self, rules: Arc<Rules>) {
        self.rules = Matcher::new(rules);
    }

    /// Looks at an event, and tells what it sees in it. What is told has to be numbered and shown to it in turn.
    pub fn judge(&mut self, event: &Event, tell: &mut Vec<Observation>) {
        // What it said itself is not evidence of anything, and neither is what was done about it.
        if matches!(event.fact, Fact::Finding(_) | Fact::ResponseStep(_)) {
            return;
        }
        self.lineage.note(event);
        let mut suspicions = std::mem::take(&mut self.suspicions);
        for analyzer in &mut self.analyzers {
            analyzer.see(event, &mut suspicions);
        }
        self.anomaly.see(event, &mut suspicions);
        self.rules.see(event, &self.lineage, &mut suspicions);
        for suspicion in suspicions.drain(..) {
            self.tell(suspicion, event, tell);
        }
        self.suspicions = suspicions;
        self.seen += 1;
        if self.seen == ASK_AFTER || matches!(event.fact, Fact::CallEnded(_)) {
            self.seen = 0;
            self.confess(tell);
        }
    }

    fn tell(&mut self, mut suspicion: Suspicion, event: &Event, tell: &mut Vec<Observation>) {
        let analysis = suspicion.analysis.take();
        let Some(finding) = self.findings.fold(suspicion, event, &self.lineage) else { return };
        // Figures come with each finding that is told, and before it.
        for fact in analysis.into_iter().chain([finding.into()]) {
            tell.push(Observation {
                cause: event.call.map(|call| Cause { call, tool_call_id: event.tool_call_id.clone() }),
                process: event.process.as_ref().map(|process| event::Process {
                    argv: None,
                    argv_omitted: None,
                    ..process.clone()
                }),
                fact,
            });
        }
    }

    /// Says who was blind, because its tables were full.
    fn confess(&mut self, tell: &mut Vec<Observation>) {
        let asked = self.analyzers.iter_mut().map(|analyzer| (analyzer.name(), analyzer.forgotten()));
        let mut blind: Vec<_> = asked.filter(|(_, lost)| *lost > 0).collect();
        blind.push(("anomaly", self.anomaly.forgotten()));
        blind.push(("findings", self.findings.forgotten()));
        for (name, lost) in blind.into_iter().filter(|(_, lost)| *lost > 0) {
            let source = format!("detect.{name}").into();
            let reason = "more was going on at once than is kept in mind".into();
            tell.push(Observation::new(TelemetryGap { lost, source, reason }));
        }
    }
}
