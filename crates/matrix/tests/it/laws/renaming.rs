//! What things are called never matters, as long as different things are called differently.

use airtight_model::path::Trace;
use proptest::prelude::*;

use super::cases;
use super::sketch::{Names, aged, traces};
use super::standing::Standing;

/// Names in another order, none of which is among the default ones.
fn renaming() -> impl Strategy<Value = Names> {
    let shuffled = |prefix: &'static str, count: usize| {
        let fresh: Vec<String> = ('a'..='z').take(count).map(|letter| format!("{prefix}{letter}")).collect();
        Just(fresh).prop_shuffle()
    };
    let default = Names::default();
    (
        shuffled("zone-", default.namespaces.len()),
        shuffled("box-", default.pods.len()),
        shuffled("kind-", default.values.len()),
        shuffled("door-", default.services.len()),
    )
        .prop_map(|(namespaces, pods, values, services)| Names { namespaces, pods, values, services })
}

/// How a flow stands, how many layers would stop it, and whether someone is known to answer. Which way is shown
/// where a balancer has a choice is a matter of names.
fn shape(trace: &Trace) -> (Standing, usize, bool) {
    (Standing::of(trace), trace.denying_layers().len(), trace.answer.is_some())
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn names_are_irrelevant(sketch in aged(), names in renaming()) {
        let built = |names: &Names| traces(&sketch.built(names).world, &sketch.flows(names));
        let (before, after) = (built(&Names::default()), built(&names));
        for (before, after) in before.iter().zip(&after) {
            let (before_shape, after_shape) = (shape(before), shape(after));
            prop_assert!(before_shape == after_shape, "{before_shape:?}\n{after_shape:?}\n{before:#?}\n{after:#?}");
        }
    }
}
