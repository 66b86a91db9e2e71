//! What a testbed saw.

use std::collections::BTreeSet;

use airtight_model::path::{Admitted, Trace};
use airtight_model::policy::{Layer, Outcome, Reason};
use serde::{Deserialize, Serialize};

/// What a testbed saw of one flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// What the client saw; none if nobody can tell (the reason is in `undecided`).
    pub outcome: Option<Outcome>,
    /// Why there is no outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
    /// What independent observers say.
    pub evidence: Evidence,
    /// How many attempts it took; more than one is reported as flaky.
    pub attempts: u32,
}

impl Observation {
    /// What is left when a testbed saw nothing: no outcome, for this reason.
    #[must_use]
    pub fn nothing(why: impl Into<String>) -> Self {
        Self { outcome: None, undecided: Some(why.into()), evidence: Evidence::default(), attempts: 0 }
    }
}

/// What independent observers say of one flow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The layer that ended the flow, if an observer names it.
    pub denied_by: Option<Layer>,
    /// The layers of which each alone would have ended the flow, if the testbed can tell.
    pub denying_layers: Option<BTreeSet<Layer>>,
    /// The same by the model's account, on a testbed that cannot tell and agrees with the model on all that it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreseen_layers: Option<BTreeSet<Layer>>,
    /// Why the flow was ended, if an observer says.
    pub reason: Option<Reason>,
    /// Layers that the flow passed.
    pub passed: BTreeSet<Layer>,
    /// The workload (`namespace/name`) or outside host that answered; never a proxy on the way to it.
    pub answered_by: Option<String>,
    /// Request headers that the backend saw, names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backend_headers: Vec<(String, String)>,
    /// What came of an attempt to change an object, if it was accepted and an observer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<Admitted>,
    /// The trace, from a testbed that computes one.
    pub trace: Option<Trace>,
    /// Raw lines of observers (flow logs, access logs), verbatim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
}
