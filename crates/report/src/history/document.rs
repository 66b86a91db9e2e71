//! What a history is.

use airtight_matrix::run::Summary;
use schemars::JsonSchema;
use serde::Serialize;

/// The `schema` of a [`History`]; its number rises when a field changes its meaning or goes away.
pub const HISTORY_SCHEMA: &str = "airtight.dev/history/v1";

/// Runs over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// [`HISTORY_SCHEMA`].
    pub schema: &'static str,
    /// Each testbed with each stack, in the order of their names.
    pub lines: Vec<Line>,
}

/// The runs on one testbed with one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Where flows were tried.
    pub testbed: String,
    /// On which stack.
    pub stack: String,
    /// The runs, the earliest first.
    pub runs: Vec<Point>,
    /// Cases that are not to be relied on, the worst first.
    pub flaky: Vec<Flake>,
    /// Failures that were mended, the longest first.
    pub fixed: Vec<Fix>,
    /// Failures that last, the longest first.
    pub open: Vec<Fix>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Its id.
    pub run: String,
    /// When it started, RFC 3339 in UTC.
    pub started: String,
    /// Versions that are others than in the run before, as `Component VERSION`.
    pub changed: Vec<String>,
    /// Whether the inputs are those of the run before.
    pub same_inputs: bool,
    /// Counts and the result.
    pub summary: Summary,
}

/// A case that is not to be relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Flake {
    /// The case.
    pub case: String,
    /// Its title, as the last run has it.
    pub title: String,
    /// In how many runs it passed only after a retry.
    pub retried: usize,
    /// How often its verdict changed while the inputs and the versions were the same.
    pub turned: usize,
    /// In how many runs it was tried.
    pub runs: usize,
}

/// A failure from the run that first saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// The case.
    pub case: String,
    /// Its title, as the last run has it.
    pub title: String,
    /// When the first run started that saw it fail.
    pub since: String,
    /// When the first run started that saw it pass again; of what lasts, when the last run started.
    pub until: String,
    /// From one to the other, in seconds.
    pub seconds: i64,
    /// In how many runs it failed, waived or not.
    pub runs: usize,
    /// Whether it was waived when it was last seen.
    pub waived: bool,
}

/// JSON Schema (2020-12) of a history.
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<History>();
    schema.insert("$id".to_owned(), format!("https://{HISTORY_SCHEMA}/schema.json").into());
    schema.insert("title".to_owned(), "airtight history".into());
    schema.to_value()
}
