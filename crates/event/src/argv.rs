//! An argument vector of bounded size.
//!
//! The kernel lets a program be started with megabytes of arguments. All of them on one line would let the
//! agent drown the record, so an event keeps the first of them and says how much it left out.

use std::ops::Deref;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Text;

/// The first items of an argument vector: at most [`Argv::MAX_ITEMS`], and [`Argv::MAX_BYTES`] together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(description = "The first items of an argument vector: at most 1024, and 64 KiB together.")]
pub struct Argv(Vec<Text>);

/// How much of an argument vector was left out of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Omitted {
    /// Items that are missing altogether.
    pub items: u64,
    /// Bytes that are missing: those of the missing items, as far as they were looked at, and of the last item where
    /// it was cut.
    pub bytes: u64,
}

impl Argv {
    /// The most items that are kept.
    pub const MAX_ITEMS: usize = 1024;
    /// The most bytes that are kept, of all items together.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Keeps what fits of these items, in order, and tells what did not. The item that crosses the bound
    /// is cut, between two characters where it is text; everything after it is missing.
    pub fn bounded<I>(items: I) -> (Self, Option<Omitted>)
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut kept = Vec::new();
        let mut room = Self::MAX_BYTES;
        let mut omitted = Omitted::default();
        for item in items {
            let item = item.as_ref();
            if omitted != Omitted::default() || kept.len() == Self::MAX_ITEMS {
                omitted.items += 1;
                omitted.bytes += item.len() as u64;
                continue;
            }
            let text = Text::truncated(item, room);
            room -= text.as_bytes().len();
            omitted.bytes += (item.len() - text.as_bytes().len()) as u64;
            kept.push(text);
        }
        (Self(kept), (omitted != Omitted::default()).then_some(omitted))
    }
}

impl Deref for Argv {
    type Target = [Text];

    fn deref(&self) -> &[Text] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept_whole() {
        let (argv, omitted) = Argv::bounded(["sh", "-c", "true", ""]);
        assert_eq!(*argv, ["sh", "-c", "true", ""].map(Text::from));
        assert_eq!(omitted, None);
    }

    #[test]
    fn items_past_the_bound_are_counted() {
        let (argv, omitted) = Argv::bounded(vec!["ab"; Argv::MAX_ITEMS + 3]);
        assert_eq!(argv.len(), Argv::MAX_ITEMS);
        assert_eq!(omitted, Some(Omitted { items: 3, bytes: 6 }));
    }

    #[test]
    fn bytes_past_the_bound_are_counted() {
        let long = "é".repeat(Argv::MAX_BYTES);
        let (argv, omitted) = Argv::bounded(["a", &long, "last"]);
        let kept = argv[1].as_bytes();
        assert_eq!((argv.len(), kept.len()), (2, Argv::MAX_BYTES - 2), "cut between two characters");
        assert_eq!(omitted, Some(Omitted { items: 1, bytes: (long.len() - kept.len() + 4) as u64 }));
    }

    #[test]
    fn a_vector_of_exactly_the_bound_is_whole() {
        let (argv, omitted) = Argv::bounded([vec![b'x'; Argv::MAX_BYTES], Vec::new()]);
        assert_eq!(argv.len(), 2);
        assert_eq!(omitted, None);
    }
}
