//! Texts that come again and again, kept once.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::Id;

/// Texts by number, in the order in which they first came.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    ids: HashMap<Arc<str>, Id>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    /// The number of a text; a new one gets the next.
    pub fn id(&mut self, text: &str) -> Id {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = Id::try_from(self.texts.len()).unwrap_or(Id::MAX);
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.ids.insert(text, id);
        id
    }

    /// The number of a text that is there.
    pub fn find(&self, text: &str) -> Option<Id> {
        self.ids.get(text).copied()
    }

    /// The text of a number; empty if there is none.
    pub fn text(&self, id: Id) -> &str {
        self.texts.get(id as usize).map_or("", |text| text)
    }

    /// The text of a number, to be kept.
    pub fn shared(&self, id: Id) -> Option<Arc<str>> {
        self.texts.get(id as usize).cloned()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// All, in the order of their numbers.
    pub fn each(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.texts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts: Vec<Arc<str>> = Vec::deserialize(deserializer)?;
        let ids = texts.iter().zip(0..).map(|(text, id)| (Arc::clone(text), id)).collect();
        Ok(Self { ids, texts })
    }
}
