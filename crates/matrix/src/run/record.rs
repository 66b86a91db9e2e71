//! The record of a run: what `run.json` holds, enough to render every other format.

use std::collections::BTreeMap;

use airtight_manifest::{Diagnostic, Location, ObjectRef, RuleRef};
use serde::{Deserialize, Serialize};

use crate::judge::{Judgement, Observation, Prediction};
use crate::scenario::{Case, CaseId};

/// The `schema` of a [`RunRecord`]; its number rises when a field changes its meaning or goes away.
pub const RUN_SCHEMA: &str = "airtight.dev/run/v1";

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    /// Unique id of the run.
    pub id: String,
    /// The program that ran.
    pub tool: ToolRecord,
    /// Where flows were tried: `model`, `lab`, `kind` or `cluster`.
    pub testbed: String,
    /// Component versions.
    pub stack: StackRecord,
    /// When it started, RFC 3339 in UTC.
    pub started: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Whether the testbed enforces at all.
    pub canary: CanaryRecord,
    /// Findings about the inputs; an error among them fails the run.
    pub findings: Vec<Diagnostic>,
    /// Titles of the scenarios, by name.
    pub scenarios: BTreeMap<String, String>,
    /// The cases in the order of the matrix.
    pub cases: Vec<CaseRecord>,
    /// Every policy object, with the cases that exercise it.
    pub policies: Vec<PolicyRecord>,
    /// SHA-256 of every input file, by name.
    pub inputs: BTreeMap<String, String>,
    /// What became of the waivers that stand in files of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<WaiverRecord>,
    /// Raw observations beside this file, of a run on a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceRecord>,
    /// Counts and the result.
    pub summary: Summary,
}

/// A waiver that stands in a file of its own, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaiverRecord {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub state: WaiverState,
    /// The last day on which it holds, `YYYY-MM-DD`.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who approved it.
    pub approver: String,
    /// Where it is followed up.
    pub ticket: String,
    /// The cases that it turned from failed to waived.
    pub cases: Vec<CaseId>,
    /// Where it was written.
    pub at: Location,
}

/// What became of a waiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// A failure is waived by it.
    Used,
    /// Nothing that it is for fails.
    Unused,
    /// Its last day is over; what it was for counts as failed.
    Expired,
    /// It is for nothing.
    Dangling,
    /// What it is for was not tried, came to nothing, or is waived by another.
    Open,
}

/// Where the raw observations of a run are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRecord {
    /// The folder, beside `run.json`.
    pub folder: String,
    /// SHA-256 of every file in it, by name.
    pub files: BTreeMap<String, String>,
}

/// The program that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolRecord {
    /// `airtight`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The stack that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StackRecord {
    /// Its name.
    pub name: String,
    /// Version by component, in the order of a reader's interest.
    pub versions: Vec<(String, String)>,
}

/// Whether the testbed enforces at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryRecord {
    /// A deny bit, and stopped biting without its policy.
    pub enforces: bool,
    /// What was seen, one sentence.
    pub detail: String,
}

/// One case with what was seen and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseRecord {
    /// The case.
    pub case: Case,
    /// Not selected itself: tried as the twin of a case that was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub support: bool,
    /// What was seen; none for a skipped case.
    pub observation: Option<Observation>,
    /// What the model foresaw, on another testbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
    /// What it came to.
    pub judgement: Judgement,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

/// A policy object and who exercises it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRecord {
    /// The object, and where it is written.
    #[serde(flatten)]
    pub rule: RuleRef,
    /// The layer that enforces it.
    pub layer: String,
    /// SHA-256 of the object.
    pub digest: String,
    /// Cases in whose trace one of its rules decided.
    pub decides: Vec<CaseId>,
    /// Cases that no longer pass once the object is removed; empty: no case notices it.
    pub noticed_by: Vec<CaseId>,
    /// The object that generated it, if admission did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_by: Option<ObjectRef>,
}

/// Counts and the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Cases in the selection.
    pub total: usize,
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Inconclusive.
    pub inconclusive: usize,
    /// Skipped.
    pub skipped: usize,
    /// Waived.
    pub waived: usize,
    /// Passed only after a retry (also counted in `passed`).
    pub flaky: usize,
    /// Allowed cases that passed.
    pub allowed: usize,
    /// Denied cases that passed.
    pub denied: usize,
    /// The result.
    pub status: ExitStatus,
}

/// The result of a run; its number is the exit code.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ExitStatus {
    /// 0: cases passed, and none failed (waived and skipped cases are counted aloud).
    #[default]
    Passed,
    /// 1: a case failed, or a policy object was refused.
    Failed,
    /// 2: wrong usage or input.
    InputError,
    /// 3: nothing failed, and a case is inconclusive.
    Inconclusive,
    /// 4: nothing was selected.
    NothingSelected,
    /// 5: the testbed could not be brought up, or does not enforce.
    NoTestbed,
}

impl ExitStatus {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::InputError => 2,
            Self::Inconclusive => 3,
            Self::NothingSelected => 4,
            Self::NoTestbed => 5,
        }
    }
}
