//! The manifest of a bundle.

use std::collections::BTreeMap;

use airtight_matrix::run::{StackRecord, Summary, ToolRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `schema` of a [`Manifest`]; its number rises when a field changes its meaning or goes away.
pub const BUNDLE_SCHEMA: &str = "airtight.dev/evidence/v1";

/// What a bundle holds, of which run, made by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// [`BUNDLE_SCHEMA`].
    pub schema: String,
    /// Id of the run.
    pub run: String,
    /// When it started, RFC 3339 in UTC.
    pub started: String,
    /// When it ended.
    pub ended: String,
    /// Until when its observations say something about the present.
    pub valid_until: String,
    /// Where flows were tried.
    pub testbed: String,
    /// Component versions.
    pub stack: StackRecord,
    /// The program that ran.
    pub tool: ToolRecord,
    /// Counts and the result.
    pub summary: Summary,
    /// Who made the bundle.
    pub produced_by: Producer,
    /// SHA-256 of the policy objects of the run: of the canonical JSON of their digests by name.
    pub policies: String,
    /// SHA-256 of the manifest of an earlier bundle, which this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Every file but those that are made of this one, by its path in the bundle.
    pub files: BTreeMap<String, FileRecord>,
}

/// Who made a bundle, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Producer {
    /// A person, or the identity of a workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Where the workflow's run can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The commit of policies and matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileRecord {
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// How long it is.
    pub bytes: u64,
}

/// JSON Schema (2020-12) of a manifest.
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Manifest>();
    schema.insert("$id".to_owned(), format!("https://{BUNDLE_SCHEMA}/schema.json").into());
    schema.insert("title".to_owned(), "airtight evidence manifest".into());
    schema.to_value()
}
