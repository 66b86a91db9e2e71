//! What the engine does not model makes it unsure, and never sure of something else.

use airtight_model::path::Trace;
use airtight_testkit::network;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::sketch::{Sketch, sketch};
use super::standing::{Standing, standings};
use super::{cases, mesh};

/// An object of a kind that the engine does not model, in a namespace or in none.
fn unmodelled_kind() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec![
        ("networking.istio.io/v1alpha3", "EnvoyFilter", true),
        ("networking.istio.io/v1", "VirtualService", true),
        ("networking.istio.io/v1", "Sidecar", true),
        ("networking.istio.io/v1", "WorkloadEntry", true),
        ("extensions.istio.io/v1alpha1", "WasmPlugin", true),
        ("cilium.io/v2", "CiliumLocalRedirectPolicy", true),
        ("cilium.io/v2", "CiliumEnvoyConfig", true),
        ("cilium.io/v2", "CiliumClusterwideEnvoyConfig", false),
        ("cilium.io/v2", "CiliumEgressGatewayPolicy", false),
        ("networking.k8s.io/v1", "Ingress", true),
        ("gateway.networking.k8s.io/v1alpha2", "TCPRoute", true),
        ("gateway.kgateway.dev/v1alpha1", "HTTPListenerPolicy", true),
        ("gateway.kgateway.dev/v1alpha1", "BackendConfigPolicy", true),
    ]);
    (kind, 0..4_usize).prop_map(|((api, kind, namespaced), home)| {
        let metadata = if namespaced { json!({"namespace": format!("{{n{home}}}")}) } else { json!({}) };
        json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": {}})
    })
}

/// A network policy whose only rule has a part that is not modelled.
fn unmodelled_rule() -> impl Strategy<Value = Value> {
    let part = prop::sample::select(vec![
        ("egress", json!({"toGroups": [{"aws": {"region": "eu-1"}}]})),
        ("ingress", json!({"fromGroups": [{"aws": {"region": "eu-1"}}]})),
        ("egressDeny", json!({"toGroups": [{"aws": {"region": "eu-1"}}]})),
        (
            "egress",
            json!({"toEntities": ["all"], "toPorts": [{
                "ports": [{"port": "443", "protocol": "TCP"}, {"port": "8080", "protocol": "TCP"}],
                "terminatingTLS": {"secret": {"name": "s"}},
            }]}),
        ),
        (
            "egress",
            json!({"toEntities": ["all"], "toPorts": [{
                "ports": [{"port": "8080", "protocol": "TCP"}],
                "listener": {"envoyConfig": {"kind": "CiliumEnvoyConfig", "name": "x"}, "name": "x"},
            }]}),
        ),
    ]);
    (network::home(), network::pods(), part, prop::option::of(any::<bool>())).prop_map(
        |(home, subject, (list, rule), isolates)| {
            let mut policy = network::cilium_policy(home, &subject, Vec::new(), isolates.map(|both| (both, both)));
            policy["spec"][list] = json!([rule]);
            policy
        },
    )
}

/// A CUSTOM AuthorizationPolicy: another program decides.
fn custom() -> impl Strategy<Value = Value> {
    (mesh::scope(), mesh::rule()).prop_map(|(scope, rule)| {
        let mut policy = mesh::authorization_policy("CUSTOM", &scope, &[rule]);
        policy["spec"]["provider"] = json!({"name": "authorizer"});
        policy
    })
}

fn compared(sketch: &Sketch, policy: &Value) -> Vec<(Standing, Standing, Trace)> {
    let traces = sketch.with(policy).traces();
    let after = standings(&traces);
    let before = standings(&sketch.traces());
    before.into_iter().zip(after).zip(traces).map(|((before, after), trace)| (before, after, trace)).collect()
}

/// Never from unsure or denied to allowed for certain.
fn opens_nothing(sketch: &Sketch, policy: &Value) -> Result<(), TestCaseError> {
    for (before, after, trace) in compared(sketch, policy) {
        prop_assert!(before.is_through() || !after.is_through(), "{before:?} {after:?}\n{policy}\n{trace:#?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(20))]

    /// An object of an unmodelled kind leaves a flow as it is, or open.
    #[test]
    fn an_unmodelled_kind_settles_nothing(sketch in sketch(), object in unmodelled_kind()) {
        for (before, after, trace) in compared(&sketch, &object) {
            prop_assert!(after == before || after == Standing::Unknown, "{before:?} {after:?}\n{object}\n{trace:#?}");
        }
    }

    #[test]
    fn an_unmodelled_rule_opens_nothing(sketch in sketch(), policy in unmodelled_rule()) {
        opens_nothing(&sketch, &policy)?;
    }

    #[test]
    fn an_unmodelled_authorizer_opens_nothing(sketch in sketch(), policy in custom()) {
        opens_nothing(&sketch, &policy)?;
    }

    /// Two objects that the engine does not know leave it no surer than one.
    #[test]
    fn doubt_is_sticky(sketch in sketch(), first in unmodelled_kind(), second in unmodelled_rule()) {
        for (before, after, trace) in compared(&sketch.with(&first), &second) {
            let sure_again = before == Standing::Unknown && after.is_through();
            prop_assert!(!sure_again, "{before:?} {after:?}\n{trace:#?}");
        }
    }
}
