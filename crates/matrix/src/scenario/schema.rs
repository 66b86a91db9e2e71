//! The JSON Schema of scenario files, for editors.

use schemars::generate::SchemaSettings;

use super::form::{API_VERSION, ScenarioForm};
use super::waiver::WaiverFileForm;

/// JSON Schema (2020-12) of a scenario file.
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<ScenarioForm>();
    schema.insert("$id".to_owned(), format!("https://{API_VERSION}/scenario.schema.json").into());
    schema.insert("title".to_owned(), "airtight scenario".into());
    schema.to_value()
}

/// JSON Schema (2020-12) of a file with a waiver.
#[must_use]
pub fn waiver_schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<WaiverFileForm>();
    schema.insert("$id".to_owned(), format!("https://{API_VERSION}/waiver.schema.json").into());
    schema.insert("title".to_owned(), "airtight waiver".into());
    schema.to_value()
}
