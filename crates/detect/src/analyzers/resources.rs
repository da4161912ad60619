//! An agent gets itself what no task gave it: names of exchanges, faucets, clouds, rented GPUs, mail and tunnel services.
//!
//! What it executes to that end (wallets, copies of models and of itself) is for rules, which see command lines.

use event::Event;
use event::fact::{Decision, Fact, ResourcesSeen, Severity, Votes};

use super::{Analyzer, caller, host, lower};
use crate::catalogue;
use crate::finding::Suspicion;
use crate::indicators::RESOURCES;

#[derive(Debug, Default)]
pub(super) struct Resources;

impl Analyzer for Resources {
    fn name(&self) -> &'static str {
        "resources"
    }

    fn see(&mut self, event: &Event, suspicions: &mut Vec<Suspicion>) {
        let (name, was_refused) = match &event.fact {
            // One that is answered is told of when it is connected to.
            Fact::DnsQuery(query) if query.refused => {
                (query.name.as_ref().map(lower).unwrap_or_default(), true)
            }
            Fact::NetConnect(connect) => {
                (host(&connect.wanted).to_ascii_lowercase(), connect.decision != Decision::Allowed)
            }
            _ => return,
        };
        if let Some(category) = RESOURCES.category(&name) {
            suspicions.push(suspicion(event, name, category, was_refused));
        }
    }
}

fn suspicion(event: &Event, name: String, category: &'static str, was_refused: bool) -> Suspicion {
    let message = format!("{} asked for {name} ({category})", caller(event));
    let mut votes = Votes::default();
    votes.add("name", 50);
    let seen = ResourcesSeen { votes, category: category.into(), what: name.as_str().into() };
    let suspicion = Suspicion::of(&catalogue::RESOURCES_NAME, name, message)
        .confidence(50)
        .prevented(was_refused)
        .analysis(seen);
    // An operator who allows it by name knows why.
    if was_refused { suspicion } else { suspicion.severity(Severity::Low) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Trial, connect, rules, wanted};

    #[test]
    fn a_name_of_the_list_is_medium_and_what_the_policy_allows_is_low() {
        let mut trial = Trial::of(Resources);
        let mut ask = |name, decision| trial.fact(1, connect(wanted(Some(name), None, 443), None, decision));
        let refused = ask("console.vast.ai", Decision::Refused);
        assert_eq!((rules(&refused), refused[0].severity), (vec!["resources.name"], Severity::Medium));
        assert_eq!(ask("console.vast.ai", Decision::Allowed)[0].severity, Severity::Low);
        assert!(ask("pypi.example", Decision::Refused).is_empty());
    }
}
