//! Where something was read.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// A place in a file, for who wants to look for himself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// As it was named or found.
    #[serde(serialize_with = "lossy")]
    pub file: Arc<Path>,
    /// Bytes from the beginning of what the file holds, decompressed. In an archive, from the beginning of `member`.
    pub offset: u64,
    /// The file inside an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Arc<str>>,
}

/// A name that is no UTF-8 is shown as well as it can be.
fn lossy<S: Serializer>(file: &Arc<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&file.display())
}

impl Origin {
    /// A place in a file that is no archive.
    pub fn new(file: Arc<Path>, offset: u64) -> Self {
        Self { file, offset, member: None }
    }

    /// The file, and after `!` the file inside it if it is an archive; what is no UTF-8 is shown as well as it can be.
    pub fn name(&self) -> String {
        let file = self.file.to_string_lossy();
        match &self.member {
            Some(member) => format!("{file}!{member}"),
            None => file.into_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name(), self.offset)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_as_it_was_written() {
        for member in [None, Some("samples/1.json".into())] {
            let origin = Origin { member, ..Origin::new(Path::new("logs/a.eval").into(), 7) };
            let line = serde_json::to_string(&origin).unwrap();
            assert_eq!(serde_json::from_str::<Origin>(&line).unwrap(), origin);
        }
    }
}
