//! `aurelian policy test`: what a policy says to one connection, before any agent makes it.
//!
//! It is the gateway's own decision, on a connection that tells the truth about itself: what its protocol says of its
//! destination is what was asked for. What only a lookup can tell, the addresses of a name, is not looked up.

use std::io::Write;
use std::process::ExitCode;

use policy::Policy;
use policy::network::{Claim, Destination, Refusal, Rule};
use serde::Serialize;

use crate::cli::PolicyTest;
use crate::failure::Failure;

/// The exit code of a connection that is refused.
const REFUSED: u8 = 1;

pub(super) fn run(options: &PolicyTest, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let policy = Policy::load(&options.file)?;
    if options.host.is_own_loopback() {
        return own_loopback(options, out);
    }
    let decision = policy.network().decide(&options.host, options.port, options.protocol, Claim::None);
    if options.json {
        writeln!(out, "{}", json(options, &policy, &decision)?)?;
    } else {
        writeln!(out, "{}", text(options, &policy, &decision))?;
    }
    out.flush()?;
    Ok(ExitCode::from(if decision.is_ok() { 0 } else { REFUSED }))
}

/// No rule is about the sandbox's own loopback: what is said there stays there.
fn own_loopback(options: &PolicyTest, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let message = "this is the sandbox's own loopback, which needs no rule and leads nowhere else";
    if options.json {
        let answer = Answer { message: Some(message.to_owned()), ..Answer::new(options, "allowed") };
        writeln!(out, "{}", serde_json::to_string_pretty(&answer).map_err(std::io::Error::from)?)?;
    } else {
        writeln!(out, "allowed: {message}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn text(options: &PolicyTest, policy: &Policy, decision: &Result<&Rule, Refusal>) -> String {
    let place = |rule: &Rule| format!("{}:{}: {rule}", options.file.display(), rule.line());
    match decision {
        Ok(rule) => {
            let lookup = match (&options.host, rule.is_private()) {
                (Destination::Name(_), false) => {
                    "\nof the addresses that the name has, only public ones are dialled"
                }
                _ => "",
            };
            format!("allowed: {}{lookup}", place(rule))
        }
        Err(refusal) => {
            let rules = policy.network().rules_to(&options.host);
            let near: String =
                rules.into_iter().map(|rule| format!("\nleads there: {}", place(rule))).collect();
            format!("refused: {}: {refusal}{near}", refusal.name())
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    decision: &'static str,
    host: String,
    port: u16,
    protocol: &'static str,
    /// The rule that allows it.
    rule: Option<RuleAnswer>,
    /// Where none does: the rules that lead there, by another port or for another protocol.
    near: Vec<RuleAnswer>,
    reason: Option<&'a str>,
    message: Option<String>,
}

#[derive(Serialize)]
struct RuleAnswer {
    line: usize,
    target: String,
    ports: Vec<u16>,
    protocol: &'static str,
    private: bool,
}

impl Answer<'_> {
    fn new(options: &PolicyTest, decision: &'static str) -> Self {
        Self {
            decision,
            host: options.host.to_string(),
            port: options.port,
            protocol: options.protocol.name(),
            rule: None,
            near: Vec::new(),
            reason: None,
            message: None,
        }
    }
}

impl From<&Rule> for RuleAnswer {
    fn from(rule: &Rule) -> Self {
        Self {
            line: rule.line(),
            target: rule.target().to_string(),
            ports: rule.ports().collect(),
            protocol: rule.protocol().name(),
            private: rule.is_private(),
        }
    }
}

fn json(options: &PolicyTest, policy: &Policy, decision: &Result<&Rule, Refusal>) -> Result<String, Failure> {
    let refusal = decision.as_ref().err();
    let near = refusal.map(|_| policy.network().rules_to(&options.host)).unwrap_or_default();
    let answer = Answer {
        rule: decision.as_ref().ok().map(|rule| RuleAnswer::from(*rule)),
        near: near.into_iter().map(RuleAnswer::from).collect(),
        reason: refusal.map(Refusal::name),
        message: refusal.map(ToString::to_string),
        ..Answer::new(options, if refusal.is_none() { "allowed" } else { "refused" })
    };
    Ok(serde_json::to_string_pretty(&answer).map_err(std::io::Error::from)?)
}
