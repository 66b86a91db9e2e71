//! Objects of kinds that are not modelled, and the flows that they could touch.

use super::trace::{End, Trace};
use crate::manifest::RuleRef;
use crate::world::World;

/// Kinds that the API server stores and none of the stack's components reads
/// (Cilium never implemented AdminNetworkPolicy: cilium issue 23380).
const UNREAD: &[&str] = &["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"];

/// Leaves open how a flow ends that an object of an unmodelled kind could touch: one in a namespace on
/// its way, in the mesh's root namespace, or in none.
pub(super) fn admit_doubt(world: &World, mut trace: Trace) -> Trace {
    let doubtful = world.objects.unmodelled.iter().find(|rule| touches(world, rule, &trace));
    if let Some(rule) = doubtful {
        trace.end = End::Unknown(format!("{rule} is of a kind that airtight does not model"));
        trace.answer = None;
    }
    trace
}

fn touches(world: &World, rule: &RuleRef, trace: &Trace) -> bool {
    if UNREAD.contains(&&*rule.object.kind) {
        return false;
    }
    match rule.object.namespace.as_deref() {
        None => true,
        Some(namespace) => namespace == world.stack.istio.root_namespace || passes_through(namespace, trace),
    }
}

fn passes_through(namespace: &str, trace: &Trace) -> bool {
    let ends = trace.hops.iter().flat_map(|hop| [&hop.from, &hop.to]);
    ends.filter_map(|end| end.split_once('/')).any(|(home, _)| home == namespace)
}
