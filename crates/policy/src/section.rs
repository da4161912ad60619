//! Steps that all sections of a policy share: taking a node as a map, a list or a text.

use std::str::FromStr;

use crate::problem::{Problem, ProblemKind, Problems, quoted, similar};
use crate::yaml::{Key, Node, Scalar, Value};

/// The entries of a map; of anything else, none and a problem.
pub(crate) fn entries<'n>(node: &'n Node, place: &str, problems: &mut Problems) -> &'n [(Key, Node)] {
    match &node.value {
        Value::Map(entries) => entries,
        _ => {
            let help = format!("write `{place}: {{}}` or remove the key");
            problems.add(mismatch(node, place, "a map").with_help(help));
            &[]
        }
    }
}

/// The items of a list that are texts; a problem for each that isn't.
pub(crate) fn texts<'n>(node: &'n Node, place: &str, problems: &mut Problems) -> Vec<(&'n str, &'n Node)> {
    let Value::List(items) = &node.value else {
        let help = match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() => "put it in brackets: `[…]`",
            _ => "write `[]` for none",
        };
        problems.add(mismatch(node, place, "a list").with_help(help));
        return Vec::new();
    };
    let item = format!("an entry of `{place}`");
    items.iter().filter_map(|node| Some((text(node, &item, problems)?.text.as_str(), node))).collect()
}

/// The text of a scalar that isn't null.
pub(crate) fn text<'n>(node: &'n Node, place: &str, problems: &mut Problems) -> Option<&'n Scalar> {
    match &node.value {
        Value::Scalar(scalar) if !scalar.is_null() => Some(scalar),
        _ => {
            problems.add(mismatch(node, place, "a single value"));
            None
        }
    }
}

/// A whole number, written without quotes.
pub(crate) fn whole<T: FromStr>(node: &Node, place: &str, problems: &mut Problems) -> Option<T> {
    let scalar = text(node, place, problems)?;
    let digits = scalar.text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if scalar.plain && digits { scalar.text.parse().ok() } else { None };
    if number.is_none() {
        let message = format!("{} is not a whole number", quoted(&scalar.text));
        let problem =
            Problem::new(ProblemKind::WrongType, &node.span, message).label("expected a whole number");
        problems.add(match (scalar.plain, digits) {
            (false, true) => problem.with_help("write it without quotes"),
            (_, true) => problem.with_help("it is too large to be counted"),
            _ => problem.with_help("write digits only, such as `512`"),
        });
    }
    number
}

/// The problem of a key that a section doesn't have.
pub(crate) fn unknown_key(key: &Key, section: &str, known: &[&'static str]) -> Problem {
    let problem =
        Problem::new(ProblemKind::UnknownKey, &key.span, format!("unknown key {}", quoted(&key.text)));
    if key.text == "<<" {
        return problem.with_help("a policy can't merge maps; write the keys out");
    }
    let known_keys = format!("{section} has the keys {}", known.join(", "));
    match similar(&key.text, known.iter().copied()) {
        Some(meant) => problem.label(format!("did you mean `{meant}`?")).with_help(known_keys),
        None => problem.with_help(known_keys),
    }
}

fn mismatch(node: &Node, place: &str, expected: &str) -> Problem {
    let place = if place.contains('`') { place.to_owned() } else { format!("`{place}`") };
    let message = format!("{place} must be {expected}, not {}", node.noun());
    Problem::new(ProblemKind::WrongType, &node.span, message).label(format!("expected {expected}"))
}
