//! Policies of the mesh in a generated world.

use proptest::prelude::*;
use serde_json::{Value, json};

use airtight_testkit::network::VALUES;

/// Where an AuthorizationPolicy stands and whom it is for: namespace, and the part of the spec that says so.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) namespace: String,
    pub(super) subject: Value,
}

fn source() -> impl Strategy<Value = Value> {
    let namespace = || (0..4_usize).prop_map(|index| format!("{{n{index}}}"));
    prop_oneof![
        3 => namespace().prop_map(|home| json!({"namespaces": [home]})),
        3 => namespace().prop_map(|home| json!({"principals": [format!("cluster.local/ns/{home}/sa/default")]})),
        1 => namespace().prop_map(|home| json!({"notNamespaces": [home]})),
        4 => Just(json!({"principals": ["*"]})),
        1 => Just(json!({"notPrincipals": ["*"]})),
        1 => Just(json!({"ipBlocks": ["10.244.0.0/16"]})),
        2 => Just(json!({"requestPrincipals": ["issuer/user"]})),
    ]
}

fn operation() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"ports": ["8080"]}),
        json!({"ports": ["80"]}),
        json!({"notPorts": ["9090"]}),
        json!({"paths": ["/api/*"]}),
        json!({"notPaths": ["/admin"]}),
        json!({"methods": ["GET"]}),
        json!({"hosts": ["shop.example.org"], "methods": ["POST"]}),
    ])
}

fn condition() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"key": "source.namespace", "notValues": ["{n0}"]}),
        json!({"key": "destination.port", "values": ["8080"]}),
        json!({"key": "request.auth.claims[sub]", "values": ["user"]}),
        json!({"key": "request.headers[x-team]", "notValues": ["a"]}),
    ])
}

/// One rule of an AuthorizationPolicy.
pub(super) fn rule() -> impl Strategy<Value = Value> {
    let from = prop::collection::vec(source().prop_map(|source| json!({"source": source})), 0..3);
    let operation = operation().prop_map(|operation| json!({"operation": operation}));
    let to = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(operation, 1..3)];
    (from, to, prop::option::weighted(0.3, condition())).prop_map(|(from, to, when)| {
        let mut rule = json!({});
        if !from.is_empty() {
            rule["from"] = from.into();
        }
        if !to.is_empty() {
            rule["to"] = to.into();
        }
        if let Some(when) = when {
            rule["when"] = json!([when]);
        }
        rule
    })
}

fn home() -> impl Strategy<Value = String> {
    prop_oneof![4 => (0..4_usize).prop_map(|index| format!("{{n{index}}}")), 2 => Just("istio-system".to_owned())]
}

fn selector() -> impl Strategy<Value = Value> {
    (0..VALUES).prop_map(|app| json!({"selector": {"matchLabels": {"app": format!("{{v{app}}}")}}}))
}

fn targets() -> impl Strategy<Value = Scope> {
    prop_oneof![
        3 => (0..2_usize).prop_map(|index| Scope {
            namespace: format!("{{sn{index}}}"),
            subject: json!({"targetRefs": [{"group": "", "kind": "Service", "name": format!("{{s{index}}}")}]}),
        }),
        2 => (0..2_usize).prop_map(|index| Scope {
            namespace: format!("{{wn{index}}}"),
            subject: json!({"targetRefs": [{
                "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": format!("{{w{index}}}"),
            }]}),
        }),
        1 => (0..4_usize).prop_map(|index| Scope {
            namespace: format!("{{n{index}}}"),
            subject: json!({"targetRefs": [{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "api"}]}),
        }),
    ]
}

pub(super) fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        3 => home().prop_map(|namespace| Scope { namespace, subject: json!({}) }),
        2 => (home(), selector()).prop_map(|(namespace, subject)| Scope { namespace, subject }),
        4 => targets(),
    ]
}

pub(super) fn authorization_policy(action: &str, scope: &Scope, rules: &[Value]) -> Value {
    let mut spec = scope.subject.clone();
    spec["action"] = json!(action);
    spec["rules"] = json!(rules);
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"namespace": scope.namespace}, "spec": spec,
    })
}

/// An AuthorizationPolicy.
pub(super) fn authorization() -> impl Strategy<Value = Value> {
    (scope(), prop::bool::weighted(0.35), prop::collection::vec(rule(), 1..=2))
        .prop_map(|(scope, deny, rules)| authorization_policy(if deny { "DENY" } else { "ALLOW" }, &scope, &rules))
}

/// A PeerAuthentication.
pub(super) fn peers() -> impl Strategy<Value = Value> {
    let mode = || prop::sample::select(vec!["STRICT", "STRICT", "PERMISSIVE", "UNSET", "DISABLE"]);
    let ports = prop::option::weighted(0.3, mode());
    (home(), prop::option::weighted(0.4, selector()), mode(), ports).prop_map(|(namespace, selector, mode, port)| {
        // Ports are for selected workloads of a namespace other than the root.
        let port = port.filter(|_| selector.is_some() && namespace != "istio-system");
        let mut spec = selector.filter(|_| namespace != "istio-system").unwrap_or_else(|| json!({}));
        spec["mtls"] = json!({"mode": mode});
        if let Some(mode) = port {
            spec["portLevelMtls"] = json!({"8080": {"mode": mode}});
        }
        json!({
            "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"namespace": namespace}, "spec": spec,
        })
    })
}

/// A RequestAuthentication at a waypoint.
pub(super) fn tokens() -> impl Strategy<Value = Value> {
    (targets(), prop::sample::select(vec!["issuer", "other"])).prop_map(|(scope, issuer)| {
        let mut spec = scope.subject;
        spec["jwtRules"] = json!([{"issuer": issuer, "jwksUri": "https://issuer.example.com/keys"}]);
        json!({
            "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"namespace": scope.namespace}, "spec": spec,
        })
    })
}

/// A DestinationRule that originates TLS to the host of the ServiceEntry.
pub(super) fn destination() -> impl Strategy<Value = Value> {
    home().prop_map(|namespace| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"namespace": namespace},
            "spec": {
                "host": "api.example.com",
                "trafficPolicy": {"portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "SIMPLE", "sni": "api.example.com"}}]},
            },
        })
    })
}
