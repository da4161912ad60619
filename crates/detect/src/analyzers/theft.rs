//! What opens other doors: decoys, and the metadata services of clouds.

use event::fact::{Decision, DecoySent, Fact, Severity, TheftSeen, Votes};
use event::{Event, Text};

use super::{Analyzer, caller, host, lower, program, scan};
use crate::catalogue;
use crate::finding::Suspicion;

#[derive(Debug, Default)]
pub(super) struct Theft;

impl Analyzer for Theft {
    fn name(&self) -> &'static str {
        "theft"
    }

    fn see(&mut self, event: &Event, suspicions: &mut Vec<Suspicion>) {
        match &event.fact {
            Fact::DecoyRead(read) => {
                let message =
                    format!("{} of {} opened the decoy {}", program(event), caller(event), read.path);
                let seen = seen("decoy-read", 60, &read.decoy, None);
                let read = Suspicion::of(&catalogue::THEFT_DECOY_READ, &*read.decoy, message);
                suspicions.push(read.confidence(60).analysis(seen));
            }
            Fact::DecoySent(sent) => suspicions.push(decoy_sent(event, sent)),
            Fact::NetConnect(connect) => {
                let was_refused = connect.decision != Decision::Allowed;
                metadata(event, &host(&connect.wanted).to_ascii_lowercase(), was_refused, suspicions);
            }
            Fact::NetRefused(refused) => {
                if let Some(destination) = &refused.destination {
                    metadata(event, &lower(&destination.address), true, suspicions);
                }
            }
            Fact::DnsQuery(query) if query.refused => {
                metadata(event, &query.name.as_ref().map(lower).unwrap_or_default(), true, suspicions);
            }
            _ => {}
        }
    }
}

fn decoy_sent(event: &Event, sent: &DecoySent) -> Suspicion {
    let to = sent.host.as_ref().map_or_else(|| "in a name".to_owned(), |host| format!("to {host}"));
    let message = format!(
        "{} of {} sent the token of the decoy {} ({}) {to}; it was cut off before its end",
        program(event),
        caller(event),
        sent.decoy,
        sent.encoding
    );
    let seen = seen("decoy-sent", 99, &sent.decoy, sent.host.clone());
    Suspicion::of(&catalogue::THEFT_DECOY_SENT, &*sent.decoy, message).confidence(99).analysis(seen)
}

/// One question is what client libraries do on any machine, and low where it was refused.
fn metadata(event: &Event, host: &str, was_refused: bool, suspicions: &mut Vec<Suspicion>) {
    if !scan::is_metadata(host) {
        return;
    }
    let message = format!("{} of {} asked {host} who this machine is", program(event), caller(event));
    let suspicion = Suspicion::of(&catalogue::THEFT_METADATA, host, message)
        .prevented(was_refused)
        .confidence(if was_refused { 40 } else { 80 })
        .analysis(seen("metadata-service", 50, host, None));
    suspicions.push(if was_refused { suspicion.severity(Severity::Low) } else { suspicion });
}

fn seen(sign: &'static str, percent: u8, what: &str, host: Option<Text>) -> TheftSeen {
    let mut votes = Votes::default();
    votes.add(sign, percent);
    TheftSeen { votes, what: what.into(), host }
}

#[cfg(test)]
mod tests {
    use event::fact::DecoyRead;

    use super::*;
    use crate::testing::{Trial, connect, rules, wanted};

    #[test]
    fn a_decoy_that_is_opened_is_low_and_one_that_is_sent_is_critical() {
        let mut trial = Trial::of(Theft);
        let read = trial.fact(1, DecoyRead { decoy: "aws".into(), path: "/root/.aws/credentials".into() });
        assert_eq!((rules(&read), read[0].severity), (vec!["theft.decoy-read"], Severity::Low));
        let sent = DecoySent {
            decoy: "aws".into(),
            encoding: "base64".into(),
            flow: Some(1),
            host: Some("a.example".into()),
        };
        let sent = trial.fact(1, sent);
        assert_eq!((rules(&sent), sent[0].severity), (vec!["theft.decoy-sent"], Severity::Critical));
    }

    #[test]
    fn a_refused_question_about_the_machine_is_low_and_an_answered_one_is_not() {
        let mut trial = Trial::of(Theft);
        let mut ask = |decision| {
            let place = wanted(None, Some("169.254.169.254"), 80);
            trial.fact(1, connect(place, None, decision)).remove(0).severity
        };
        assert_eq!((ask(Decision::Refused), ask(Decision::Allowed)), (Severity::Low, Severity::High));
    }
}
