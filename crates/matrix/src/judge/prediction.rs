//! What the model foresaw, beside what a live testbed saw.

use airtight_model::policy::Outcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::observation::Observation;
use super::verdict::Verdict;

/// The model's account of a flow that a live testbed tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    /// What the model says of the flow, with its trace.
    pub foreseen: Observation,
    /// Whether the testbed saw the same.
    pub agreement: Agreement,
}

/// Whether two accounts of a flow agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// The same outcome, and no two names for the layer that ended the flow.
    Agree,
    /// One of them has no outcome.
    Open,
    /// They differ.
    #[serde(rename_all = "camelCase")]
    Differ {
        /// In what: one phrase.
        what: String,
        /// Which of them is wrong.
        wrong: Wrong,
    },
}

/// Which of two accounts is wrong, as far as the case tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// The testbed does what the case expects: the model has the manifests or their meaning wrong.
    Model,
    /// By its manifests, the cluster should do what the case expects, and does not.
    Cluster,
    /// The case does not tell.
    Either,
}

impl Prediction {
    /// Compares what was `seen`, and the verdict that it led to, with what was `foreseen`.
    #[must_use]
    pub fn compare(seen: (&Observation, &Verdict), foreseen: (&Observation, &Verdict)) -> Self {
        let agreement = match (decided(seen.0), decided(foreseen.0)) {
            (Some(_), Some(_)) => difference(seen.0, foreseen.0)
                .map_or(Agreement::Agree, |what| Agreement::Differ { what, wrong: Wrong::of(seen.1, foreseen.1) }),
            (None, _) | (_, None) => Agreement::Open,
        };
        Self { foreseen: foreseen.0.clone(), agreement }
    }
}

impl Wrong {
    fn of(seen: &Verdict, foreseen: &Verdict) -> Self {
        match (seen, foreseen) {
            (Verdict::Pass, Verdict::Fail) => Self::Model,
            (Verdict::Fail | Verdict::Waived { .. }, Verdict::Pass) => Self::Cluster,
            (
                Verdict::Pass
                | Verdict::Fail
                | Verdict::Inconclusive
                | Verdict::Skipped { .. }
                | Verdict::Waived { .. },
                _,
            ) => Self::Either,
        }
    }
}

/// Whether two accounts have an outcome each, and neither contradicts the other.
#[must_use]
pub fn agree(seen: &Observation, foreseen: &Observation) -> bool {
    decided(seen).is_some() && decided(foreseen).is_some() && difference(seen, foreseen).is_none()
}

fn decided(observation: &Observation) -> Option<&Outcome> {
    match observation.outcome.as_ref()? {
        Outcome::ProbeError(_) => None,
        outcome @ (Outcome::Connected
        | Outcome::Http(_)
        | Outcome::Refused
        | Outcome::Reset
        | Outcome::Timeout
        | Outcome::DnsFailure(_)
        | Outcome::TlsFailure) => observation.undecided.is_none().then_some(outcome),
    }
}

fn difference(seen: &Observation, foreseen: &Observation) -> Option<String> {
    let (outcome, expected) = (seen.outcome.as_ref()?, foreseen.outcome.as_ref()?);
    if outcome != expected {
        return Some(format!("saw {outcome}, the model foresaw {expected}"));
    }
    let by = (seen.evidence.denied_by?, foreseen.evidence.denied_by);
    match by {
        (seen, Some(foreseen)) if seen == foreseen => None,
        (seen, Some(foreseen)) => Some(format!("{outcome} came from {seen}, the model foresaw it from {foreseen}")),
        (seen, None) => Some(format!("{outcome} came from {seen}, the model foresaw no denial")),
    }
}
