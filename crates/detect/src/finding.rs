//! Findings: what analyzers and rules say, folded, so that the same again only counts.

use event::fact::{Fact, Finding, Severity};
use event::{CallId, Event, Name, Text};

use crate::bounded::Bounded;
use crate::catalogue::Entry;
use crate::lineage::Lineage;

/// Different findings of one run that are told apart. More than an operator would read, and an agent could make.
const FINDINGS: usize = 4096;
/// Evidence that a finding names.
const EVIDENCE: usize = 32;
/// Bytes of what a finding is about, and of its sentence.
const ABOUT: usize = 256;
const MESSAGE: usize = 1024;

/// What somebody judged wrong about an event.
#[derive(Debug, Clone)]
pub(crate) struct Suspicion {
    pub(crate) rule: Name,
    pub(crate) title: Name,
    pub(crate) source: Name,
    pub(crate) severity: Severity,
    pub(crate) confidence: u8,
    pub(crate) prevented: bool,
    pub(crate) about: Text,
    pub(crate) message: String,
    pub(crate) remedy: Name,
    /// Events that show it, beside the one that it was judged at.
    pub(crate) evidence: Vec<u64>,
    /// How often it happened, where it is told for several at once.
    pub(crate) times: u64,
    pub(crate) asi: Vec<Name>,
    pub(crate) attack: Vec<Name>,
    pub(crate) atlas: Vec<Name>,
    /// The figures that it was judged by, as an event of their own.
    pub(crate) analysis: Option<Fact>,
}

impl Suspicion {
    /// Of an analyzer.
    pub(crate) fn of(entry: &'static Entry, about: impl Into<Text>, message: String) -> Self {
        let names = |names: &'static [&'static str]| names.iter().map(|name| Name::Borrowed(name)).collect();
        Self {
            rule: entry.id.into(),
            title: entry.title.into(),
            source: "analyzer".into(),
            severity: entry.severity,
            confidence: 90,
            prevented: false,
            about: about.into(),
            message,
            remedy: entry.remedy.into(),
            evidence: Vec::new(),
            times: 1,
            asi: names(entry.asi),
            attack: names(entry.attack),
            atlas: names(entry.atlas),
            analysis: None,
        }
    }

    /// The boundary refused it: nothing came of it.
    pub(crate) fn prevented(mut self, prevented: bool) -> Self {
        self.prevented = prevented;
        if prevented {
            self.severity = self.severity.min(Severity::Medium);
        }
        self
    }

    pub(crate) fn confidence(mut self, percent: u8) -> Self {
        self.confidence = percent;
        self
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(crate) fn evidence(mut self, evidence: impl IntoIterator<Item = u64>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    pub(crate) fn analysis(mut self, fact: impl Into<Fact>) -> Self {
        self.analysis = Some(fact.into());
        self
    }
}

/// What is known of a finding that was told.
#[derive(Debug)]
struct Known {
    number: u64,
    severity: Severity,
    prevented: bool,
    count: u64,
    /// The count at which it is told again.
    next: u64,
    evidence: Vec<u64>,
    omitted: u64,
}

/// The findings of a run.
#[derive(Debug)]
pub(crate) struct Findings {
    known: Bounded<(Name, Option<CallId>, Text), Known>,
    last: u64,
}

impl Default for Findings {
    fn default() -> Self {
        Self { known: Bounded::new(FINDINGS), last: 0 }
    }
}

impl Findings {
    /// Takes a suspicion in. Gives the finding, if it is to be told: when it is new, when it got worse, and when its count has
    /// doubled.
    pub(crate) fn fold(&mut self, suspicion: Suspicion, event: &Event, lineage: &Lineage) -> Option<Finding> {
        let about = Text::truncated(suspicion.about.as_bytes(), ABOUT);
        let key = (suspicion.rule.clone(), event.call, about.clone());
        let last = &mut self.last;
        let known = self.known.entry(key, || {
            *last += 1;
            Known {
                number: *last,
                severity: suspicion.severity,
                prevented: suspicion.prevented,
                count: 0,
                next: 1,
                evidence: Vec::new(),
                omitted: 0,
            }
        });
        known.count = known.count.saturating_add(suspicion.times);
        for seq in suspicion.evidence.iter().copied().chain([event.seq]) {
            known.note(seq);
        }
        let is_worse = suspicion.severity > known.severity || known.prevented && !suspicion.prevented;
        known.severity = known.severity.max(suspicion.severity);
        known.prevented &= suspicion.prevented;
        if known.count < known.next && !is_worse {
            return None;
        }
        known.next = known.count.saturating_mul(2);
        Some(Finding {
            finding: known.number,
            rule: suspicion.rule,
            title: suspicion.title,
            source: suspicion.source,
            severity: known.severity,
            confidence: suspicion.confidence.min(100),
            prevented: known.prevented,
            about: (!about.as_bytes().is_empty()).then_some(about),
            message: Text::truncated(suspicion.message.as_bytes(), MESSAGE),
            remedy: suspicion.remedy,
            evidence: known.evidence.clone(),
            evidence_omitted: known.omitted,
            lineage: lineage.of(event),
            asi: suspicion.asi,
            attack: suspicion.attack,
            atlas: suspicion.atlas,
            count: known.count,
        })
    }

    /// How many were forgotten since this was asked last: they are told anew when they happen again.
    pub(crate) fn forgotten(&mut self) -> u64 {
        self.known.forgotten()
    }
}

impl Known {
    /// Keeps the first of the evidence, and the last.
    fn note(&mut self, seq: u64) {
        if self.evidence.contains(&seq) {
            return;
        }
        if self.evidence.len() < EVIDENCE {
            self.evidence.push(seq);
        } else {
            self.omitted += 1;
            if let Some(last) = self.evidence.last_mut() {
                *last = seq;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use event::fact::ResourceSample;
    use event::{Observation, RunId, Sequence};

    use super::*;
    use crate::catalogue;

    fn fold_all(suspicions: Vec<Suspicion>) -> Vec<Finding> {
        let mut sequence = Sequence::new(RunId::new());
        let (mut findings, lineage) = (Findings::default(), Lineage::default());
        let mut told = Vec::new();
        for suspicion in suspicions {
            let event = sequence.stamp(Observation::new(ResourceSample::default()).caused_by(CallId::FIRST));
            told.extend(findings.fold(suspicion, &event, &lineage));
        }
        told
    }

    fn suspicion(about: &str) -> Suspicion {
        Suspicion::of(&catalogue::SCAN_HOSTS, about, "looks".to_owned())
    }

    #[test]
    fn the_same_again_is_told_when_its_count_has_doubled() {
        let told = fold_all(vec![suspicion("a"); 100]);
        assert_eq!(told.iter().map(|finding| finding.count).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64]);
        assert!(told.iter().all(|finding| finding.finding == 1));
        let last = told.last().unwrap();
        assert_eq!((last.evidence.len(), last.evidence_omitted), (EVIDENCE, 64 - EVIDENCE as u64));
        assert_eq!(last.evidence.last(), Some(&64));
    }

    #[test]
    fn what_is_about_something_else_is_another_finding() {
        let told = fold_all(vec![suspicion("a"), suspicion("b"), suspicion("a")]);
        assert_eq!(told.iter().map(|finding| finding.finding).collect::<Vec<_>>(), [1, 2, 1]);
    }

    #[test]
    fn what_got_worse_is_told_at_once_and_stays_worse() {
        let refused = || suspicion("a").prevented(true);
        let told = fold_all(vec![refused(), refused(), refused(), suspicion("a"), refused(), refused()]);
        let told: Vec<_> = told.iter().map(|f| (f.count, f.prevented, f.severity)).collect();
        let (medium, high) = (Severity::Medium, Severity::High);
        assert_eq!(told, [(1, true, medium), (2, true, medium), (4, false, high)]);
    }

    #[test]
    fn what_an_agent_chooses_is_bounded() {
        let mut long = suspicion(&"x".repeat(10_000));
        long.message = "y".repeat(10_000);
        let told = fold_all(vec![long]);
        assert_eq!(told[0].about.as_ref().unwrap().as_bytes().len(), ABOUT);
        assert_eq!(told[0].message.as_bytes().len(), MESSAGE);
    }
}
