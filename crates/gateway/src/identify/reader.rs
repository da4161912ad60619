//! Numbers and runs of bytes, read in network order from bytes of a stranger: every read may fail, none can panic.

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Three bytes, as TLS and MySQL count.
    pub(super) fn triple(&mut self) -> Option<[u8; 3]> {
        self.array()
    }

    pub(super) fn word(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Bytes behind a length of one byte.
    pub(super) fn run8(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    /// Bytes behind a length of two bytes.
    pub(super) fn run16(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.take(usize::from(length))
    }

    /// Bytes behind a length of three bytes.
    pub(super) fn run24(&mut self) -> Option<&'a [u8]> {
        let length = big24(self.triple()?);
        self.take(length)
    }

    /// Bytes behind a length of four bytes.
    pub(super) fn run32(&mut self) -> Option<&'a [u8]> {
        let length = self.word()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Bytes up to a NUL, which is passed over.
    pub(super) fn c_string(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.byte().map(|_| text)
    }
}

/// Three bytes as a number.
pub(super) fn big24([high, middle, low]: [u8; 3]) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

/// Numbers of two bytes, one after the other. An odd byte at the end is no number: `None`.
pub(super) fn shorts(bytes: &[u8]) -> Option<Vec<u16>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}
