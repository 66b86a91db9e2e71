//! The JSON Schema of `run.json`.

use schemars::generate::SchemaSettings;

use super::record::{RUN_SCHEMA, RunRecord};

/// JSON Schema (2020-12) of a [`RunRecord`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<RunRecord>();
    schema.insert("$id".to_owned(), format!("https://{RUN_SCHEMA}/run.schema.json").into());
    schema.insert("title".to_owned(), "airtight run".into());
    schema.to_value()
}
