//! The order in which objects are written never matters.

use airtight_model::path::Trace;
use airtight_testkit::worlds::documents;
use proptest::prelude::*;

use super::cases;
use super::sketch::{Names, build_from, sketch, traces};

/// A trace whose rules have an order of their own.
fn settled(mut trace: Trace) -> Trace {
    for check in trace.hops.iter_mut().flat_map(|hop| &mut hop.checkpoints) {
        check.decision.rules.sort_by_key(ToString::to_string);
    }
    trace
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn the_order_of_documents_is_irrelevant(
        (sketch, order) in sketch().prop_flat_map(|sketch| {
            let numbers: Vec<usize> = (0..sketch.objects(&Names::default()).len()).collect();
            (Just(sketch), Just(numbers).prop_shuffle())
        }),
    ) {
        let written = documents(&sketch.objects(&Names::default()));
        let shuffled = order.iter().map(|number| written[*number].clone()).collect();
        let flows = sketch.flows(&Names::default());
        let before: Vec<Trace> = traces(&sketch.world(), &flows).into_iter().map(settled).collect();
        let after: Vec<Trace> =
            traces(&build_from(shuffled, sketch.latest).world, &flows).into_iter().map(settled).collect();
        prop_assert_eq!(before, after);
    }
}
