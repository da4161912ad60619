//! The JSON Schema of a line.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use crate::Event;

/// The id of the schema. Its number changes when a reader of the old lines could no longer read the new.
pub const ID: &str = "urn:aurelian:schema:event:1";

/// The JSON Schema (draft 2020-12) of one line of events.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Event>();
    RecursiveTransform(absent_not_null).transform(&mut schema);
    schema.insert("$id".to_owned(), ID.into());
    schema.insert("title".to_owned(), "Aurelian event".into());
    let mut schema = schema.to_value();
    schema.sort_all_objects(); // the same text whichever map another crate's features have serde_json use
    schema
}

/// Forbids null where a field can be absent: what isn't known is absent, and null is never written for it.
/// The derived schema allows both, since it only sees an `Option`.
fn absent_not_null(schema: &mut Schema) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|n| n == name));
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    properties.iter_mut().filter(|(name, _)| !is_required(name)).for_each(|(_, field)| forbid_null(field));
}

/// Takes null from the types or the alternatives that a schema allows.
fn forbid_null(field: &mut Value) {
    let Value::Object(field) = field else { return };
    if let Some(Value::Array(types)) = field.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            field.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(alternatives)) = field.get_mut("anyOf") {
        alternatives.retain(|alternative| alternative["type"] != "null");
        if let [Value::Object(only)] = &mut alternatives[..] {
            let only = std::mem::take(only);
            field.remove("anyOf");
            field.extend(only);
        }
    }
}
