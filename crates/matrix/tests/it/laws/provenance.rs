//! The rules that a trace names are those whose removal can change it.

use std::collections::BTreeSet;

use airtight_manifest::ObjectRef;
use airtight_model::path::{Check, Engine, Flow, Trace};
use airtight_model::policy::{Checkpoint, Effect, Layer, Reason};
use airtight_model::world::World;
use proptest::prelude::*;

use super::cases;
use super::sketch::{Names, Sketch, traces, without_choice};
use super::standing::Standing;

fn named(trace: &Trace) -> BTreeSet<&ObjectRef> {
    trace.checks().flat_map(|check| &check.decision.rules).map(|rule| &*rule.object).collect()
}

fn without(world: &World, objects: &BTreeSet<&ObjectRef>) -> World {
    let left = objects.iter().fold(world.objects.clone(), |left, object| left.without(object));
    world.with_objects(left)
}

/// Standing, and every layer that denies.
fn verdict(trace: &Trace) -> (Standing, BTreeSet<Layer>) {
    (Standing::of(trace), trace.denying_layers())
}

/// The place of a checkpoint: which hop, and which of its checkpoints.
type Place<'t> = (&'t str, &'t str, Checkpoint, usize);

fn places(trace: &Trace) -> Vec<(Place<'_>, &Check)> {
    let mut places: Vec<(Place<'_>, &Check)> = Vec::new();
    for hop in &trace.hops {
        for check in &hop.checkpoints {
            let key = (hop.from.as_str(), hop.to.as_str(), check.checkpoint);
            let earlier = places.iter().filter(|((from, to, at, _), _)| (*from, *to, *at) == key).count();
            places.push(((key.0, key.1, key.2, earlier), check));
        }
    }
    places
}

fn check_at<'t>(trace: &'t Trace, place: &Place<'_>) -> Option<&'t Check> {
    places(trace).into_iter().find(|(other, _)| other == place).map(|(_, check)| check)
}

/// Removing a policy that no trace of a flow names changes nothing about the flow.
fn the_unnamed_do_not_matter(sketch: &Sketch) -> Result<(), TestCaseError> {
    let world = sketch.world();
    let flows = sketch.flows(&Names::default());
    let before = traces(&world, &flows);
    for object in sketch.policy_refs() {
        let after = traces(&without(&world, &BTreeSet::from([&object])), &flows);
        for (before, after) in before.iter().zip(&after) {
            if !named(before).contains(&object) {
                let (one, other) = (verdict(before), verdict(after));
                prop_assert!(one == other, "{object}: {one:?} becomes {other:?}\n{before:#?}\n{after:#?}");
            }
        }
    }
    Ok(())
}

/// Reasons that a rule gives by being there, and that no other rule gives once all of them are gone.
fn is_given(check: &Check) -> bool {
    let allowed = [Reason::AllowRule, Reason::L7Allowed, Reason::NameAllowed, Reason::SniAllowed];
    (check.decision.effect == Effect::Allow && allowed.contains(&check.decision.reason))
        || (check.decision.effect == Effect::Deny && check.decision.reason == Reason::ExplicitDeny)
}

/// Without all of the rules that decided at a checkpoint, it decides otherwise.
fn the_named_matter(world: &World, flow: &Flow, trace: &Trace) -> Result<(), TestCaseError> {
    for (place, check) in places(trace).into_iter().filter(|(_, check)| is_given(check)) {
        let rules = check.decision.rules.iter().map(|rule| &*rule.object).collect();
        let left = without(world, &rules);
        let after = Engine::compile(&left).trace(flow).unwrap();
        let same = check_at(&after, &place).is_some_and(|other| {
            (other.decision.effect, other.decision.reason) == (check.decision.effect, check.decision.reason)
        });
        prop_assert!(!same, "{place:?} is the same without {rules:?}\n{trace:#?}\n{after:#?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn removing_what_is_not_named_changes_nothing(sketch in without_choice()) {
        the_unnamed_do_not_matter(&sketch)?;
    }

    #[test]
    fn removing_all_that_is_named_changes_the_decision(sketch in without_choice()) {
        let world = sketch.world();
        let flows = sketch.flows(&Names::default());
        for (flow, trace) in flows.iter().zip(traces(&world, &flows)) {
            the_named_matter(&world, flow, &trace)?;
        }
    }
}
