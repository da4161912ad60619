//! What one side's bytes say, and how that is found: recognisers that look at how a stream begins, and followers that
//! go on from there.
//!
//! Both are pure functions of a prefix of the stream, and stable: once one has answered anything but "more", no
//! further byte changes that answer. That is what makes identification the same under every segmentation.

use event::Protocol;

use super::ambiguity::Ambiguity;
use super::http2::Table;
use super::identity::{Confidence, Details};

/// The most that is held of one side, in bytes. An opening that is longer is not recognised.
pub(super) const HEAD: usize = 16 * 1024;

/// What a recogniser makes of the beginning of a stream.
#[derive(Debug)]
pub(super) enum Step {
    /// It isn't this, whatever follows.
    No,
    /// It may be.
    More,
    /// It is.
    Is(Box<Claim>),
}

impl Step {
    /// The claim where there is one, or no.
    pub(super) fn from_option(claim: Option<Claim>) -> Self {
        claim.map_or(Self::No, |claim| Self::Is(Box::new(claim)))
    }
}

impl From<Claim> for Step {
    fn from(claim: Claim) -> Self {
        Self::Is(Box::new(claim))
    }
}

/// One way in which a stream may begin.
#[derive(Debug)]
pub(super) struct Recogniser {
    pub(super) protocol: Protocol,
    pub(super) recognise: fn(&[u8]) -> Step,
}

/// Looks at what follows an opening, and adds to the claim.
pub(super) type Follower = fn(&mut Claim, &[u8]) -> Follow;

/// What a follower wants next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// More bytes, behind these.
    More,
    /// The first `bytes` are dealt with, and the `skip` behind them don't matter.
    Consumed { bytes: usize, skip: u64 },
    /// Another conversation begins with the next byte.
    Tunnel,
    /// The opening was another's after all, whose first bytes are the same. Only before anything was consumed.
    Retract,
    /// Nothing.
    Done,
}

/// When the conversation changes, by the status of the server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// `CONNECT`: any success opens it.
    Connect,
    /// `Upgrade`: 101 opens it.
    Upgrade,
    /// `Upgrade` to WebSocket, which has frames.
    Websocket,
}

impl Gate {
    pub(super) const fn opens(self, status: u16) -> bool {
        match self {
            Self::Connect => status >= 200 && status < 300,
            Self::Upgrade | Self::Websocket => status == 101,
        }
    }
}

/// What one side was found to speak.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) protocol: Protocol,
    pub(super) confidence: Confidence,
    pub(super) evidence: String,
    pub(super) details: Details,
    pub(super) ambiguities: Vec<Ambiguity>,
    /// What else the other side may speak without contradicting this.
    pub(super) also: &'static [Protocol],
    /// How much of the stream the opening took.
    pub(super) used: usize,
    /// How much behind that doesn't matter.
    pub(super) skip: u64,
    /// Who looks at what follows; nobody if it is absent.
    pub(super) follow: Option<Follower>,
    /// What the follower has to remember.
    pub(super) note: u64,
    /// What header blocks of HTTP/2 refer to.
    pub(super) headers: Option<Box<Table>>,
    /// The client asked for a change that the server has to grant.
    pub(super) gate: Option<Gate>,
    /// The server has answered, and what follows depends on what the client had asked.
    pub(super) answered: Option<u16>,
}

impl Claim {
    pub(super) fn new(protocol: Protocol, confidence: Confidence, evidence: impl Into<String>) -> Self {
        Self {
            protocol,
            confidence,
            evidence: evidence.into(),
            details: Details::default(),
            ambiguities: Vec::new(),
            also: &[],
            used: 0,
            skip: 0,
            follow: None,
            note: 0,
            headers: None,
            gate: None,
            answered: None,
        }
    }

    pub(super) fn certain(protocol: Protocol, evidence: impl Into<String>) -> Self {
        Self::new(protocol, Confidence::Certain, evidence)
    }

    pub(super) fn likely(protocol: Protocol, evidence: impl Into<String>) -> Self {
        Self::new(protocol, Confidence::Likely, evidence)
    }

    pub(super) fn guess(protocol: Protocol, evidence: impl Into<String>) -> Self {
        Self::new(protocol, Confidence::Guess, evidence)
    }

    pub(super) fn or_also(mut self, also: &'static [Protocol]) -> Self {
        self.also = also;
        self
    }

    /// The opening took `used` bytes, and `follow` looks at the rest.
    pub(super) fn followed(mut self, used: usize, follow: Follower) -> Self {
        self.used = used;
        self.follow = Some(follow);
        self
    }

    pub(super) fn with(mut self, set: impl FnOnce(&mut Details)) -> Self {
        set(&mut self.details);
        self
    }

    /// Says so once.
    pub(super) fn doubt(&mut self, ambiguity: Ambiguity) {
        if !self.ambiguities.contains(&ambiguity) {
            self.ambiguities.push(ambiguity);
        }
    }

    /// What follows isn't what it began as: nothing more is looked at, and the name is only a guess.
    pub(super) fn goes_on_as_another(&mut self) -> Follow {
        self.doubt(Ambiguity::GoesOnAsAnother(self.protocol));
        self.confidence = Confidence::Guess;
        Follow::Done
    }
}

/// Follows into a tunnel that begins at once.
pub(super) fn tunnel(_claim: &mut Claim, _bytes: &[u8]) -> Follow {
    Follow::Tunnel
}

/// Whether the bytes begin with the prefix: `None` while they are a part of it.
pub(super) fn begins(bytes: &[u8], prefix: &[u8]) -> Option<bool> {
    let common = bytes.len().min(prefix.len());
    if bytes.get(..common) != prefix.get(..common) {
        return Some(false);
    }
    (common == prefix.len()).then_some(true)
}

/// The first line, without its end, and how many bytes it takes with it; `None` where it is not complete.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let text = bytes.get(..end)?;
    Some((text.strip_suffix(b"\r").unwrap_or(text), end + 1))
}
