//! In which way an expectation does not hold.

use std::fmt;

use airtight_matrix::judge::Observation;
use airtight_matrix::run::CaseRecord;
use airtight_matrix::scenario::{AllowExpectation, DenyExpectation, Expectation};
use airtight_model::path::Flow;
use airtight_model::policy::Outcome;

/// In which way an expectation does not hold; the name is the `type` of a JUnit failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// It had to be denied and got through.
    UnexpectedAllow,
    /// It had to get through and was denied.
    UnexpectedDeny,
    /// Denied by another layer, or allowed past a layer that must lie on the way.
    WrongLayer,
    /// Denied, but by fewer layers than must each deny alone.
    FewerLayers,
    /// Another workload answered.
    WrongBackend,
    /// The backend saw other headers.
    WrongHeaders,
    /// Another outcome than the accepted ones.
    WrongOutcome,
    /// Nothing was observed.
    NoObservation,
}

impl FailureKind {
    /// In which way the expectation of a failed (or waived) case does not hold.
    #[must_use]
    pub fn of(record: &CaseRecord) -> Self {
        let Some((observation, outcome)) =
            record.observation.as_ref().and_then(|observation| Some((observation, observation.outcome.as_ref()?)))
        else {
            return Self::NoObservation;
        };
        if let Outcome::ProbeError(_) = outcome {
            return Self::NoObservation;
        }
        match &record.case.expect {
            Expectation::Allow(allow) => not_allowed(allow, &record.case.flow, observation, outcome),
            Expectation::Deny(deny) => not_denied(deny, observation, outcome),
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::UnexpectedAllow => "unexpectedly allowed",
            Self::UnexpectedDeny => "unexpectedly denied",
            Self::WrongLayer => "wrong layer",
            Self::FewerLayers => "fewer layers deny than must",
            Self::WrongBackend => "another workload answered",
            Self::WrongHeaders => "the backend saw other headers",
            Self::WrongOutcome => "another outcome",
            Self::NoObservation => "nothing was observed",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

fn not_allowed(expected: &AllowExpectation, flow: &Flow, observation: &Observation, outcome: &Outcome) -> FailureKind {
    let evidence = &observation.evidence;
    if !expected.accepts(flow, outcome) {
        // What nobody denied may have come to nothing for any reason.
        return if evidence.denied_by.is_some() { FailureKind::UnexpectedDeny } else { FailureKind::WrongOutcome };
    }
    if !expected.via.is_subset(&evidence.passed) {
        FailureKind::WrongLayer
    } else if expected.answered_by.is_some() && expected.answered_by != evidence.answered_by {
        FailureKind::WrongBackend
    } else if expected.backend_headers.is_empty() {
        FailureKind::WrongOutcome
    } else {
        FailureKind::WrongHeaders
    }
}

fn not_denied(expected: &DenyExpectation, observation: &Observation, outcome: &Outcome) -> FailureKind {
    match observation.evidence.denied_by {
        Some(layer) if layer != expected.by => FailureKind::WrongLayer,
        Some(_) if !expected.outcomes.contains(outcome) => FailureKind::WrongOutcome,
        Some(_) => FailureKind::FewerLayers,
        None if gets_through(outcome) => FailureKind::UnexpectedAllow,
        None => FailureKind::WrongOutcome,
    }
}

/// Whether a workload answered, for all that the client can tell: a proxy denies with 401, 403 or 429.
fn gets_through(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Connected => true,
        Outcome::Http(status) => !matches!(status, 401 | 403 | 429 | 502..=504),
        Outcome::Refused
        | Outcome::Reset
        | Outcome::Timeout
        | Outcome::DnsFailure(_)
        | Outcome::TlsFailure
        | Outcome::ProbeError(_) => false,
    }
}
