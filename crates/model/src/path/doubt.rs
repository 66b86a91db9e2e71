//! Objects of kinds that are not modelled, and the flows that they could touch.

use airtight_manifest::RuleRef;

use super::trace::{End, Hop, Trace};
use crate::world::{Reach, UNREAD, World};

/// Leaves open how a flow ends that an object of an unmodelled kind could touch on its way.
pub(super) fn admit_doubt(world: &World, mut trace: Trace) -> Trace {
    if let Some(rule) = doubt_about(world, &trace.hops) {
        trace.end = End::Unknown(why_open(rule));
        trace.answer = None;
    }
    trace
}

/// Why an object leaves a way open, in words.
pub(super) fn why_open(rule: &RuleRef) -> String {
    if rule.object.kind.as_ref() == UNREAD {
        return format!("{} could not be read from the cluster ({})", rule.object.name, rule.at);
    }
    format!("{rule} is of a kind that airtight does not model")
}

/// The object that leaves a way open.
pub(super) fn doubt_about<'w>(world: &'w World, hops: &[Hop]) -> Option<&'w RuleRef> {
    let meets = |reach: &Reach| {
        *reach == Reach::Everything || hops.iter().any(|hop| reach.has(&hop.from, &hop.to, leaves(world, &hop.to)))
    };
    doubt(world, meets)
}

/// The object that leaves open whatever begins at an end, wherever in the cluster that leads.
pub(super) fn doubt_from<'w>(world: &'w World, end: &str) -> Option<&'w RuleRef> {
    doubt(world, |reach| reach.has_start(end))
}

/// The object that leaves open whatever leads to an end.
pub(super) fn doubt_to<'w>(world: &'w World, end: &str) -> Option<&'w RuleRef> {
    doubt(world, |reach| reach.has_end(end))
}

fn doubt(world: &World, meets: impl Fn(&Reach) -> bool) -> Option<&RuleRef> {
    world.touched.iter().find(|touched| touched.reach.iter().any(&meets)).map(|touched| &touched.rule)
}

/// Whether a hop to here leads out of the cluster.
fn leaves(world: &World, to: &str) -> bool {
    to.split_once('/').is_none_or(|(home, _)| home != "node" && !world.namespaces.contains_key(home))
}
