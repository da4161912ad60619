//! The kinds of output that a [`TerminalGuard`](super::TerminalGuard) drops, and their counts.

/// Why a piece of output was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It makes the terminal type into its own input.
    Query,
    /// It writes or reads the clipboard (OSC 52).
    Clipboard,
    /// It raises a notification outside the terminal.
    Notification,
    /// It is the target of a hyperlink. Its text was shown.
    Link,
    /// It changes the palette or the default colours.
    Colour,
    /// It is another operating system command (OSC).
    Command,
    /// It is a DCS, APC, PM or SOS string, or a title of screen.
    String,
    /// It moves, resizes, raises or iconifies the window.
    Window,
    /// It switches a mode that no program inside needs.
    Mode,
    /// It is another sequence that isn't on the allow-list.
    Sequence,
    /// It is a control character, C0 or C1.
    Control,
    /// It is unfinished, too long, or not UTF-8.
    Malformed,
}

impl Refusal {
    const ALL: [Self; 12] = [
        Self::Query,
        Self::Clipboard,
        Self::Notification,
        Self::Link,
        Self::Colour,
        Self::Command,
        Self::String,
        Self::Window,
        Self::Mode,
        Self::Sequence,
        Self::Control,
        Self::Malformed,
    ];

    /// The word for events and summaries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Clipboard => "clipboard",
            Self::Notification => "notification",
            Self::Link => "link",
            Self::Colour => "colour",
            Self::Command => "command",
            Self::String => "string",
            Self::Window => "window",
            Self::Mode => "mode",
            Self::Sequence => "sequence",
            Self::Control => "control",
            Self::Malformed => "malformed",
        }
    }

    /// The kind of an OSC string, by its number.
    pub(super) fn of_command(command: &[u8]) -> Self {
        let number = command.split(|&byte| byte == b';').next().unwrap_or_default();
        match std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<u16>().ok()) {
            Some(52) => Self::Clipboard,
            Some(9 | 99 | 777) => Self::Notification,
            Some(8) => Self::Link,
            Some(4 | 5 | 10..=19 | 21 | 104 | 105 | 110..=119) => Self::Colour,
            _ => Self::Command,
        }
    }
}

/// How often each kind of output was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals([u64; Refusal::ALL.len()]);

impl Refusals {
    /// How often this kind was dropped.
    pub(crate) fn of(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize]
    }

    /// Each kind that was dropped at all, with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().map(|refusal| (refusal, self.of(refusal))).filter(|&(_, count)| count > 0)
    }

    pub(super) fn count(&mut self, refusal: Refusal) {
        self.0[refusal as usize] += 1;
    }
}
