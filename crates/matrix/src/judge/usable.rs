//! Whether an observation can decide anything at all.

use airtight_model::path::{End, Trace};
use airtight_model::policy::Outcome;

use super::observation::Observation;
use crate::scenario::Case;

/// Why an observation decides nothing; none if it can be used.
pub(super) fn unusable(case: &Case, observation: &Observation) -> Option<String> {
    if let Some(why) = &observation.undecided {
        return Some(format!("undecided: {why}"));
    }
    match &observation.outcome {
        None => return Some("nobody saw how the flow ended".to_owned()),
        Some(Outcome::ProbeError(why)) => return Some(format!("the probe failed: {why}")),
        Some(
            Outcome::Connected
            | Outcome::Http(_)
            | Outcome::Refused
            | Outcome::Reset
            | Outcome::Timeout
            | Outcome::DnsFailure(_)
            | Outcome::TlsFailure,
        ) => {}
    }
    if observation.attempts == 0 {
        return Some("the flow was never attempted".to_owned());
    }
    observation.evidence.trace.as_ref().and_then(|trace| contradiction(case, observation, trace))
}

/// A trace of another flow, or of another end, shows that the testbed mixed something up.
fn contradiction(case: &Case, observation: &Observation, trace: &Trace) -> Option<String> {
    if trace.flow != case.flow {
        return Some(format!("the evidence is of another flow: {}", trace.flow));
    }
    match &trace.end {
        End::Unknown(why) => return Some(format!("undecided: {why}")),
        End::Outcome(outcome) if Some(outcome) != observation.outcome.as_ref() => {
            return Some(format!("the trace ends in {outcome}, and the observation does not"));
        }
        End::Outcome(_) => {}
    }
    let denial = trace.denial().map(|check| check.checkpoint.layer());
    (denial != observation.evidence.denied_by).then(|| "the trace and the observation name different layers".to_owned())
}
