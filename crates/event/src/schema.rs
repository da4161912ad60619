//! The JSON Schema of a line.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::Event;

/// The id of the schema. Its number changes when a reader of the old lines could no longer read the new.
pub const ID: &str = "urn:aurelian:schema:event:1";

/// The JSON Schema (draft 2020-12) of one line of events.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Event>();
    schema.insert("$id".to_owned(), ID.into());
    schema.insert("title".to_owned(), "Aurelian event".into());
    schema.to_value()
}
