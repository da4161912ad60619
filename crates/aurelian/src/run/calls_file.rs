//! A file of calls: one JSON object a line.
//!
//! Nothing starts before every line was understood: a typing error in the last call must not cost a run.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// Bytes of the longest line.
const LINE: usize = 4 << 20;
/// Calls in one file.
const CALLS: usize = 100_000;
/// Bytes of the longest id.
const ID: usize = 256;
/// Bytes of the longest argument or variable: `MAX_ARG_STRLEN` of Linux, with its final NUL (execve(2)).
const ARGUMENT: usize = 131_071;
/// The longest timeout.
const TIMEOUT: Duration = Duration::from_secs(365 * 86_400);

/// One call as the file has it, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallLine {
    pub(crate) id: Option<String>,
    /// The program and its arguments, never empty.
    pub(crate) command: Vec<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) stdin: Option<String>,
}

/// Why a file of calls can't be used.
#[derive(Debug, Error)]
pub(crate) enum CallsError {
    /// It can't be read.
    #[error("cannot read the calls in {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// It has none.
    #[error("{path} has no calls; a line is {EXAMPLE}", path = .0.display())]
    Empty(PathBuf),
    /// A line is not a call.
    #[error("{path}:{line}: {problem}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it, and what was expected.
        problem: String,
    },
}

const EXAMPLE: &str = r#"{"id": "call_1", "command": "pytest -q", "timeout": 60}"#;

/// Reads and checks the calls in a file.
pub(crate) fn read(path: &Path) -> Result<Vec<CallLine>, CallsError> {
    let unreadable = |source| CallsError::Unreadable { path: path.to_owned(), source };
    let mut input = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut calls = Vec::new();
    let mut ids = HashMap::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if io::Read::take(&mut input, LINE as u64 + 1).read_until(b'\n', &mut line).map_err(unreadable)? == 0
        {
            break;
        }
        let wrong = |problem| CallsError::Line { path: path.to_owned(), line: number, problem };
        if line.trim_ascii().is_empty() {
            continue;
        }
        let call = parse(&line).map_err(wrong)?;
        if calls.len() == CALLS {
            return Err(wrong(format!("more than {CALLS} calls")));
        }
        if let Some(first) = call.id.clone().and_then(|id| ids.insert(id, number)) {
            return Err(wrong(format!("the id is that of line {first} too; each call needs its own")));
        }
        calls.push(call);
    }
    if calls.is_empty() { Err(CallsError::Empty(path.to_owned())) } else { Ok(calls) }
}

/// Reads one line.
fn parse(line: &[u8]) -> Result<CallLine, String> {
    if line.len() > LINE {
        return Err(format!("the line is longer than {} MiB", LINE >> 20));
    }
    let raw: Raw = serde_json::from_slice(line).map_err(|error| explain(&error))?;
    raw.check()
}

/// serde_json's message without its line, which is always 1.
fn explain(error: &serde_json::Error) -> String {
    const LONGEST: usize = 300;
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let short: String = message.chars().take(LONGEST).collect();
    format!("column {}: {short}; a line is {EXAMPLE}", error.column())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: Option<String>,
    command: Words,
    timeout: Option<f64>,
    cwd: Option<PathBuf>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    stdin: Option<String>,
}

impl Raw {
    fn check(self) -> Result<CallLine, String> {
        let command = self.command.0;
        check_id(self.id.as_deref())?;
        check_command(&command)?;
        check_environment(&self.env)?;
        if self.cwd.as_ref().is_some_and(|cwd| cwd.as_os_str().is_empty() || has_nul(&cwd.to_string_lossy()))
        {
            return Err("`cwd` must be a path inside the sandbox".to_owned());
        }
        let timeout = self.timeout.map(seconds).transpose()?;
        Ok(CallLine {
            id: self.id,
            command,
            timeout,
            cwd: self.cwd,
            environment: self.env,
            stdin: self.stdin,
        })
    }
}

fn check_id(id: Option<&str>) -> Result<(), String> {
    match id {
        Some("") => Err("`id` is empty; leave it out or give one".to_owned()),
        Some(id) if id.len() > ID => Err(format!("`id` has {} bytes; at most {ID} are taken", id.len())),
        _ => Ok(()),
    }
}

fn check_command(command: &[String]) -> Result<(), String> {
    match command.first() {
        None => return Err("`command` is empty; the first word is the program".to_owned()),
        Some(program) if program.is_empty() => return Err("`command` begins with an empty word".to_owned()),
        Some(_) => {}
    }
    match command.iter().find(|word| has_nul(word) || word.len() > ARGUMENT) {
        Some(word) if has_nul(word) => Err("`command` has a NUL character".to_owned()),
        Some(word) => Err(format!("`command` has a word of {} bytes; Linux takes {ARGUMENT}", word.len())),
        None => Ok(()),
    }
}

fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in environment {
        if name.is_empty() || name.contains('=') || has_nul(name) {
            return Err("`env` has a name that is empty or has a `=` or a NUL character".to_owned());
        }
        if has_nul(value) || name.len() + value.len() + 1 > ARGUMENT {
            return Err(format!("`env` has a value with a NUL character, or more than {ARGUMENT} bytes"));
        }
    }
    Ok(())
}

fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

fn seconds(seconds: f64) -> Result<Duration, String> {
    let wrong =
        || format!("`timeout` is {seconds}; expected seconds, more than 0 and at most {}", TIMEOUT.as_secs());
    let timeout = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    if timeout.is_zero() || timeout > TIMEOUT { Err(wrong()) } else { Ok(timeout) }
}

/// A command: a string for the shell, or its words.
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`command` as a string for the shell, or as an array of strings")
            }

            fn visit_str<E: serde::de::Error>(self, script: &str) -> Result<Words, E> {
                if script.trim().is_empty() {
                    return Err(E::custom("`command` is empty"));
                }
                Ok(Words(vec!["/bin/sh".into(), "-c".into(), script.into()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = items.next_element::<String>()? {
                    words.push(word);
                    if words.len() > LINE / 2 {
                        return Err(A::Error::custom("`command` has too many words"));
                    }
                }
                Ok(Words(words))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: &str) -> String {
        parse(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_string_is_for_the_shell_and_an_array_is_not() {
        let call = parse(br#"{"command": "a | b"}"#).unwrap();
        assert_eq!(call.command, ["/bin/sh", "-c", "a | b"]);
        let call = parse(br#"{"command": ["a", "| b", ""]}"#).unwrap();
        assert_eq!(call.command, ["a", "| b", ""]);
    }

    #[test]
    fn every_field_is_read() {
        let line = r#"{"id":"c","command":["x"],"timeout":0.5,"cwd":"sub","env":{"A":"b"},"stdin":"in\n"}"#;
        let call = parse(line.as_bytes()).unwrap();
        assert_eq!(call.id.as_deref(), Some("c"));
        assert_eq!(call.timeout, Some(Duration::from_millis(500)));
        assert_eq!(call.cwd.as_deref(), Some(Path::new("sub")));
        assert_eq!(call.environment["A"], "b");
        assert_eq!(call.stdin.as_deref(), Some("in\n"));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_was_expected() {
        for (line, wanted) in [
            (r#"{"command": "x", "comand": 1}"#, "unknown field `comand`"),
            (r#"{"id": "a"}"#, "missing field `command`"),
            (r#"{"command": 3}"#, "expected `command` as a string for the shell, or as an array of strings"),
            (r#"{"command": "x", "timeout": "3"}"#, "invalid type: string \"3\", expected f64"),
            (r#"{"command": "x", "timeout": 0}"#, "`timeout` is 0; expected seconds"),
            (r#"{"command": "x", "timeout": -1}"#, "`timeout` is -1"),
            (r#"{"command": "x", "timeout": 1e300}"#, "`timeout` is 1"),
            (r#"{"command": " "}"#, "`command` is empty"),
            (r#"{"command": []}"#, "`command` is empty"),
            (r#"{"command": [""]}"#, "empty word"),
            (r#"{"command": "a\u0000b"}"#, "NUL"),
            (r#"{"command": "x", "env": {"A=B": "c"}}"#, "`env` has a name"),
            (r#"{"command": "x", "id": ""}"#, "`id` is empty"),
            (r#"{"command": "x", "command": "y"}"#, "duplicate field"),
            (r#"{"command": "x"} {}"#, "trailing characters"),
            ("[]", "expected"),
            ("{", "EOF"),
        ] {
            let problem = problem(line);
            assert!(problem.contains(wanted), "{line}: {problem}");
        }
        assert!(problem(&format!(r#"{{"command":"x","id":"{}"}}"#, "i".repeat(257))).contains("257 bytes"));
        assert!(
            problem(&format!(r#"{{"command":["{}"]}}"#, "i".repeat(ARGUMENT + 1))).contains("Linux takes")
        );
    }

    #[test]
    fn a_file_is_read_line_by_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"command\":\"a\",\"id\":\"1\"}\n\n{\"command\":\"b\"}").unwrap();
        assert_eq!(read(file.path()).unwrap().len(), 2);
        std::fs::write(file.path(), "{\"command\":\"a\",\"id\":\"1\"}\n{\"command\":\"b\",\"id\":\"1\"}\n")
            .unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.ends_with(":2: the id is that of line 1 too; each call needs its own"), "{error}");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(matches!(read(file.path()), Err(CallsError::Empty(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line: Vec<u8>) {
            let _ = parse(&line);
        }
    }
}
