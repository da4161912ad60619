//! Colour, where the operator's terminal has it and wants it.

use std::io::{self, IsTerminal};

use crate::operator;

/// Paints words, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    /// For stderr: colour on a terminal, without `NO_COLOR` (no-color.org) and unless the terminal is dumb.
    pub(crate) fn for_stderr() -> Self {
        Self::of(&io::stderr())
    }

    /// For stdout, in the same way.
    pub(crate) fn for_stdout() -> Self {
        Self::of(&io::stdout())
    }

    /// Without colour.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(false)
    }

    fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(stream.is_terminal() && !refused && !dumb)
    }

    pub(crate) fn is_colourful(self) -> bool {
        self.0
    }

    /// As it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.sgr("1;32", text)
    }

    /// Worth a look.
    pub(crate) fn notable(self, text: &str) -> String {
        self.sgr("33", text)
    }

    /// Not as it should be.
    pub(crate) fn bad(self, text: &str) -> String {
        self.sgr("1;31", text)
    }

    /// Beside the point.
    pub(crate) fn faint(self, text: &str) -> String {
        self.sgr("2", text)
    }

    fn sgr(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The text for stderr: without what a terminal that isn't in UTF-8 mode can't show.
pub(crate) fn for_stderr(text: String) -> String {
    if io::stderr().is_terminal() && !operator::speaks_utf8(&io::stderr()) { plain(&text) } else { text }
}

/// The text in ASCII.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '·' => plain.push('|'),
            '×' => plain.push('x'),
            '–' | '─' => plain.push('-'),
            '…' => plain.push_str("..."),
            '\0'..='\x7f' => plain.push(character),
            _ => plain.push('?'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_only_ascii() {
        assert_eq!(plain("3× a · b–c é…"), "3x a | b-c ?...");
    }
}
