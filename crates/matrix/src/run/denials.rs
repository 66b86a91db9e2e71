//! Expectations as a testbed's datapath can meet them.

use std::collections::BTreeSet;

use airtight_model::policy::{Layer, Outcome};

use crate::scenario::{Expectation, Plan};

/// The plan with what a client sees of a denial by the CNI, on a testbed that knows it: some reject where others drop.
/// A case that expects no timeout knows more than that, and stays as it is.
pub(super) fn adapted(plan: &Plan, denials: Option<&BTreeSet<Outcome>>) -> Plan {
    let mut plan = plan.clone();
    let Some(denials) = denials.filter(|denials| !denials.is_empty()) else { return plan };
    for planned in &mut plan.cases {
        if let Expectation::Deny(deny) = &mut planned.case.expect
            && deny.by == Layer::Cni
            && deny.outcomes.remove(&Outcome::Timeout)
        {
            deny.outcomes.extend(denials.iter().cloned());
        }
    }
    plan
}
