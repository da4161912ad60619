//! What the agent's program writes, made safe for the operator's own terminal.
//!
//! A terminal obeys what it displays. Output can write the clipboard, rename or resize the window, print,
//! raise notifications, and make the terminal *answer*: type bytes into the operator's shell as if the operator
//! had. With answers of chosen content that is code execution (CVE-2003-0063: the window title; CVE-2008-2383:
//! DECRQSS; CVE-2022-45063: the font name of OSC 50). The other way into the operator's terminal, TIOCSTI
//! (CVE-2017-5226), is closed by the pty and by seccomp; this module closes output, and only output.
//!
//! [`TerminalGuard`] is a streaming filter between the sandbox's pty and the operator's terminal, and nothing
//! else: it reads and writes nothing itself. Output that goes to a file or a pipe is not for it: pass that untouched.
//!
//! # Design
//!
//! **A unit is passed whole, in one canonical form, or not at all.** A unit is a character, a control character or
//! a complete sequence. The allow-list names what full-screen programs, readline and build tools use; everything
//! else is dropped and counted. So whatever state the terminal's own parser would have reached with the rest, it
//! never gets there; and three properties follow, which the tests check on arbitrary input: the filter of a filter is
//! the filter, chunks don't matter, and the output is valid UTF-8 made of allowed units.
//!
//! - *Text*: UTF-8. What isn't becomes U+FFFD. So do the C1 controls, as raw bytes 0x80–0x9F and as U+0080–U+009F: a
//!   terminal may obey either form. They introduce nothing here: what follows them is shown as the text it is.
//! - *Strings* (OSC, DCS, APC, PM, SOS, and the `ESC k` of screen): only the titles OSC 0, 1 and 2 pass, without
//!   control and bidirectional characters and at most [`MAX_TITLE`] characters long. Clipboard (52), notifications (9, 99,
//!   777), hyperlinks (8; their text stays: a link that reads one way and leads another is a lie to the operator),
//!   working directory (7) and prompt marks (133: they would fake commands) are dropped. So are colour changes (4,
//!   10–19, 104…): they outlive the run and can hide later text, and each of them is also a query.
//! - *Ends of strings*: BEL for OSC, any ESC, CAN, SUB and, unlike in a terminal, a line feed: one stray `ESC P`
//!   must not cost the operator the rest of a log. No string needs more than [`MAX_STRING`] bytes of memory.
//! - *Answers*: device attributes (`CSI c`, `CSI > c`) and status (`CSI 5 n`, `CSI 6 n`) pass, since vim and readline need
//!   them and their content is the terminal's own; [`TerminalGuard::answers`] counts them. All other queries are dropped.
//! - *Erasing the scrollback* (`CSI 3 J`, RIS) is dropped: what happened before the run is not the agent's to hide.
//!   `clear` still clears the screen.
//! - *Modes*: an allow-list, because many make the terminal write (2031, 2048) or change the keyboard for good.
//!   What a program leaves switched on, [`TerminalGuard::finish`] switches off: mouse reports that go on after
//!   the run would be typed into the operator's shell.
//!
//! The caller discards unread input of the operator's terminal after `finish` if `answers` isn't 0, and
//! keeps reading it during the run even when the program doesn't: an answer can come at any time.
//!
//! # Rejected
//!
//! - *A screen model* (as tmux has: parse into cells, draw the cells): the strongest form, but a terminal emulator is
//!   larger than all the rest of the program, and every gap in it is a program that looks broken.
//! - *A deny-list*: each terminal adds sequences of its own; what nobody thought of must not pass.
//! - *Escaping all of ESC*, as `ls` does for file names: safe, and no editor or pager would work.
//! - *The `vte` crate*: a good parser, but it hands over decoded parts, from which the bytes would have to be built
//!   again; the table of states that it saves is the smaller half of this module.
//!
//! Not protected from: text that lies (a fake prompt, bidirectional text as in CVE-2021-42574, concealed colours), bugs in
//! how a terminal draws plain text (CVE-2021-27135 was one), and a terminal that isn't in UTF-8 mode, for which there
//! is [`TerminalGuard::for_ascii`].

mod csi;
mod leftovers;
mod refusal;
#[cfg(test)]
mod tests;

use csi::Ruling;
use leftovers::Leftovers;
pub(crate) use refusal::{Refusal, Refusals};

/// The longest OSC string that is looked at, in bytes. A longer one is dropped to its end.
pub(crate) const MAX_STRING: usize = 4096;
/// The longest title that is passed on, in characters.
pub(crate) const MAX_TITLE: usize = 256;
/// The longest control sequence that is looked at, in bytes. xterm takes 30 parameters.
const MAX_SEQUENCE: usize = 256;

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const DEL: u8 = 0x7f;

/// A filter for what a hostile program writes to a terminal. See the [module](self) for what passes.
#[derive(Debug, Default)]
pub(crate) struct TerminalGuard {
    state: State,
    /// The unfinished unit, without its introducer.
    held: Vec<u8>,
    ascii: bool,
    leftovers: Leftovers,
    refusals: Refusals,
    answers: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Inside a character of several bytes.
    Character,
    /// After ESC.
    Escape,
    /// After CSI.
    Control,
    /// Inside a control sequence that is too long.
    Overlong,
    /// After OSC.
    Command,
    /// Inside a string that is being dropped.
    Swallow { bell_ends: bool },
}

impl TerminalGuard {
    /// For a terminal in UTF-8 mode.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// For any other terminal: a character beyond ASCII becomes `?`, because the bytes of many harmless UTF-8
    /// characters are C1 controls to a terminal that doesn't know UTF-8.
    pub(crate) fn for_ascii() -> Self {
        Self { ascii: true, ..Self::default() }
    }

    /// Appends to `out` what of `input` may be written to the terminal. The end of `input` may lie anywhere.
    pub(crate) fn filter(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        while let Some((&byte, after)) = rest.split_first() {
            if matches!(self.state, State::Ground) && is_plain(byte) {
                let plain = rest.iter().position(|&byte| !is_plain(byte)).unwrap_or(rest.len());
                let (text, after) = rest.split_at(plain);
                out.extend_from_slice(text);
                rest = after;
            } else {
                self.step(byte, out);
                rest = after;
            }
        }
    }

    /// Ends the output: drops what is unfinished, and appends what takes back the modes, colours and character sets that
    /// the program left behind. The guard is then as new, but for its counts.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        match self.state {
            State::Ground | State::Swallow { .. } => {}
            State::Command => self.refuse_command(),
            State::Character => self.replace(Refusal::Malformed, out),
            State::Escape | State::Control | State::Overlong => self.refuse(Refusal::Malformed),
        }
        self.become_ground();
        std::mem::take(&mut self.leftovers).undo(out);
    }

    /// What was dropped so far.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// How many queries were passed that the terminal answers by typing into its input.
    pub(crate) fn answers(&self) -> u64 {
        self.answers
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Ground => self.ground(byte, out),
            State::Character => {
                self.held.push(byte);
                self.settle_character(out);
            }
            State::Escape => self.escape(byte, out),
            State::Control | State::Overlong => self.control(byte, out),
            State::Command => self.command(byte, out),
            State::Swallow { bell_ends } => self.swallow(byte, bell_ends, out),
        }
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            ESC => self.state = State::Escape,
            0x00..=0x1f | DEL => self.control_character(byte, out),
            0x20..=0x7e => out.push(byte),
            0x80..=0xff => {
                self.held.push(byte);
                self.state = State::Character;
                self.settle_character(out);
            }
        }
    }

    /// Passes the held character if it is complete, replaces it if it never can be, else waits.
    fn settle_character(&mut self, out: &mut Vec<u8>) {
        let (character, wrong) = match std::str::from_utf8(&self.held) {
            Ok(text) => (text.chars().next(), false),
            Err(error) => (None, error.error_len().is_some()),
        };
        if let Some(character) = character {
            self.character(character, out);
            self.become_ground();
        } else if wrong {
            self.break_character(out);
        }
    }

    /// One U+FFFD for the longest part that could have begun a character (Unicode, section 3.9), as terminals show it.
    /// The byte that broke it starts anew.
    fn break_character(&mut self, out: &mut Vec<u8>) {
        let breaker = if self.held.len() > 1 { self.held.pop() } else { None };
        let is_c1 = matches!(self.held.as_slice(), [0x80..=0x9f]);
        self.replace(if is_c1 { Refusal::Control } else { Refusal::Malformed }, out);
        self.become_ground();
        if let Some(byte) = breaker {
            self.ground(byte, out);
        }
    }

    fn character(&mut self, character: char, out: &mut Vec<u8>) {
        if character.is_control() {
            self.replace(Refusal::Control, out);
        } else if self.ascii {
            out.push(b'?');
        } else {
            out.extend_from_slice(&self.held);
        }
    }

    fn control_character(&mut self, byte: u8, out: &mut Vec<u8>) {
        const ENQ: u8 = 0x05;
        const SHIFT_OUT: u8 = 0x0e;
        const SHIFT_IN: u8 = 0x0f;
        match byte {
            // BEL, backspace, tab, the line feeds, carriage return.
            BEL..=0x0d => out.push(byte),
            SHIFT_OUT | SHIFT_IN => {
                self.leftovers.charset = true;
                out.push(byte);
            }
            ENQ => self.refuse(Refusal::Query),
            _ => self.refuse(Refusal::Control),
        }
    }

    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.interrupted(byte, out) {
            return;
        }
        match (byte, self.held.is_empty()) {
            (b'[', true) => self.state = State::Control,
            (b']', true) => self.state = State::Command,
            (b'P' | b'X' | b'^' | b'_' | b'k', true) => {
                self.refuse(Refusal::String);
                self.state = State::Swallow { bell_ends: false };
            }
            (0x20..=0x2f, _) if self.held.len() < MAX_SEQUENCE => self.held.push(byte),
            (0x20..=0x2f, _) => {}
            _ => self.end_escape(byte, out),
        }
    }

    fn end_escape(&mut self, last: u8, out: &mut Vec<u8>) {
        let ruling = csi::judge_escape(&self.held, last, &mut self.leftovers);
        self.obey(ruling, b"\x1b", last, out);
    }

    fn control(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.interrupted(byte, out) {
            return;
        }
        match (byte, self.state) {
            (0x20..=0x3f, State::Control) if self.held.len() < MAX_SEQUENCE => self.held.push(byte),
            (0x20..=0x3f, _) => self.state = State::Overlong,
            (_, State::Overlong) => {
                self.refuse(Refusal::Malformed);
                self.become_ground();
            }
            _ => {
                let ruling = csi::judge(&self.held, byte, &mut self.leftovers);
                self.obey(ruling, b"\x1b[", byte, out);
            }
        }
    }

    /// What ends an unfinished sequence, or is executed in the midst of it, as in a terminal (ECMA-48, 5.4; DEC STD 070).
    fn interrupted(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        match byte {
            ESC | CAN | SUB | 0x80..=0xff => {
                self.refuse(Refusal::Malformed);
                self.become_ground();
                if byte != CAN && byte != SUB {
                    self.ground(byte, out);
                }
            }
            0x00..=0x1f | DEL => self.control_character(byte, out),
            0x20..=0x7e => return false,
        }
        true
    }

    fn obey(&mut self, ruling: Ruling, introducer: &[u8], last: u8, out: &mut Vec<u8>) {
        match ruling {
            Ruling::Pass => emit(introducer, &self.held, last, out),
            Ruling::Answer => {
                self.answers += 1;
                emit(introducer, &self.held, last, out);
            }
            Ruling::Shorten(body) => {
                self.refuse(Refusal::Mode);
                emit(introducer, &body, last, out);
            }
            Ruling::Refuse(refusal) => self.refuse(refusal),
            Ruling::Nothing => {}
        }
        self.become_ground();
    }

    fn command(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            BEL | ESC => {
                self.end_command(out);
                self.become_ground();
                if byte == ESC {
                    self.state = State::Escape;
                }
            }
            CAN | SUB | b'\n' => {
                self.refuse_command();
                self.become_ground();
                if byte == b'\n' {
                    out.push(byte);
                }
            }
            0x00..=0x1f | DEL => {}
            _ if self.held.len() < MAX_STRING => self.held.push(byte),
            _ => {
                self.refuse_command();
                self.held.clear();
                self.state = State::Swallow { bell_ends: true };
            }
        }
    }

    fn end_command(&mut self, out: &mut Vec<u8>) {
        match self.held.as_slice() {
            [number @ b'0'..=b'2', b';', title @ ..] => {
                let title = clean_title(title, self.ascii);
                out.extend_from_slice(b"\x1b]");
                out.extend_from_slice(&[*number, b';']);
                out.extend_from_slice(title.as_bytes());
                out.extend_from_slice(b"\x1b\\");
            }
            _ => self.refuse_command(),
        }
    }

    fn refuse_command(&mut self) {
        self.refuse(Refusal::of_command(&self.held));
    }

    fn swallow(&mut self, byte: u8, bell_ends: bool, out: &mut Vec<u8>) {
        match byte {
            ESC => self.state = State::Escape,
            CAN | SUB => self.state = State::Ground,
            BEL if bell_ends => self.state = State::Ground,
            b'\n' => {
                self.state = State::Ground;
                out.push(byte);
            }
            _ => {}
        }
    }

    fn replace(&mut self, refusal: Refusal, out: &mut Vec<u8>) {
        self.refuse(refusal);
        out.extend_from_slice(if self.ascii { b"?" } else { "\u{fffd}".as_bytes() });
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusals.count(refusal);
    }

    fn become_ground(&mut self) {
        self.held.clear();
        self.state = State::Ground;
    }
}

/// What passes in any quantity without a look: printable ASCII and the usual white space.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | b'\t' | b'\n' | b'\r')
}

fn emit(introducer: &[u8], body: &[u8], last: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(introducer);
    out.extend_from_slice(body);
    out.push(last);
}

fn clean_title(title: &[u8], ascii: bool) -> String {
    let text = String::from_utf8_lossy(title);
    let shown = text.chars().filter(|&character| !character.is_control() && !is_bidi_control(character));
    shown
        .map(|character| if ascii && !character.is_ascii() { '?' } else { character })
        .take(MAX_TITLE)
        .collect()
}

/// The characters that reorder others (Unicode Standard Annex 9, section 2).
fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
