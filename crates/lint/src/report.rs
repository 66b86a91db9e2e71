//! What a lint run found, as programs read it.

use airtight_manifest::{Diagnostic, Location, Severity};
use jiff::civil::Date;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

/// What was found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `airtight.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `LintReport`.
    pub kind: &'static str,
    /// The stack whose versions decided.
    pub stack: String,
    /// How many findings there are.
    pub counts: Counts,
    /// What counts, in the order of files and lines.
    pub findings: Vec<Found>,
    /// What somebody allowed, with the reason.
    pub allowed: Vec<Allowed>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Rule, severity, message, place, remedy, objects.
    #[serde(flatten)]
    pub diagnostic: Diagnostic,
    /// Whether `--fix` knows how to mend it here.
    pub fixable: bool,
}

/// A finding that somebody allowed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// The finding.
    pub finding: Found,
    /// Why it is allowed.
    pub reason: String,
    /// The last day on which it is.
    #[schemars(with = "String")]
    pub until: Date,
    /// Where that is written.
    pub at: Location,
}

/// How many findings there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Objects or files that are refused or ignored.
    pub errors: usize,
    /// What is in force and probably does not mean what its author thinks.
    pub warnings: usize,
    /// What the reader should know.
    pub notes: usize,
    /// Findings that somebody allowed.
    pub allowed: usize,
}

impl Report {
    pub(crate) fn new(stack: &str, mut findings: Vec<Found>, allowed: Vec<Allowed>) -> Self {
        findings.sort_by(|a, b| order(&a.diagnostic).cmp(&order(&b.diagnostic)));
        let of = |severity| findings.iter().filter(|found| found.diagnostic.severity == severity).count();
        let counts = Counts {
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            notes: of(Severity::Note),
            allowed: allowed.len(),
        };
        Self {
            api_version: "airtight.dev/v1alpha1",
            kind: "LintReport",
            stack: stack.to_owned(),
            counts,
            findings,
            allowed,
        }
    }

    /// The findings without what is said about them here.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.findings.iter().map(|found| found.diagnostic.clone()).collect()
    }
}

type Order<'a> = (bool, Option<&'a Location>, &'a str, &'a str);

/// By place; what has none comes last.
fn order(finding: &Diagnostic) -> Order<'_> {
    (finding.location.is_none(), finding.location.as_ref(), &finding.code, &finding.message)
}

/// JSON Schema (2020-12) of a [`Report`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Report>();
    schema.insert("$id".to_owned(), "https://airtight.dev/v1alpha1/lint.schema.json".into());
    schema.insert("title".to_owned(), "airtight lint".into());
    schema.to_value()
}
