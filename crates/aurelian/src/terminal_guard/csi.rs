//! The allow-list of escape and control sequences.
//!
//! Names of sequences are those of ECMA-48, DEC STD 070 and xterm's "Control Sequences" document.

use super::leftovers::Leftovers;
use super::refusal::Refusal;

/// The largest parameter that passes. Real programs use up to 32766, to find the size of the screen.
const MAX_PARAMETER: u16 = 32_767;
/// The most repetitions of a character that pass: a few bytes must not cost the terminal seconds.
const MAX_REPEAT: u16 = 4096;
/// The most parameters that pass.
const MAX_PARAMETERS: usize = 32;

/// What becomes of a sequence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Pass,
    /// Pass it; the terminal will answer.
    Answer,
    /// Pass it with this body: some of its modes are refused.
    Shorten(Vec<u8>),
    Refuse(Refusal),
    /// Drop it; it means nothing.
    Nothing,
}

/// Judges ESC, intermediates, final byte.
pub(super) fn judge_escape(intermediates: &[u8], last: u8, leftovers: &mut Leftovers) -> Ruling {
    match (intermediates, last) {
        // Save and restore the cursor; index, next line, tab stop, reverse index.
        ([], b'7' | b'8' | b'D' | b'E' | b'H' | b'M') => Ruling::Pass,
        ([], b'=' | b'>') => {
            leftovers.keypad = last == b'=';
            Ruling::Pass
        }
        // Designate a character set as G0 to G3.
        ([b'(' | b')' | b'*' | b'+'], _) => {
            leftovers.charset = true;
            Ruling::Pass
        }
        // Double height and width; fill the screen with E.
        ([b'#'], b'3'..=b'6' | b'8') => Ruling::Pass,
        ([], b'Z') => Ruling::Refuse(Refusal::Query),
        // ST: the end of a string that was dealt with.
        ([], b'\\') => Ruling::Nothing,
        // Among them RIS, which erases the scrollback, and ESC % @, which leaves UTF-8.
        _ => Ruling::Refuse(Refusal::Sequence),
    }
}

/// Judges CSI, `body`, final byte.
pub(super) fn judge(body: &[u8], last: u8, leftovers: &mut Leftovers) -> Ruling {
    let Some(sequence) = Sequence::parse(body, last) else {
        return Ruling::Refuse(Refusal::Malformed);
    };
    if sequence.may_pass(leftovers) {
        return if sequence.is_answered() { Ruling::Answer } else { Ruling::Pass };
    }
    match (sequence.private, sequence.intermediates, last) {
        (b"?", [], b'h' | b'l') => sequence.switch_private_modes(leftovers),
        _ => Ruling::Refuse(sequence.kind()),
    }
}

/// A control sequence taken apart.
struct Sequence<'a> {
    /// Empty, or one of `<`, `=`, `>`, `?`.
    private: &'a [u8],
    parameters: Vec<Option<u16>>,
    intermediates: &'a [u8],
    last: u8,
}

impl<'a> Sequence<'a> {
    fn parse(body: &'a [u8], last: u8) -> Option<Self> {
        let (private, rest) = body.split_at(usize::from(matches!(body.first(), Some(b'<'..=b'?'))));
        let middle = rest.iter().position(|byte| matches!(byte, 0x20..=0x2f)).unwrap_or(rest.len());
        let (parameters, intermediates) = rest.split_at(middle);
        let parameters = match last {
            b'm' => parse_parameters(parameters, |byte| matches!(byte, b';' | b':'))?,
            _ => parse_parameters(parameters, |byte| byte == b';')?,
        };
        let is_well_formed = intermediates.iter().all(|byte| matches!(byte, 0x20..=0x2f));
        is_well_formed.then_some(Self { private, parameters, intermediates, last })
    }

    /// True, and the change noted, if the sequence is on the list as it is.
    fn may_pass(&self, leftovers: &mut Leftovers) -> bool {
        match (self.private, self.intermediates, self.last) {
            ([], [], last) => self.may_pass_plain(last, leftovers),
            (b"?", [], b'J' | b'K') => self.all_at_most(2),
            (b">", [], b'c') => self.all_at_most(0),
            // xterm's modified keys, and no other of its key options.
            (b">", [], b'm') if self.first() == 4 && self.parameters.len() <= 2 => {
                leftovers.modified_keys = self.nth(1) > 0;
                true
            }
            // DECSTR, DECSCUSR.
            ([], b"!", b'p') => self.all_at_most(0),
            ([], b" ", b'q') if self.parameters.len() == 1 && self.all_at_most(6) => {
                leftovers.cursor_style = self.first() > 0;
                true
            }
            _ => false,
        }
    }

    fn may_pass_plain(&self, last: u8, leftovers: &mut Leftovers) -> bool {
        match last {
            // Cursor movement, insertion, deletion, scrolling, tabs.
            b'A'..=b'I' | b'K'..=b'M' | b'P' | b'S' | b'X' | b'Z' => true,
            b'@' | b'`' | b'a' | b'd'..=b'g' | b'j' | b'k' => true,
            b'J' => self.all_at_most(2),
            b'b' => self.all_at_most(MAX_REPEAT),
            // With more parameters it starts xterm's highlight tracking, which blocks the terminal.
            b'T' => self.parameters.len() == 1,
            // With parameters `s` sets margins, and `u` reports keys.
            b's' | b'u' => self.is_bare(),
            b'm' => {
                leftovers.attributes = !self.all_at_most(0);
                true
            }
            b'r' => {
                leftovers.margins = !self.is_bare();
                true
            }
            b'h' | b'l' if self.is_exactly(4) => {
                leftovers.insert = last == b'h';
                true
            }
            b'c' => self.is_exactly(0),
            b'n' => self.is_exactly(5) || self.is_exactly(6),
            // Push and pop the title; all else of XTWINOPS acts on the window or reports.
            b't' => matches!(self.first(), 22 | 23) && self.nth(1) <= 2 && self.parameters.len() <= 3,
            _ => false,
        }
    }

    fn is_answered(&self) -> bool {
        matches!(self.last, b'c' | b'n')
    }

    fn switch_private_modes(&self, leftovers: &mut Leftovers) -> Ruling {
        let on = self.last == b'h';
        let modes = self.parameters.iter().map(|mode| mode.unwrap_or(0));
        let kept: Vec<String> =
            modes.filter(|&mode| leftovers.switch(mode, on)).map(|mode| mode.to_string()).collect();
        match kept.len() {
            0 => Ruling::Refuse(Refusal::Mode),
            all if all == self.parameters.len() => Ruling::Pass,
            _ => Ruling::Shorten(format!("?{}", kept.join(";")).into_bytes()),
        }
    }

    /// What the sequence would have done.
    fn kind(&self) -> Refusal {
        match (self.private, self.intermediates, self.last) {
            (_, [], b'c' | b'n' | b'x') | (b"?", [], b'm' | b'S' | b'u') | (b">", [], b'q') => Refusal::Query,
            (_, b"$", b'p' | b'u' | b'w') | (_, b"&", b'u') | (_, b"*", b'y') => Refusal::Query,
            ([], [], b't') if matches!(self.first(), 11 | 13..=16 | 18..=21) => Refusal::Query,
            ([], [], b't') => Refusal::Window,
            (_, [], b'h' | b'l') => Refusal::Mode,
            _ => Refusal::Sequence,
        }
    }

    fn is_bare(&self) -> bool {
        self.parameters == [None]
    }

    fn is_exactly(&self, value: u16) -> bool {
        self.parameters.len() == 1 && self.first() == value
    }

    fn all_at_most(&self, bound: u16) -> bool {
        self.parameters.iter().all(|parameter| parameter.unwrap_or(0) <= bound)
    }

    fn first(&self) -> u16 {
        self.nth(0)
    }

    fn nth(&self, index: usize) -> u16 {
        self.parameters.get(index).copied().flatten().unwrap_or(0)
    }
}

/// The numbers between the separators, at least one; an empty one is `None`.
fn parse_parameters(text: &[u8], is_separator: fn(u8) -> bool) -> Option<Vec<Option<u16>>> {
    let parameters: Option<Vec<_>> = text.split(|&byte| is_separator(byte)).map(parse_parameter).collect();
    parameters.filter(|parameters| parameters.len() <= MAX_PARAMETERS)
}

fn parse_parameter(digits: &[u8]) -> Option<Option<u16>> {
    if digits.is_empty() {
        return Some(None);
    }
    let is_number = digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit);
    let value: u16 = is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok())??;
    (value <= MAX_PARAMETER).then_some(Some(value))
}
