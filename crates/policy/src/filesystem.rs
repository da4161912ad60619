//! Which paths of the host the sandbox has on top of its image.
//!
//! Two steps: [`Draft`] is what the text says, read without a look at the host; [`Draft::resolve`] finds each
//! path on the host and checks it. Where entries lie in each other, the deepest one decides: a read-only folder
//! in a writable one, a hidden one in a readable one. Only the other way round, something granted inside what
//! is hidden, is a contradiction.

use std::path::{Path, PathBuf};

use crate::forbidden::Grant;
use crate::host::Host;
use crate::problem::{Problem, ProblemKind, Problems, quoted};
use crate::section;
use crate::yaml::Node;

pub(crate) const KEYS: [&str; 3] = ["read", "write", "hide"];

/// Entries in one list. Each is looked up on the host, and compared with each other one.
const ENTRIES: usize = 1024;

type Span = std::ops::Range<usize>;

/// Paths of the host inside the sandbox, on top of its image, at their own place.
///
/// All are absolute, exist, have no symbolic link in them, are UTF-8, sorted and without duplicates. The deepest
/// entry decides about a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filesystem {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    hide: Vec<PathBuf>,
}

impl Filesystem {
    /// Files and folders that can be read.
    pub fn read(&self) -> &[PathBuf] {
        &self.read
    }

    /// Files and folders that can be read and written.
    pub fn write(&self) -> &[PathBuf] {
        &self.write
    }

    /// Files and folders that look empty.
    pub fn hide(&self) -> &[PathBuf] {
        &self.hide
    }

    /// Grants one more path for writing; `span` is where it was written.
    pub(crate) fn add_write(&mut self, path: &str, span: &Span, host: &Host, problems: &mut Problems) {
        let mut draft = Draft::default();
        draft.write.push((path.to_owned(), span.clone()));
        let entries = |paths: &[PathBuf]| paths.iter().map(|path| Entry::known(path.clone())).collect();
        let known =
            Resolved { read: entries(&self.read), write: entries(&self.write), hide: entries(&self.hide) };
        *self = draft.resolve_onto(known, host, problems);
    }
}

/// The paths as they are written.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    read: Vec<(String, Span)>,
    write: Vec<(String, Span)>,
    hide: Vec<(String, Span)>,
}

impl Draft {
    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Self {
        let mut draft = Self::default();
        for (key, value) in section::entries(node, "filesystem", problems) {
            match key.text.as_str() {
                "read" => draft.read = paths(value, "filesystem.read", problems),
                "write" => draft.write = paths(value, "filesystem.write", problems),
                "hide" => draft.hide = paths(value, "filesystem.hide", problems),
                _ => problems.add(section::unknown_key(key, "`filesystem`", &KEYS)),
            }
        }
        draft
    }

    pub(crate) fn resolve(&self, host: &Host, problems: &mut Problems) -> Filesystem {
        self.resolve_onto(Resolved::default(), host, problems)
    }

    fn resolve_onto(&self, known: Resolved, host: &Host, problems: &mut Problems) -> Filesystem {
        let mut all = known;
        for (path, span) in &self.hide {
            all.hide.extend(host.hidden(path, span, problems).map(|path| Entry::at(path, span)));
        }
        let hidden: Vec<PathBuf> = all.hide.iter().map(|entry| entry.path.clone()).collect();
        for (path, span) in &self.read {
            let granted = host.granted(path, Grant::Read, &hidden, span, problems);
            all.read.extend(granted.map(|path| Entry::at(path, span)));
        }
        for (path, span) in &self.write {
            let granted = host.granted(path, Grant::Write, &hidden, span, problems);
            all.write.extend(granted.map(|path| Entry::at(path, span)));
        }
        all.check(host.policy(), problems);
        all.into_filesystem()
    }
}

/// A path that was found, and where it was written, if in this text.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    span: Option<Span>,
}

impl Entry {
    fn known(path: PathBuf) -> Self {
        Self { path, span: None }
    }

    fn at(path: PathBuf, span: &Span) -> Self {
        Self { path, span: Some(span.clone()) }
    }
}

/// The paths found on the host, not yet checked against each other.
#[derive(Debug, Default)]
struct Resolved {
    read: Vec<Entry>,
    write: Vec<Entry>,
    hide: Vec<Entry>,
}

impl Resolved {
    fn check(&self, policy: Option<&Path>, problems: &mut Problems) {
        for (list, name) in [(&self.read, "read"), (&self.write, "write"), (&self.hide, "hide")] {
            refuse_repeats(list, name, problems);
        }
        for write in &self.write {
            let same = self.read.iter().find(|read| read.path == write.path);
            if let Some(read) = same {
                let what = format!("{} is listed for reading and for writing", shown(&write.path));
                let help = "`write` includes reading; remove the other entry";
                contradiction(problems, what, (write, "write"), (read, "read"), help);
            }
        }
        for (list, name) in [(&self.read, "read"), (&self.write, "write")] {
            self.refuse_hidden(list, name, problems);
        }
        if let Some(policy) = policy {
            self.refuse_own_policy(policy, problems);
        }
    }

    fn refuse_hidden(&self, granted: &[Entry], name: &str, problems: &mut Problems) {
        for entry in granted {
            let Some(hide) = self.hide.iter().find(|hide| entry.path.starts_with(&hide.path)) else {
                continue;
            };
            let path = shown(&entry.path);
            let what = if entry.path == hide.path {
                format!("{path} is in `{name}` and in `hide`")
            } else {
                format!("{path} is in `{name}`, but lies in {}, which is hidden", shown(&hide.path))
            };
            contradiction(problems, what, (entry, name), (hide, "hide"), "remove one of the two entries");
        }
    }

    /// An agent that can write its policy writes the next run's.
    fn refuse_own_policy(&self, policy: &Path, problems: &mut Problems) {
        let depth = |list: &[Entry]| {
            let around = list.iter().filter(|entry| policy.starts_with(&entry.path));
            around.map(|entry| entry.path.components().count()).max()
        };
        let covered = depth(&self.read).max(depth(&self.hide));
        if depth(&self.write) <= covered {
            return;
        }
        let around = self.write.iter().filter(|entry| policy.starts_with(&entry.path));
        if let Some((entry, span)) = around.filter_map(|entry| Some((entry, entry.span.as_ref()?))).next() {
            let what = format!("{} holds this policy, which the agent could rewrite", shown(&entry.path));
            let problem = Problem::new(ProblemKind::BreaksBoundary, span, what);
            let name = shown(policy);
            problems.add(problem.with_help(format!("move the policy, or add {name} to `filesystem.read`")));
        }
    }

    fn into_filesystem(self) -> Filesystem {
        let sorted = |list: Vec<Entry>| {
            let mut paths: Vec<PathBuf> = list.into_iter().map(|entry| entry.path).collect();
            paths.sort();
            paths.dedup();
            paths
        };
        Filesystem { read: sorted(self.read), write: sorted(self.write), hide: sorted(self.hide) }
    }
}

fn refuse_repeats(list: &[Entry], name: &str, problems: &mut Problems) {
    let mut seen = std::collections::HashMap::new();
    for entry in list {
        let first = *seen.entry(&entry.path).or_insert(entry);
        let Some(span) = entry.span.as_ref().filter(|_| !std::ptr::eq(first, entry)) else { continue };
        let what = format!("{} is listed twice in `{name}`", shown(&entry.path));
        let problem = Problem::new(ProblemKind::Duplicate, span, what).label("again here");
        let problem = match &first.span {
            Some(first) => problem.also(first, "first here"),
            None => problem,
        };
        problems.add(problem.with_help("keep one of them; both lead to the same place"));
    }
}

/// Notes two entries, each with the list it is in, that can't both hold.
fn contradiction(
    problems: &mut Problems,
    what: String,
    one: (&Entry, &str),
    other: (&Entry, &str),
    help: &str,
) {
    let mut places = [one, other].into_iter().filter_map(|(entry, list)| Some((entry.span.as_ref()?, list)));
    // One of the two stands in the text at hand: what was there before was checked already.
    let Some((span, list)) = places.next() else { return };
    let problem = Problem::new(ProblemKind::Contradiction, span, what).label(format!("in `{list}`"));
    let problem = match places.next() {
        Some((span, list)) => problem.also(span, format!("in `{list}`")),
        None => problem,
    };
    problems.add(problem.with_help(help));
}

fn paths(node: &Node, place: &str, problems: &mut Problems) -> Vec<(String, Span)> {
    let texts = section::texts(node, place, problems);
    if texts.len() > ENTRIES {
        let message =
            format!("`{place}` has {} entries, more than the {ENTRIES} a policy can have", texts.len());
        let problem = Problem::new(ProblemKind::OutOfRange, &node.span, message);
        problems.add(problem.with_help("name the folders that hold them"));
        return Vec::new();
    }
    texts.into_iter().map(|(text, node)| (text.to_owned(), node.span.clone())).collect()
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
