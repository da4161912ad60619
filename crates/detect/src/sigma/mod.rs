//! Sigma rules (<https://sigmahq.io/sigma-specification>) over the events of a run, by `rsigma`.
//!
//! [`Rules`] are checked and compiled once, and shared by all runs; what a run's correlations count is its own (`Matcher`).
//! A rule's log source says which kinds of events it can match, so that an event meets only those rules; `docs/sigma.md` has the mapping.

mod fields;
mod load;
mod source;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use event::fact::{Decision, Fact, Severity};
use event::{Event, Name};
use rsigma_eval::{
    CorrelationConfig, CorrelationEngine, CorrelationEventMode, Engine, EvaluationResult, TimestampFallback,
};
use rsigma_parser::{Level, SigmaCollection, SigmaRule};

use crate::finding::Suspicion;
use crate::lineage::Lineage;
use fields::View;

pub use fields::{ALIASES, Alias};
pub use load::{Notice, RulesError};

/// Groups and windows that the correlations of a run keep.
const GROUPS: usize = 10_000;
const ENTRIES: usize = 10_000;
const REFERENCES: usize = 16;
/// After a correlation matched for a group, it is silent about it for so long.
const SILENT_SECS: u64 = 60;

/// Rules that were checked.
pub struct Rules {
    /// For each kind of event, the rules that can match it.
    by_kind: HashMap<&'static str, Engine>,
    collection: SigmaCollection,
    /// Correlations with the rules that they build on.
    correlating: SigmaCollection,
    about: HashMap<String, About>,
    /// What is odd about them, and no error.
    notices: Vec<Notice>,
}

/// What a finding says of its rule.
#[derive(Clone, Debug)]
struct About {
    name: Name,
    title: Name,
    severity: Severity,
    remedy: Name,
    asi: Vec<Name>,
    attack: Vec<Name>,
    atlas: Vec<Name>,
    /// Matches only serve a correlation.
    is_silent: bool,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("rules", &self.len()).finish_non_exhaustive()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            by_kind: HashMap::new(),
            collection: SigmaCollection::new(),
            correlating: SigmaCollection::new(),
            about: HashMap::new(),
            notices: Vec::new(),
        }
    }
}

impl Rules {
    /// The rules that come with this release.
    ///
    /// # Errors
    /// None: a test holds that they can be read.
    pub fn shipped() -> Result<Self, RulesError> {
        load::shipped()
    }

    /// The rules that come with this release, and those of the files `*.yml` and `*.yaml` in these folders and below.
    ///
    /// # Errors
    /// A folder can't be read, or what is wrong with a rule: all that is wrong, each with its file and line. Then none of them holds.
    pub fn load(folders: &[impl AsRef<Path>]) -> Result<Self, RulesError> {
        load::with(folders)
    }

    /// How many rules there are, correlations included.
    pub fn len(&self) -> usize {
        self.collection.rules.len() + self.collection.correlations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is odd about the rules: those that can never match, and fields that no event has.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The names of the rules that match an event by themselves, for testing rules.
    pub fn matching(&self, event: &Event) -> Vec<String> {
        let view = View::of(event, None);
        let results = self.by_kind.get(event.fact.kind()).map(|engine| engine.evaluate(&view));
        results
            .into_iter()
            .flatten()
            .filter_map(|result| Some(self.about(&result)?.name.to_string()))
            .collect()
    }

    fn about(&self, result: &EvaluationResult) -> Option<&About> {
        self.about.get(result.header.rule_id.as_ref().unwrap_or(&result.header.rule_title))
    }
}

/// Matches the rules against the events of one run.
pub(crate) struct Matcher {
    rules: Arc<Rules>,
    /// None where no rule correlates: most of an engine would be for nothing.
    correlations: Option<CorrelationEngine>,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Matcher {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        let correlations =
            (!rules.correlating.correlations.is_empty()).then(|| correlations(&rules.correlating));
        Self { rules, correlations }
    }

    /// What the rules say about an event.
    pub(crate) fn see(&mut self, event: &Event, lineage: &Lineage, suspicions: &mut Vec<Suspicion>) {
        let Some(engine) = self.rules.by_kind.get(event.fact.kind()) else { return };
        let view = View::of(event, Some(lineage));
        let matches = engine.evaluate(&view);
        if matches.is_empty() {
            return;
        }
        let results = match &mut self.correlations {
            Some(engine) => {
                let second = event.time.as_nanos().div_euclid(1_000_000_000);
                engine.process_with_detections(&view, matches, second)
            }
            None => matches,
        };
        for result in &results {
            if let Some(about) = self.rules.about(result).filter(|about| !about.is_silent) {
                suspicions.push(suspicion(about, result, event));
            }
        }
    }
}

fn correlations(collection: &SigmaCollection) -> CorrelationEngine {
    let config = CorrelationConfig {
        timestamp_fields: Vec::new(),
        timestamp_fallback: TimestampFallback::Skip,
        max_state_entries: GROUPS,
        max_group_entries: Some(ENTRIES),
        suppress: Some(SILENT_SECS),
        correlation_event_mode: CorrelationEventMode::Refs,
        max_correlation_events: REFERENCES,
        ..CorrelationConfig::default()
    };
    let mut engine = CorrelationEngine::new(config);
    // They were compiled before, when they were loaded: what can't be was refused there.
    let _ = engine.add_collection(collection);
    engine
}

fn suspicion(about: &About, result: &EvaluationResult, event: &Event) -> Suspicion {
    let evidence = result.as_correlation().and_then(|body| body.event_refs.as_ref());
    let evidence = evidence.into_iter().flatten().filter_map(|reference| reference.id.as_ref()?.parse().ok());
    let message = match result.as_correlation() {
        Some(body) => format!("{}: {} within {} s", about.title, body.aggregated_value, body.timespan_secs),
        None => format!("{}{}", about.title, fields::subject(event)),
    };
    let suspicion = Suspicion {
        rule: about.name.clone(),
        title: about.title.clone(),
        source: "sigma".into(),
        severity: about.severity,
        confidence: 70,
        prevented: false,
        about: result.as_correlation().map(group).unwrap_or_default().into(),
        message,
        remedy: about.remedy.clone(),
        evidence: evidence.collect(),
        times: 1,
        asi: about.asi.clone(),
        attack: about.attack.clone(),
        atlas: about.atlas.clone(),
        analysis: None,
    };
    suspicion.prevented(was_refused(event))
}

/// The group of a correlation, as far as it isn't the call, which a finding has anyway.
fn group(body: &rsigma_eval::result::CorrelationBody) -> String {
    let keys = body.group_key.iter().filter(|(name, _)| !matches!(name.as_str(), "call" | "run"));
    keys.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
}

/// Whether the boundary refused what an event tells of.
fn was_refused(event: &Event) -> bool {
    match &event.fact {
        Fact::NetRefused(_) | Fact::SyscallRefused(_) => true,
        Fact::NetConnect(connect) => connect.decision == Decision::Refused,
        Fact::DnsQuery(query) => query.refused,
        _ => false,
    }
}

impl About {
    fn of(
        (id, name, title): (Option<&String>, Option<&String>, &str),
        level: Option<Level>,
        tags: &[String],
        remedy: Option<String>,
    ) -> Self {
        let tagged = |namespace: &str| -> Vec<Name> {
            let ids = tags.iter().filter_map(|tag| tag.strip_prefix(namespace));
            // Tactics are words, and techniques have a number.
            ids.filter(|id| id.bytes().any(|byte| byte.is_ascii_digit()))
                .map(|id| id.to_ascii_uppercase().into())
                .collect()
        };
        let name = name.or(id).cloned().unwrap_or_else(|| title.to_owned());
        let remedy = remedy
            .unwrap_or_else(|| "look at the events, and at what the rule says of false positives".to_owned());
        Self {
            name: name.into(),
            title: title.to_owned().into(),
            severity: severity(level),
            remedy: remedy.into(),
            asi: tagged("asi."),
            attack: tagged("attack."),
            atlas: tagged("atlas."),
            is_silent: false,
        }
    }
}

fn severity(level: Option<Level>) -> Severity {
    match level {
        Some(Level::Critical) => Severity::Critical,
        Some(Level::High) => Severity::High,
        Some(Level::Medium) => Severity::Medium,
        Some(Level::Low) => Severity::Low,
        Some(Level::Informational) | None => Severity::Informational,
    }
}

/// The rules of a collection by the kinds of events that they can match.
fn sorted(collection: &SigmaCollection) -> BTreeMap<&'static str, Vec<&SigmaRule>> {
    let mut by_kind: BTreeMap<&'static str, Vec<&SigmaRule>> = BTreeMap::new();
    for rule in &collection.rules {
        for kind in source::kinds(&rule.logsource).into_iter().flatten() {
            by_kind.entry(kind).or_default().push(rule);
        }
    }
    by_kind
}
