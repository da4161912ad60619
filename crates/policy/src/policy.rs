//! The checked policy, and the ways to one.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::digest::Digest;
use crate::environment::Environment;
use crate::filesystem::{Draft, Filesystem};
use crate::host::Host;
use crate::limits::Limits;
use crate::network::Network;
use crate::problem::{PolicyError, Problem, ProblemKind, Problems};
use crate::response::{Response, Watch};
use crate::section;
use crate::syscalls::Syscalls;
use crate::units::duration_text;
use crate::yaml::{self, Key, Node, Value};

pub(crate) const KEYS: [&str; 8] =
    ["version", "filesystem", "limits", "syscalls", "environment", "network", "response", "watch"];

/// The version of the format.
pub(crate) const VERSION: u64 = 1;

/// Bytes of the longest policy accepted.
const LONGEST: usize = 1 << 20;

/// What a run is allowed.
///
/// There is no way to a `Policy` but through its checks: holding one is the proof that they passed, against the
/// paths of this host at that moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    filesystem: Filesystem,
    limits: Limits,
    syscalls: Syscalls,
    environment: Environment,
    network: Network,
    response: Response,
    watch: Watch,
}

impl Policy {
    /// Reads and checks the text of a policy.
    ///
    /// `name` is what errors call the text; relative paths begin in the folder of that name, so that a file's
    /// own path, or `<stdin>`, both mean what a person expects.
    ///
    /// # Errors
    /// All that is wrong with the text, as far as it could be read.
    pub fn parse(source: &str, name: &str) -> Result<Self, PolicyError> {
        Self::read(source, name, &Host::around(Path::new(name)))
    }

    /// Reads and checks the policy in a file.
    ///
    /// More than [`parse`](Self::parse), it refuses a policy that lets the agent write that same file.
    ///
    /// # Errors
    /// The file can't be read, or what is wrong with its text.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let unreadable = |source| PolicyError::Unreadable { path: path.to_owned(), source: Arc::new(source) };
        let bytes = read_some(path).map_err(unreadable)?;
        let name = path.to_string_lossy();
        match String::from_utf8(bytes) {
            Ok(source) => Self::read(&source, &name, &Host::of_file(path)),
            Err(error) => not_text(&error, &name),
        }
    }

    /// Paths of the host, on top of the image.
    pub fn filesystem(&self) -> &Filesystem {
        &self.filesystem
    }

    /// What a run may use up.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Refused system calls that are allowed after all.
    pub fn syscalls(&self) -> &Syscalls {
        &self.syscalls
    }

    /// Environment variables the agent gets.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Which network the agent gets.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What findings lead to.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// What is put out to be found.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// A digest of all that the policy says, the same for the same meaning however it was written.
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    /// The policy as YAML that parses to the same policy on this host.
    pub fn to_yaml(&self) -> String {
        crate::text::to_yaml(self)
    }

    /// This policy with another time limit, rounded up to a millisecond.
    ///
    /// # Errors
    /// The limit is out of the range of `limits.time`.
    pub fn with_time_limit(mut self, time: Duration) -> Result<Self, PolicyError> {
        let source = duration_text(time);
        let mut problems = Problems::default();
        self.limits.set_time(time, &(0..source.len()), &mut problems);
        problems.or(self, "the time limit", &source)
    }

    /// This policy with one more environment variable set; it replaces one of that name, set or passed.
    ///
    /// # Errors
    /// The name or the value is one that `environment.set` refuses. The error quotes the name only.
    pub fn with_env(mut self, name: &str, value: &str) -> Result<Self, PolicyError> {
        let mut problems = Problems::default();
        self.environment.set_one(name, value, &(0..name.len()), &mut problems);
        problems.or(self, "the environment variable", name)
    }

    /// This policy with one more path that can be written, relative to the current folder.
    ///
    /// # Errors
    /// The path is one that `filesystem.write` refuses, or contradicts the policy.
    pub fn with_write(mut self, path: &Path) -> Result<Self, PolicyError> {
        let text = path.to_string_lossy();
        let span = 0..text.len();
        let mut problems = Problems::default();
        if path.to_str().is_some() {
            self.filesystem.add_write(&text, &span, &Host::around(Path::new("")), &mut problems);
        } else {
            problems.add(Problem::new(ProblemKind::WrongValue, &span, "the path is not UTF-8"));
        }
        problems.or(self, "the writable path", &text)
    }

    fn read(source: &str, name: &str, host: &Host) -> Result<Self, PolicyError> {
        let mut problems = Problems::default();
        if source.len() > LONGEST {
            problems.add(too_long());
            return problems.or(Self::default(), name, "");
        }
        let Some(document) = yaml::read(source, &mut problems) else {
            return problems.or(Self::default(), name, source);
        };
        let (mut policy, draft) = Self::sections(&document, &mut problems);
        policy.filesystem = draft.resolve(host, &mut problems);
        policy.network.locate(source);
        problems.or(policy, name, source)
    }

    /// Everything but the paths, which need the host.
    fn sections(document: &Node, problems: &mut Problems) -> (Self, Draft) {
        let mut policy = Self::default();
        let mut draft = Draft::default();
        let entries = match &document.value {
            Value::Map(entries) => entries.as_slice(),
            _ => {
                problems.add(not_a_map(document));
                return (policy, draft);
            }
        };
        check_version(document, entries, problems);
        for (key, value) in entries {
            match key.text.as_str() {
                "version" => {}
                "filesystem" => draft = Draft::read(value, problems),
                "limits" => policy.limits = Limits::read(value, problems),
                "syscalls" => policy.syscalls = Syscalls::read(value, problems),
                "environment" => policy.environment = Environment::read(value, problems),
                "network" => policy.network = Network::read(value, problems),
                "response" => policy.response = Response::read(value, problems),
                "watch" => policy.watch = Watch::read(value, problems),
                _ => problems.add(section::unknown_key(key, "a policy", &KEYS)),
            }
        }
        (policy, draft)
    }
}

fn check_version(document: &Node, entries: &[(Key, Node)], problems: &mut Problems) {
    let Some((_, node)) = entries.iter().find(|(key, _)| key.text == "version") else {
        let start = document.span.start..document.span.start;
        let problem = Problem::new(ProblemKind::Unsupported, &start, "the policy has no version");
        problems.add(problem.with_help("begin it with `version: 1`"));
        return;
    };
    match &node.value {
        Value::Scalar(scalar) if scalar.plain && scalar.text == VERSION.to_string() => {}
        _ => {
            let message = format!("version {} is not supported", node.noun());
            let problem = Problem::new(ProblemKind::Unsupported, &node.span, message).label("expected 1");
            problems.add(problem.with_help("this release knows version 1: write `version: 1`"));
        }
    }
}

fn not_a_map(document: &Node) -> Problem {
    match &document.value {
        Value::Scalar(scalar) if scalar.is_null() => yaml::empty(),
        _ => {
            let message = format!("a policy must be a map, not {}", document.noun());
            let problem =
                Problem::new(ProblemKind::WrongType, &document.span, message).label("expected a map");
            problem.with_help("the shortest policy is `version: 1`")
        }
    }
}

fn too_long() -> Problem {
    Problem::new(ProblemKind::Syntax, &(0..0), "the policy is longer than 1 MiB")
        .with_help("is this the right file?")
}

/// Reads a file, but not much more than a policy can be long: the path may be a device without end.
fn read_some(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn not_text(error: &std::string::FromUtf8Error, name: &str) -> Result<Policy, PolicyError> {
    let at = error.utf8_error().valid_up_to();
    let mut problems = Problems::default();
    let (bytes, source) = (error.as_bytes(), String::from_utf8_lossy(error.as_bytes()));
    if bytes.len() > LONGEST {
        problems.add(too_long());
        return problems.or(Policy::default(), name, "");
    }
    let problem = Problem::new(ProblemKind::Syntax, &(at..at), "the policy is not UTF-8 text");
    problems.add(problem.label("the first byte that isn't").with_help("save the file as UTF-8"));
    problems.or(Policy::default(), name, &source)
}
