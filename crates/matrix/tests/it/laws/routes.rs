//! Routes and grants of a generated world.

use proptest::prelude::*;
use serde_json::{Value, json};

fn namespace() -> impl Strategy<Value = String> {
    (0..4_usize).prop_map(|index| format!("{{n{index}}}"))
}

fn matches() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!([{"path": {"type": "PathPrefix", "value": "/"}}]),
        json!([{"path": {"type": "PathPrefix", "value": "/"}}]),
        json!([{"path": {"type": "PathPrefix", "value": "/api"}}]),
        json!([{"path": {"type": "Exact", "value": "/admin"}}]),
        json!([{"method": "POST"}]),
        json!([{"path": {"type": "PathPrefix", "value": "/api"}, "method": "GET"}]),
    ])
}

fn backend() -> impl Strategy<Value = Value> {
    (0..2_usize, prop::sample::select(vec![80, 80, 80, 9000])).prop_map(
        |(index, port)| json!({"name": format!("{{s{index}}}"), "namespace": format!("{{sn{index}}}"), "port": port}),
    )
}

fn filter() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-team", "value": "a"}]}}]),
        json!([{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/admin"}}}]),
    ])
}

fn rule(backends: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Value> {
    let backends = prop::collection::vec(backend(), backends);
    (prop::option::weighted(0.8, matches()), backends, prop::option::weighted(0.2, filter())).prop_map(
        |(matches, backends, filters)| {
            let mut rule = json!({"backendRefs": backends});
            if let Some(matches) = matches {
                rule["matches"] = matches;
            }
            if let Some(filters) = filters {
                rule["filters"] = filters;
            }
            rule
        },
    )
}

/// Namespace, parent and host names.
fn place() -> impl Strategy<Value = (String, Value, Value)> {
    let hosts = prop::sample::select(vec![json!([]), json!(["shop.example.org"]), json!(["*.example.org"])]);
    let edge = (prop_oneof![2 => namespace(), 2 => Just("{en0}".to_owned())], hosts)
        .prop_map(|(home, hosts)| (home, json!({"name": "edge", "namespace": "{en0}"}), hosts));
    let service = (0..2_usize).prop_map(|index| {
        let parent = json!({"group": "", "kind": "Service", "name": format!("{{s{index}}}")});
        (format!("{{sn{index}}}"), parent, json!([]))
    });
    prop_oneof![3 => edge, 2 => service]
}

/// An HTTPRoute of the gateway or of a Service, with one backend for each rule.
pub(super) fn route() -> impl Strategy<Value = Value> {
    (place(), prop::collection::vec(rule(1..=1), 1..=2)).prop_map(|((namespace, parent, hosts), rules)| {
        let mut spec = json!({"parentRefs": [parent], "rules": rules});
        if hosts != json!([]) {
            spec["hostnames"] = hosts;
        }
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"namespace": namespace}, "spec": spec,
        })
    })
}

/// A ReferenceGrant for routes of one namespace to the Services of another.
pub(super) fn grant() -> impl Strategy<Value = Value> {
    (0..4_usize, namespace()).prop_map(|(service, from)| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
            "metadata": {"namespace": format!("{{sn{service}}}")},
            "spec": {
                "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": from}],
                "to": [{"group": "", "kind": "Service"}],
            },
        })
    })
}
