//! What the program changed of the terminal and didn't put back, so that the end of the run can.

/// The private modes that pass, with their usual value, in the order in which they are put back. The numbers are
/// those of xterm's "Control Sequences" document; 2026 is the synchronized-output convention.
const PRIVATE_MODES: [(u16, bool); 21] = [
    (2026, false), // hold the display until the frame is complete
    (9, false),    // mouse: X10
    (1000, false), // mouse: buttons
    (1002, false), // mouse: drags
    (1003, false), // mouse: all motion
    (1005, false), // mouse: UTF-8 coordinates
    (1006, false), // mouse: SGR coordinates
    (1015, false), // mouse: urxvt coordinates
    (1004, false), // focus reports
    (2004, false), // bracketed paste
    (1, false),    // cursor keys send application sequences
    (5, false),    // reverse video
    (6, false),    // origin
    (7, true),     // wrap at the margin
    (12, false),   // blinking cursor
    (25, true),    // visible cursor
    (45, false),   // wrap backwards
    (47, false),   // alternate screen, in three generations
    (1047, false),
    (1049, false),
    (2027, false), // widths by grapheme cluster
];

/// Saves or restores the cursor, which leaves nothing to put back.
const SAVE_CURSOR: u16 = 1048;

/// What differs from the terminal's usual state.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// A bit for each of [`PRIVATE_MODES`] that has not its usual value.
    private: u32,
    pub(super) insert: bool,
    pub(super) keypad: bool,
    /// A character set was designated or invoked.
    pub(super) charset: bool,
    /// Colours or attributes are on.
    pub(super) attributes: bool,
    pub(super) margins: bool,
    pub(super) cursor_style: bool,
    /// The keyboard sends xterm's modified keys.
    pub(super) modified_keys: bool,
}

impl Leftovers {
    /// Notes that a private mode is switched. False if it may not be.
    pub(super) fn switch(&mut self, mode: u16, on: bool) -> bool {
        if mode == SAVE_CURSOR {
            return true;
        }
        let Some(at) = PRIVATE_MODES.iter().position(|&(number, _)| number == mode) else {
            return false;
        };
        let bit = 1 << at;
        if on == PRIVATE_MODES[at].1 {
            self.private &= !bit;
        } else {
            self.private |= bit;
        }
        true
    }

    /// Appends the sequences that put the usual state back.
    pub(super) fn undo(self, out: &mut Vec<u8>) {
        for (at, (mode, usual)) in PRIVATE_MODES.into_iter().enumerate() {
            if self.private & (1 << at) != 0 {
                out.extend_from_slice(format!("\x1b[?{mode}{}", if usual { 'h' } else { 'l' }).as_bytes());
            }
        }
        let others: [(bool, &[u8]); 7] = [
            (self.insert, b"\x1b[4l"),
            (self.margins, b"\x1b7\x1b[r\x1b8"), // setting margins moves the cursor
            (self.keypad, b"\x1b>"),
            (self.charset, b"\x1b(B\x0f"),
            (self.modified_keys, b"\x1b[>4m"),
            (self.cursor_style, b"\x1b[0 q"),
            (self.attributes, b"\x1b[0m"),
        ];
        for (changed, sequence) in others {
            if changed {
                out.extend_from_slice(sequence);
            }
        }
    }
}
