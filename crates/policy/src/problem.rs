//! What is wrong with a policy, and where.
//!
//! Reading goes on after a problem where it can, so that a person sees all of them at once. Each problem
//! carries its place in the source; [`PolicyError`] joins them with the source, so that any
//! [`miette`] handler can print the lines concerned.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource};
use thiserror::Error;

/// Problems shown for one policy. Past this many, a person repairs and tries again.
const SHOWN: usize = 20;
/// Characters of a quoted text before it is cut.
const QUOTED: usize = 60;

/// A policy that can't be had.
///
/// `{}` displays one line; `{:#}` adds a line for each problem, as `name:line:column: message; help`.
#[derive(Debug, Clone, Error, Diagnostic)]
pub enum PolicyError {
    /// cannot read the policy file
    #[error("cannot read the policy `{}`: {source}", path.display())]
    #[diagnostic(code("policy::unreadable"))]
    Unreadable {
        /// The file as it was named.
        path: PathBuf,
        /// What the system answered.
        source: Arc<io::Error>,
    },
    /// the text is not a policy
    #[error(fmt = write_refused)]
    Refused {
        /// The text, under the name it was given.
        #[source_code]
        source_text: NamedSource<Arc<str>>,
        /// What is wrong with it, in the order of the text; never empty.
        #[related]
        problems: Vec<Problem>,
        /// How many more problems there are than are listed.
        omitted: usize,
    },
}

impl PolicyError {
    /// What is wrong with the text; empty when it couldn't be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Refused { problems, .. } => problems,
        }
    }
}

/// What sort of problem it is, for machines. Displays as `policy::unknown-key` and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// Not YAML, or a part of YAML that policies don't use.
    Syntax,
    /// A key that policies don't have.
    UnknownKey,
    /// A key or an entry that stands there twice.
    Duplicate,
    /// A list where a map is expected, and the like.
    WrongType,
    /// A value that can't be read: a unit, a name.
    WrongValue,
    /// A limit below the least or above the most.
    OutOfRange,
    /// A version or a section that this release doesn't support.
    Unsupported,
    /// A path that doesn't exist or can't be looked at.
    MissingPath,
    /// Something that would break the boundary.
    BreaksBoundary,
    /// Two entries that can't both hold.
    Contradiction,
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "policy::syntax",
            Self::UnknownKey => "policy::unknown-key",
            Self::Duplicate => "policy::duplicate",
            Self::WrongType => "policy::wrong-type",
            Self::WrongValue => "policy::wrong-value",
            Self::OutOfRange => "policy::out-of-range",
            Self::Unsupported => "policy::unsupported",
            Self::MissingPath => "policy::missing-path",
            Self::BreaksBoundary => "policy::breaks-boundary",
            Self::Contradiction => "policy::contradiction",
        })
    }
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub struct Problem {
    kind: ProblemKind,
    message: String,
    labels: Vec<(Range<usize>, String)>,
    help: Option<String>,
    line: usize,
    column: usize,
}

impl Problem {
    /// What sort of problem it is.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    pub(crate) fn new(kind: ProblemKind, span: &Range<usize>, message: impl Into<String>) -> Self {
        let labels = vec![(span.clone(), String::new())];
        Self { kind, message: message.into(), labels, help: None, line: 1, column: 1 }
    }

    /// Says what was expected at the place of the problem.
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.1 = text.into();
        }
        self
    }

    /// Points at a second place.
    pub(crate) fn also(mut self, span: &Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push((span.clone(), text.into()));
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn start(&self) -> usize {
        self.labels.first().map_or(0, |(span, _)| span.start)
    }

    /// Puts all places inside the source and counts the line and the column.
    fn locate(&mut self, source: &str) {
        for (span, _) in &mut self.labels {
            span.start = source.floor_char_boundary(span.start);
            span.end = source.ceil_char_boundary(span.end.max(span.start));
        }
        let before = source.get(..self.start()).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.line = before.matches('\n').count() + 1;
        self.column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    }
}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.kind))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().map(|(span, text)| {
            let text = (!text.is_empty()).then(|| text.clone());
            LabeledSpan::new(text, span.start, span.len())
        })))
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    pub(crate) fn add(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// The error for these problems, or `value` when there are none.
    pub(crate) fn or<T>(mut self, value: T, name: &str, source: &str) -> Result<T, PolicyError> {
        if self.found.is_empty() {
            return Ok(value);
        }
        self.found.sort_by_key(Problem::start);
        let omitted = self.found.len().saturating_sub(SHOWN);
        self.found.truncate(SHOWN);
        self.found.iter_mut().for_each(|problem| problem.locate(source));
        let source_text = NamedSource::new(name, Arc::from(shown(source)));
        Err(PolicyError::Refused { source_text, problems: self.found, omitted })
    }
}

/// Quotes a text from the source for a message: on one line, and not without end.
pub(crate) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(QUOTED).flat_map(escape).collect();
    let more = if text.chars().nth(QUOTED).is_some() { "…" } else { "" };
    format!("`{cut}{more}`")
}

/// The candidate that was probably meant.
pub(crate) fn similar<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: String = written.chars().take(QUOTED).collect::<String>().to_ascii_lowercase();
    let scored = candidates.into_iter().map(|name| (strsim::jaro_winkler(&written, name), name));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

fn escape(c: char) -> Vec<char> {
    if is_active(c) { c.escape_default().collect() } else { vec![c] }
}

/// The source as it can be shown: without what a terminal obeys, in as many bytes, so that places stay right.
///
/// A policy may come with a repository that nobody has looked at yet.
fn shown(source: &str) -> String {
    let replace = |c: char| match c.len_utf8() {
        _ if matches!(c, '\n' | '\t' | '\r') || !is_active(c) => c,
        1 => '?',
        2 => '¿',
        _ => char::REPLACEMENT_CHARACTER,
    };
    source.chars().map(replace).collect()
}

/// Whether a terminal acts on a character: control characters, and those that turn the direction of text.
fn is_active(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn write_refused(
    source: &NamedSource<Arc<str>>,
    problems: &[Problem],
    omitted: &usize,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let count = problems.len() + omitted;
    let noun = if count == 1 { "problem" } else { "problems" };
    write!(f, "cannot accept {}: {count} {noun}", source.name())?;
    if *omitted > 0 {
        write!(f, ", the first {} of them shown", problems.len())?;
    }
    if !f.alternate() {
        return Ok(());
    }
    for problem in problems {
        write!(f, "\n{}:{}:{}: {}", source.name(), problem.line, problem.column, problem.message)?;
        if let Some(help) = &problem.help {
            write!(f, "; {help}")?;
        }
    }
    Ok(())
}
