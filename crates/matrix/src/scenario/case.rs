//! Cases: rows of the matrix.

use std::collections::BTreeSet;

use airtight_manifest::{Location, ObjectRef};
use airtight_model::path::Flow;
use airtight_model::policy::{Layer, Outcome, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A case's stable id, such as `MCP-01`.
pub type CaseId = String;

/// One row of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Stable id, never reused.
    pub id: CaseId,
    /// The scenario it belongs to, such as `mcp-cross-namespace`.
    pub scenario: String,
    /// One sentence: the claim.
    pub title: String,
    /// What is attempted.
    pub flow: Flow,
    /// What must come of it.
    pub expect: Expectation,
    /// For a denied case: the allowed case that differs in exactly one thing.
    pub twin: Option<CaseId>,
    /// Controls that it gives evidence for, such as `nist-800-53/AC-4`.
    pub controls: Vec<String>,
    /// Claims of the seeds that it decides, such as `S1-16`.
    pub claims: Vec<String>,
    /// How bad a failure is.
    pub severity: Severity,
    /// A known failure that someone answers for, until a day.
    pub waiver: Option<Waiver>,
    /// Where it was written.
    pub at: Location,
}

/// What must come of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// It must get through.
    Allow(AllowExpectation),
    /// It must not.
    Deny(DenyExpectation),
}

/// What getting through means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowExpectation {
    /// The outcomes that count; empty: any 2xx of an HTTP request, a made connection otherwise.
    pub outcomes: BTreeSet<Outcome>,
    /// Layers that must lie on the way.
    pub via: BTreeSet<Layer>,
    /// The workload (`namespace/name`) that must answer.
    pub answered_by: Option<String>,
    /// Request headers that the backend must see, by name in lower case; none as value: must be absent.
    pub backend_headers: Vec<(String, Option<String>)>,
    /// The objects that rules must generate of an accepted change, no more and no fewer; none: whatever they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generates: Option<BTreeSet<ObjectRef>>,
    /// Labels that the stored object must have; none as value: must be absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, Option<String>)>,
}

/// What being denied means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DenyExpectation {
    /// The layer that must deny.
    pub by: Layer,
    /// The outcomes that count.
    pub outcomes: BTreeSet<Outcome>,
    /// How many layers must each deny alone (on testbeds whose evidence tells).
    pub layers: usize,
    /// Why it must be denied; none: for any reason that is the layer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// How bad a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Cosmetic.
    Low,
    /// Worth mending.
    #[default]
    Medium,
    /// A boundary is open.
    High,
    /// An attacker walks through.
    Critical,
}

/// A known failure that someone answers for, until a day. The case still runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiver {
    /// The last day on which it holds, `YYYY-MM-DD`.
    pub until: String,
    /// Why, and who answers for it.
    pub why: String,
    /// Who approved it, of a waiver in a file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// Who approved a waiver, and where it is followed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Name of the waiver.
    pub waiver: String,
    /// Who approved it.
    pub approver: String,
    /// Where it is followed up.
    pub ticket: String,
}

impl Waiver {
    /// Its last day; none if `until` is not written exactly as `YYYY-MM-DD`.
    #[must_use]
    pub fn last_day(&self) -> Option<jiff::civil::Date> {
        let text = self.until.as_bytes();
        let shaped = text.len() == 10
            && text.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
        shaped.then(|| self.until.parse().ok()).flatten()
    }
}
