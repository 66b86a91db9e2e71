//! Testbeds: where flows are tried.

use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::Failure;
use airtight_model::path::Flow;
use airtight_model::policy::{Layer, Outcome};

use crate::judge::Observation;
use crate::scenario::got_through;

/// A place where flows are tried: the model, the lab, a kind cluster, an existing cluster.
pub trait Testbed {
    /// Its name in reports: `model`, `lab`, `kind` or `cluster`.
    fn name(&self) -> &'static str;

    /// Shows that it enforces at all: one flow in a throw-away namespace, tried with a deny-all policy and without.
    ///
    /// # Errors
    /// When the testbed could not be brought up.
    fn canary(&mut self) -> Result<Canary, Failure>;

    /// Tries flows at the same moment, which is one round: one observation for each flow, in their order.
    fn observe(&mut self, flows: &[&Flow]) -> Vec<Observation>;

    /// Why this testbed cannot try a flow; none if it can. A case whose flow cannot be tried is skipped.
    fn refuses(&self, _flow: &Flow) -> Option<String> {
        None
    }

    /// Layers that nobody enforces here, each with the reason. A case that expects something of one is skipped.
    fn lacks(&self) -> BTreeMap<Layer, String> {
        BTreeMap::new()
    }

    /// What a client sees of a denial by the CNI here, where it is known; it takes the place of the timeout that a case
    /// expects.
    fn denials(&self) -> Option<BTreeSet<Outcome>> {
        None
    }

    /// Adds to what was seen of a flow, whose case failed on it, what helps to find the cause.
    fn elaborate(&mut self, _flow: &Flow, _seen: &mut Observation) {}

    /// Whether trying again can end differently: there is a network with chances of its own.
    fn is_live(&self) -> bool {
        true
    }
}

/// What a testbed saw of one flow with a deny-all policy, and of the same flow without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// The outcome under the policy.
    pub with_policy: Outcome,
    /// The outcome without it.
    pub without_policy: Outcome,
    /// Which flow, and which policy: one sentence.
    pub detail: String,
}

impl Canary {
    /// Whether the policy bit, and the flow got through without it.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.bit() && got_through(&self.without_policy)
    }

    /// A name that does not resolve or a handshake that fails is no sign of enforcement.
    fn bit(&self) -> bool {
        match &self.with_policy {
            Outcome::Timeout | Outcome::Refused | Outcome::Reset | Outcome::Http(403) => true,
            Outcome::Connected
            | Outcome::Http(_)
            | Outcome::DnsFailure(_)
            | Outcome::TlsFailure
            | Outcome::ProbeError(_) => false,
        }
    }
}
