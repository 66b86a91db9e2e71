//! Objects of kinds that are not modelled, and the flows that they could touch.

use airtight_manifest::RuleRef;

use super::trace::{End, Hop, Trace};
use crate::world::{WITHOUT_EFFECT, World};

/// Leaves open how a flow ends that an object of an unmodelled kind could touch: one in a namespace on
/// its way, in the mesh's root namespace, or in none.
pub(super) fn admit_doubt(world: &World, mut trace: Trace) -> Trace {
    if let Some(rule) = doubt_about(world, &trace.hops) {
        trace.end = End::Unknown(format!("{rule} is of a kind that airtight does not model"));
        trace.answer = None;
    }
    trace
}

/// The object that leaves a way open.
pub(super) fn doubt_about<'w>(world: &'w World, hops: &[Hop]) -> Option<&'w RuleRef> {
    let ends = hops.iter().flat_map(|hop| [&hop.from, &hop.to]);
    doubt_in(world, &mut ends.filter_map(|end| end.split_once('/')).map(|(home, _)| home))
}

/// The object that leaves a way through these namespaces open.
pub(super) fn doubt_in<'w>(world: &'w World, namespaces: &mut dyn Iterator<Item = &str>) -> Option<&'w RuleRef> {
    if world.objects.unmodelled.is_empty() {
        return None;
    }
    let passed: Vec<&str> = namespaces.collect();
    world.objects.unmodelled.iter().find(|rule| touches(world, rule, &passed))
}

fn touches(world: &World, rule: &RuleRef, passed: &[&str]) -> bool {
    if WITHOUT_EFFECT.contains(&&*rule.object.kind) {
        return false;
    }
    match rule.object.namespace.as_deref() {
        None => true,
        Some(namespace) => namespace == world.stack.istio.root_namespace || passed.contains(&namespace),
    }
}
