//! What generated worlds contain: a law that is never put to the test says nothing.

use std::collections::{BTreeMap, BTreeSet};

use airtight_model::path::Trace;
use airtight_model::policy::{Checkpoint, Effect, Reason};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::sketch::sketch;

/// Decisions that the worlds of a fixed seed lead to, each with how often.
fn decisions(worlds: usize) -> BTreeMap<(Checkpoint, Effect, Reason), usize> {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut seen = BTreeMap::new();
    for _ in 0..worlds {
        let sketch = sketch().new_tree(&mut runner).unwrap().current();
        let traces = sketch.traces();
        for check in traces.iter().flat_map(Trace::checks) {
            *seen.entry((check.checkpoint, check.decision.effect, check.decision.reason)).or_default() += 1;
        }
    }
    seen
}

#[test]
fn generated_worlds_lead_to_every_common_decision() {
    let seen = decisions(150);
    for ((checkpoint, effect, reason), count) in &seen {
        println!("{count:6} {checkpoint} {effect} {reason}");
    }
    let reasons: BTreeSet<Reason> = seen.keys().map(|(_, _, reason)| *reason).collect();
    let wanted = [
        Reason::NoPolicy,
        Reason::AllowRule,
        Reason::DefaultDeny,
        Reason::ExplicitDeny,
        Reason::HostExemption,
        Reason::L7Allowed,
        Reason::L7Denied,
        Reason::L7Unparseable,
        Reason::NameAllowed,
        Reason::NameRefused,
        Reason::StrictMtls,
        Reason::NoAllowMatched,
        Reason::NotCaptured,
        Reason::Direct,
        Reason::ViaWaypoint,
        Reason::Passthrough,
        Reason::RouteMatched,
        Reason::NoRoute,
        Reason::NoListener,
        Reason::TokenInvalid,
        Reason::BackendUnresolved,
        Reason::Unmodelled,
    ];
    for reason in wanted {
        assert!(reasons.contains(&reason), "no generated world leads to {reason}");
    }
}
