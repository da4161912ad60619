//! Which environment variables the agent gets.
//!
//! The host's environment is full of credentials, so that nothing of it gets in unless named. Values that a
//! program inside interprets (`LD_PRELOAD`, `PYTHONPATH`) are free: nothing of the enforcement lives inside.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::problem::{Problem, ProblemKind, Problems, quoted};
use crate::section;
use crate::yaml::{Node, Value};

pub(crate) const KEYS: [&str; 2] = ["pass", "set"];
pub(crate) const PASSED: [&str; 5] = ["COLORTERM", "LANG", "LC_ALL", "TERM", "TZ"];

/// `MAX_ARG_STRLEN` of Linux: one `NAME=value` with its final NUL; execve(2) refuses a longer one.
const LONGEST: usize = 131_072;
/// Names that lead to sockets of the host, which stay outside.
const SOCKETS: [&str; 5] =
    ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "DOCKER_HOST", "GPG_AGENT_INFO", "SSH_AUTH_SOCK"];
/// Names of the sandbox's own.
const RESERVED: &str = "AURELIAN_";

/// Which environment variables the agent gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pass: BTreeSet<String>,
    set: BTreeMap<String, String>,
}

impl Environment {
    /// Names whose value is taken from the host, where it has one.
    pub fn pass(&self) -> impl Iterator<Item = &str> {
        self.pass.iter().map(String::as_str)
    }

    /// Names with the value they get, by name.
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Self {
        let mut environment = Self::default();
        let mut passed = BTreeMap::new();
        let entries = section::entries(node, "environment", problems);
        for (key, value) in entries {
            match key.text.as_str() {
                "pass" => {
                    passed = read_pass(value, problems);
                    environment.pass = passed.keys().cloned().collect();
                }
                "set" => {}
                _ => problems.add(section::unknown_key(key, "`environment`", &KEYS)),
            }
        }
        for (_, value) in entries.iter().filter(|(key, _)| key.text == "set") {
            environment.read_set(value, &passed, problems);
        }
        environment
    }

    /// Sets one variable; a name that was passed is set from now on. `span` is where it was written.
    pub(crate) fn set_one(&mut self, name: &str, value: &str, span: &Range<usize>, problems: &mut Problems) {
        if check_name(name, span, problems) && check_value(name, value, span, problems) {
            self.pass.remove(name);
            self.set.insert(name.into(), value.into());
        }
    }

    fn read_set(&mut self, node: &Node, passed: &BTreeMap<String, Range<usize>>, problems: &mut Problems) {
        for (key, value) in section::entries(node, "environment.set", problems) {
            if let Some(first) = passed.get(&key.text) {
                let message = format!("{} is both passed from the host and set", quoted(&key.text));
                let problem = Problem::new(ProblemKind::Contradiction, &key.span, message);
                let problem = problem.label("set here").also(first, "passed here");
                problems.add(problem.with_help("keep one of them"));
                continue;
            }
            if let Some(text) = value_text(&key.text, value, problems) {
                self.set_one(&key.text, text, &key.span, problems);
            }
        }
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self { pass: PASSED.map(String::from).into(), set: BTreeMap::new() }
    }
}

fn read_pass(node: &Node, problems: &mut Problems) -> BTreeMap<String, Range<usize>> {
    let mut passed = BTreeMap::new();
    for (name, item) in section::texts(node, "environment.pass", problems) {
        if !check_name(name, &item.span, problems) || !check_passable(name, &item.span, problems) {
            continue;
        }
        if let Some(first) = passed.insert(name.to_owned(), item.span.clone()) {
            let message = format!("{} is listed twice", quoted(name));
            let problem = Problem::new(ProblemKind::Duplicate, &item.span, message);
            problems
                .add(problem.label("again here").also(&first, "first here").with_help("keep one of them"));
        }
    }
    passed
}

/// The value as it is written: `1.10` stays `1.10`, `yes` stays `yes`.
fn value_text<'n>(name: &str, node: &'n Node, problems: &mut Problems) -> Option<&'n str> {
    match &node.value {
        Value::Scalar(scalar) if !scalar.is_null() => Some(&scalar.text),
        _ => {
            let message = format!("the value of {} must be a text, not {}", quoted(name), node.noun());
            let problem = Problem::new(ProblemKind::WrongType, &node.span, message).label("expected a text");
            problems.add(problem.with_help("write `\"\"` for an empty value; `pass` takes it from the host"));
            None
        }
    }
}

fn check_name(name: &str, span: &Range<usize>, problems: &mut Problems) -> bool {
    let refuse = |kind, message: String, help: &str| Problem::new(kind, span, message).with_help(help);
    let problem = if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=') {
        let message = format!("{} can't be the name of a variable", quoted(name));
        refuse(ProblemKind::WrongValue, message, "a name has no space, no `=` and only ASCII characters")
    } else if name.starts_with(RESERVED) {
        let message = format!("{} is reserved", quoted(name));
        refuse(
            ProblemKind::BreaksBoundary,
            message,
            "names that start with `AURELIAN_` are the sandbox's own",
        )
    } else {
        return true;
    };
    problems.add(problem);
    false
}

fn check_passable(name: &str, span: &Range<usize>, problems: &mut Problems) -> bool {
    if !SOCKETS.contains(&name) {
        return true;
    }
    let message = format!("{} can't be passed: it names a socket of the host", quoted(name));
    let problem = Problem::new(ProblemKind::BreaksBoundary, span, message);
    problems.add(problem.with_help("sockets of the host stay outside the sandbox; remove the entry"));
    false
}

fn check_value(name: &str, value: &str, span: &Range<usize>, problems: &mut Problems) -> bool {
    let message = if value.contains('\0') {
        format!("the value of {} holds a NUL character", quoted(name))
    } else if name.len() + value.len() + 2 > LONGEST {
        format!("the value of {} is longer than a process can be given", quoted(name))
    } else {
        return true;
    };
    let problem = Problem::new(ProblemKind::WrongValue, span, message);
    problems.add(problem.with_help("the kernel takes names with values of up to 128 KiB, without NUL"));
    false
}
