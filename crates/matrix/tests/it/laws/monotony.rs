//! Another allow closes nothing, and another deny opens nothing.

use airtight_testkit::network;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::sketch::{Sketch, sketch};
use super::standing::{Standing, standings};
use super::{cases, mesh};

/// Standings of all flows without and with one more policy.
fn compared(sketch: &Sketch, policy: &Value) -> Vec<(Standing, Standing)> {
    let before = standings(&sketch.traces());
    before.into_iter().zip(standings(&sketch.with(policy).traces())).collect()
}

/// A network policy without L7 part, in one direction.
fn plain(deny: bool) -> impl Strategy<Value = (bool, Value)> {
    any::<bool>().prop_flat_map(move |egress| {
        let shape = network::Shape { egress, deny, layer7: false };
        network::section(shape).prop_map(move |section| (egress, section))
    })
}

fn network_policy(
    home: Option<String>,
    subject: &Value,
    deny: bool,
    section: (bool, Value),
    isolates: Option<bool>,
) -> Value {
    let shape = network::Shape { egress: section.0, deny, layer7: false };
    network::cilium_policy(home, subject, vec![(shape, section.1)], isolates.map(|isolates| (isolates, isolates)))
}

proptest! {
    #![proptest_config(cases(20))]

    /// Premise: the policy does not isolate, and has no L7 part (one would send other traffic of the port
    /// through the proxy).
    #[test]
    fn an_allow_that_does_not_isolate_closes_nothing(
        sketch in sketch(), home in network::home(), subject in network::pods(), section in plain(false),
    ) {
        let policy = network_policy(home, &subject, false, section, Some(false));
        for (flow, (before, after)) in sketch.flows.iter().zip(compared(&sketch, &policy)) {
            prop_assert!(!before.is_through() || !after.is_stopped(), "{flow:?}: {before:?} {after:?}\n{policy}");
        }
    }

    /// Premise: everyone whom the policy selects is isolated in its direction already.
    #[test]
    fn an_allow_for_the_isolated_closes_nothing(
        sketch in sketch(), home in network::home(), subject in network::pods(), section in plain(false),
    ) {
        let nothing = json!({(if section.0 { "toEndpoints" } else { "fromEndpoints" }): []});
        let isolated = sketch.with(&network_policy(None, &json!({}), false, (section.0, nothing), None));
        let isolated = Sketch { policies: renamed(isolated.policies), ..isolated };
        let policy = network_policy(home, &subject, false, section, None);
        for (flow, (before, after)) in sketch.flows.iter().zip(compared(&isolated, &policy)) {
            prop_assert!(!before.is_through() || !after.is_stopped(), "{flow:?}: {before:?} {after:?}\n{policy}");
        }
    }

    #[test]
    fn another_network_denial_opens_nothing(
        sketch in sketch(), home in network::home(), subject in network::pods(), section in plain(true),
        isolates in prop::option::of(any::<bool>()),
    ) {
        let policy = network_policy(home, &subject, true, section, isolates);
        for (flow, (before, after)) in sketch.flows.iter().zip(compared(&sketch, &policy)) {
            prop_assert!(before.is_through() || !after.is_through(), "{flow:?}: {before:?} {after:?}\n{policy}");
        }
    }

    #[test]
    fn another_authorization_denial_opens_nothing(sketch in sketch(), scope in mesh::scope(), rule in mesh::rule()) {
        let policy = mesh::authorization_policy("DENY", &scope, &[rule]);
        for (flow, (before, after)) in sketch.flows.iter().zip(compared(&sketch, &policy)) {
            prop_assert!(before.is_through() || !after.is_through(), "{flow:?}: {before:?} {after:?}\n{policy}");
        }
    }

    /// Premise: an ALLOW policy with the same scope is there already.
    #[test]
    fn another_authorization_allow_closes_nothing(
        sketch in sketch(), scope in mesh::scope(), rules in prop::collection::vec(mesh::rule(), 2),
    ) {
        let first = sketch.with(&mesh::authorization_policy("ALLOW", &scope, &rules[..1]));
        let first = Sketch { policies: renamed(first.policies), ..first };
        let policy = mesh::authorization_policy("ALLOW", &scope, &rules[1..]);
        for (flow, (before, after)) in sketch.flows.iter().zip(compared(&first, &policy)) {
            prop_assert!(!before.is_through() || after.is_through(), "{flow:?}: {before:?} {after:?}\n{policy}");
        }
    }
}

/// Room for another policy with the name of an added one.
fn renamed(mut policies: Vec<Value>) -> Vec<Value> {
    for policy in &mut policies {
        if policy["metadata"]["name"] == "added" {
            policy["metadata"]["name"] = json!("premise");
        }
    }
    policies
}
