//! YAML text to a tree whose every node knows its place.
//!
//! Policies use the plain part of YAML only: maps with text keys, lists and scalars. Anchors, aliases, tags and
//! directives are refused where they stand. A policy is short and read by people; what an alias stands for is
//! easy to miss in a review, and without them no small text can grow into a large tree.
//!
//! The event parser is `granit-parser`, the one under `serde-saphyr`: no unsafe code, fuzzed, two small
//! dependencies, byte spans on each event, limits on all nesting. `serde-saphyr` itself was set aside: through
//! serde only the first error is seen, and its wording is about Rust types. `saphyr-parser`, which it descends
//! from, and `marked-yaml` on top of that count in characters and bound the nesting of flow collections only.

use std::ops::Range;

use granit_parser::{ErrorKind, Event, Options, Parser, ScanError, Span, StrInput, options};

use crate::problem::{Problem, ProblemKind, Problems, quoted};

/// Levels of nesting accepted; a policy has up to five.
const DEPTH: usize = 16;
const LEVELS: &str = "a policy has few levels: section, key, entry, value";

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Without quotes and not a block.
    pub(crate) plain: bool,
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

impl Scalar {
    /// An absent value, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    /// What the node is, for a message.
    pub(crate) fn noun(&self) -> String {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => "nothing".into(),
            Value::Scalar(scalar) => quoted(&scalar.text),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
        }
    }
}

/// Reads the one document of `source`.
///
/// A duplicate key, an anchor or a tag is noted in `problems`; `None` means that the rest couldn't be read.
pub(crate) fn read(source: &str, problems: &mut Problems) -> Option<Node> {
    let parser = Parser::new_from_str_with_options(source, limits());
    let mut builder = Builder { source, parser, problems };
    match builder.document() {
        Ok(node) => Some(node),
        Err(problem) => {
            problems.add(*problem);
            None
        }
    }
}

fn limits() -> Options {
    options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
        emit_anchor_events: true,
    }
}

/// Boxed: the happy path returns a `Result` per node.
type Read<T> = Result<T, Box<Problem>>;

struct Builder<'s, 'p> {
    source: &'s str,
    parser: Parser<'s, StrInput<'s>>,
    problems: &'p mut Problems,
}

impl<'s> Builder<'s, '_> {
    fn document(&mut self) -> Read<Node> {
        let mut document = None;
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (Event::DocumentStart(..), span) if document.is_some() => return Err(self.second(&span)),
                (Event::DocumentStart(..), _) => {
                    let (event, span) = self.next()?;
                    document = Some(self.node(event, span, 0)?);
                }
                (Event::StreamEnd, _) => return document.ok_or_else(|| Box::new(empty())),
                (_, span) => return Err(self.unexpected(&span)),
            }
        }
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Read<Node> {
        let start = self.range(&span);
        if depth > DEPTH {
            let problem = Problem::new(ProblemKind::Syntax, &start, "the policy is nested too deep");
            return Err(Box::new(problem.with_help(LEVELS)));
        }
        if let Some(tag) = span.tag_span().filter(|_| event.tag().is_some()) {
            self.refuse(&tag, "tags", "remove the tag; each key has one type");
        }
        match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == granit_parser::ScalarStyle::Plain;
                let value = Value::Scalar(Scalar { text: text.into_owned(), plain });
                Ok(Node { span: start, value })
            }
            Event::SequenceStart(..) => self.list(start, depth),
            Event::MappingStart(..) => self.map(start, depth),
            Event::Alias(_) => {
                let problem = Problem::new(ProblemKind::Syntax, &start, "a policy can't use aliases");
                Err(Box::new(problem.with_help("write the value out")))
            }
            _ => Err(self.unexpected(&span)),
        }
    }

    fn list(&mut self, start: Range<usize>, depth: usize) -> Read<Node> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let span = start.start..self.range(&end).end.max(start.end);
                    return Ok(Node { span: self.trimmed(span), value: Value::List(items) });
                }
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: Range<usize>, depth: usize) -> Read<Node> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, end) => {
                    let span = start.start..self.range(&end).end.max(start.end);
                    self.refuse_duplicates(&entries);
                    return Ok(Node { span: self.trimmed(span), value: Value::Map(entries) });
                }
                (event, span) => {
                    let key = self.node(event, span, depth + 1)?;
                    let (event, span) = self.next()?;
                    let value = self.node(event, span, depth + 1)?;
                    match key.value {
                        Value::Scalar(scalar) => {
                            entries.push((Key { text: scalar.text, span: key.span }, value))
                        }
                        _ => self.problems.add(
                            Problem::new(
                                ProblemKind::Syntax,
                                &key.span,
                                format!("{} can't be a key", key.noun()),
                            )
                            .label("expected a name"),
                        ),
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Read<(Event<'s>, Span)> {
        loop {
            match self.parser.next() {
                Some(Ok((Event::Anchor(..), span))) => self.refuse(&span, "anchors", "write the value out"),
                Some(Ok(next)) => return Ok(next),
                Some(Err(error)) => return Err(Box::new(syntax(&error, self.source))),
                None => {
                    let end = self.source.len()..self.source.len();
                    return Err(Box::new(Problem::new(
                        ProblemKind::Syntax,
                        &end,
                        "the policy ends too early",
                    )));
                }
            }
        }
    }

    fn refuse(&mut self, span: &Span, noun: &str, help: &str) {
        let problem =
            Problem::new(ProblemKind::Syntax, &self.range(span), format!("a policy can't use {noun}"));
        self.problems.add(problem.with_help(help));
    }

    fn refuse_duplicates(&mut self, entries: &[(Key, Node)]) {
        let mut seen = std::collections::HashMap::new();
        for (key, _) in entries {
            let first = *seen.entry(key.text.as_str()).or_insert(&key.span);
            if *first != key.span {
                let message = format!("the key {} stands here twice", quoted(&key.text));
                let problem = Problem::new(ProblemKind::Duplicate, &key.span, message);
                let problem = problem.label("again here").also(first, "first here");
                self.problems.add(problem.with_help("keep one of them"));
            }
        }
    }

    fn second(&self, span: &Span) -> Box<Problem> {
        let problem =
            Problem::new(ProblemKind::Syntax, &self.range(span), "the file holds more than one document");
        Box::new(
            problem.label("a second one starts here").with_help("one file, one policy: remove the `---`"),
        )
    }

    fn unexpected(&self, span: &Span) -> Box<Problem> {
        Box::new(Problem::new(ProblemKind::Syntax, &self.range(span), "this can't be read as a policy"))
    }

    /// The bytes of a span; parsing a `str`, each marker has an offset.
    fn range(&self, span: &Span) -> Range<usize> {
        span.byte_range().unwrap_or_default()
    }

    /// Without the blank lines that a block collection runs over before it ends.
    fn trimmed(&self, span: Range<usize>) -> Range<usize> {
        let text = self.source.get(span.clone()).unwrap_or_default();
        span.start..span.start + text.trim_end().len()
    }
}

pub(crate) fn empty() -> Problem {
    Problem::new(ProblemKind::Syntax, &(0..0), "the policy is empty").with_help(
        "the shortest policy is `version: 1`; `aurelian policy default` prints one with everything in it",
    )
}

fn syntax(error: &ScanError, source: &str) -> Problem {
    let at = error.marker().byte_offset().unwrap_or(source.len());
    let info = error.info();
    let problem = Problem::new(ProblemKind::Syntax, &(at..at), format!("not valid YAML: {info}"));
    match error.kind() {
        ErrorKind::DirectiveDisallowed => problem.with_help("remove the line that starts with `%`"),
        ErrorKind::RecursionLimitExceeded => problem.with_help(LEVELS),
        _ if info.contains("tab") => problem.with_help("YAML is indented with spaces: replace the tab"),
        _ => problem,
    }
}
