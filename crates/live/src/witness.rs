//! Independent observers of a round.

use airtight_matrix::judge::{Evidence, Observation};
use airtight_model::path::Flow;
use airtight_probe::wire;

use crate::origin::Origin;

/// A flow that was tried, and what its client says of it.
#[derive(Debug, Clone, Copy)]
pub struct Tried<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// Where it started.
    pub from: &'a Origin,
    /// What the client saw, with addresses, ports and times by which flow logs know it again.
    pub answer: &'a wire::Answer,
    /// What its request has for a `user-agent`, and no other request does; none if it has one of its own.
    pub mark: Option<&'a str>,
}

/// Somebody else than the client who can tell what became of flows: flow logs, access logs of proxies.
pub trait Witness: Sync {
    /// What is known of each flow of a round, in their order. What nobody saw stays empty.
    fn attribute(&self, round: &[Tried<'_>]) -> Vec<Evidence>;
}

/// Adds what a witness tells to what the client saw. A witness who names the layer knows why a flow ended; without
/// one, the client's suspicion that nothing is there stands.
pub(super) fn add(observation: &mut Observation, told: Evidence) {
    let seen = &mut observation.evidence;
    let Evidence {
        denied_by,
        denying_layers,
        foreseen_layers: _,
        reason,
        passed,
        answered_by,
        backend_headers,
        admitted,
        trace,
        logs,
    } = told;
    if denied_by.is_some() || reason.is_some() {
        seen.reason = reason;
    }
    seen.denied_by = denied_by;
    seen.denying_layers = denying_layers;
    seen.passed.extend(passed);
    seen.answered_by = seen.answered_by.take().or(answered_by);
    if seen.backend_headers.is_empty() {
        seen.backend_headers = backend_headers;
    }
    seen.admitted = admitted;
    seen.trace = trace;
    seen.logs.extend(logs);
}
