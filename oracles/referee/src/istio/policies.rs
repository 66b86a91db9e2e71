//! Policies of Istio with every field that its engines read.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Issuers of tokens; the last one is trusted by nobody.
pub(super) const ISSUERS: [&str; 3] = ["https://one.example.org", "two@example.org/x", "https://nobody.example.org"];

/// The key that the oracle signs with.
const KEY: &str = r#"{"keys":[{"kty":"oct","kid":"oracle","alg":"HS256","k":"YSBrZXkgdGhhdCBldmVyeWJvZHkga25vd3MsIGFuZCB0aGF0IHNpZ25zIG5vdGhpbmcgYnV0IHF1ZXN0aW9ucw"}]}"#;

/// A field with some of these values.
fn field(name: &'static str, values: &[&'static str]) -> BoxedStrategy<(String, Value)> {
    prop::collection::vec(prop::sample::select(values.to_vec()), 1..3)
        .prop_map(move |values| (name.to_owned(), json!(values)))
        .boxed()
}

/// The same, or its opposite.
fn either(name: &'static str, negated: &'static str, values: &[&'static str]) -> BoxedStrategy<(String, Value)> {
    prop_oneof![2 => field(name, values), 1 => field(negated, values)].boxed()
}

const RANGES: [&str; 9] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.244.0.0/16",
    "10.244.0.1",
    "203.0.113.0/24",
    "10.96.0.0/16",
    "10.244.0.0/30",
    "192.168.0.0/16",
    "::/0",
];

fn operation() -> impl Strategy<Value = Value> {
    let paths = [
        "/",
        "/api",
        "/api/",
        "/api*",
        "*/users",
        "*",
        "/admin/*",
        "/admin/{*}",
        "/admin/{**}",
        "/api/{*}/users",
        "/{**}/v1",
        "/a|b",
        "/a%7Cb",
        "/a%2Fb",
        "//",
        "/API",
        "/api?x=1",
        "/%2F",
        "/a/b",
        "/a\"b",
        "/~x",
        "/admin/%7Bid%7D",
        "/api/%C3%A9",
    ];
    let hosts = ["shop.example.org", "*.example.org", "*", "SHOP.*", "s0.n0", "shop.example.org:80", "*org"];
    let methods = ["GET", "POST", "*", "P*", "*T", "HEAD", "get", "BREW"];
    let field = prop_oneof![
        4 => either("paths", "notPaths", &paths),
        3 => either("methods", "notMethods", &methods),
        2 => either("hosts", "notHosts", &hosts),
        2 => either("ports", "notPorts", &["80", "8080", "9000", "7000", "8443", "9090"]),
    ];
    prop::collection::vec(field, 1..3).prop_map(object)
}

fn object(fields: Vec<(String, Value)>) -> Value {
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}

fn source() -> impl Strategy<Value = Value> {
    let principals = [
        "cluster.local/ns/n0/sa/default",
        "cluster.local/ns/n1/sa/robot",
        "cluster.local/ns/n0/*",
        "*/sa/robot",
        "*",
        "*/ns/n1/sa/rob",
        "cluster.local/*",
        "other/ns/n0/sa/default",
        "*robot",
    ];
    let accounts = ["default", "robot", "n0/default", "n1/robot", "rob", "n2/default"];
    let requesters = [
        "https://one.example.org/alice",
        "*",
        "*/alice",
        "https://one.example.org/*",
        "*lice",
        "two@example.org/x/bob",
        "https://one.example.org/al*",
        "two@example.org/x/*",
        "https://one*",
    ];
    let namespaces = ["n0", "n1", "n2", "n*", "*0", "*"];
    let identity = prop_oneof![
        2 => prop::collection::vec(prop_oneof![
            either("principals", "notPrincipals", &principals), either("namespaces", "notNamespaces", &namespaces),
        ], 1..3),
        1 => prop::collection::vec(either("serviceAccounts", "notServiceAccounts", &accounts), 1..2),
        1 => Just(Vec::new()),
    ];
    let more = prop::collection::vec(
        prop_oneof![
            1 => either("ipBlocks", "notIpBlocks", &RANGES),
            1 => either("remoteIpBlocks", "notRemoteIpBlocks", &RANGES),
            2 => either("requestPrincipals", "notRequestPrincipals", &requesters),
        ],
        0..2,
    );
    (identity, more).prop_map(|(mut fields, more)| {
        fields.extend(more);
        if fields.is_empty() {
            fields.push(("namespaces".to_owned(), json!(["n0"])));
        }
        object(fields)
    })
}

fn condition() -> impl Strategy<Value = Value> {
    let texts = &["red", "blue", "*", "r*", "*e", "alice", "admin", "read", "c", "portal", "shop", "3", "true", "x"];
    let (key, values): (Vec<&str>, _) = (
        vec![
            "request.headers[x-team]",
            "request.headers[X-Team]",
            "request.headers[x-request-id]",
            "request.headers[x-forwarded-proto]",
            "request.headers[:method]",
            "request.headers[host]",
            "request.headers[x-forwarded-client-cert]",
            "request.headers[te]",
            "request.headers[x-claim]",
            "request.headers[authorization]",
            "request.headers[user-agent]",
            "request.headers[x-envoy-internal]",
            "request.auth.claims[group]",
            "request.auth.claims[scope]",
            "request.auth.claims[a][b]",
            "request.auth.claims[a.b]",
            "request.auth.claims[level]",
            "request.auth.claims[staff]",
            "request.auth.claims[iss]",
            "request.auth.claims[nested][scope]",
            "request.auth.claims[nested][list]",
            "request.auth.audiences",
            "request.auth.presenter",
        ],
        texts.to_vec(),
    );
    let text = (prop::sample::select(key), prop::collection::vec(prop::sample::select(values), 1..3));
    let text = text.prop_map(|(key, values)| (key, json!(values)));
    let of = |key: &'static str, values: &[&'static str]| {
        prop::collection::vec(prop::sample::select(values.to_vec()), 1..3).prop_map(move |values| (key, json!(values)))
    };
    let key = prop_oneof![
        8 => text,
        1 => of("source.ip", &RANGES),
        1 => of("remote.ip", &RANGES),
        1 => of("destination.ip", &RANGES),
        1 => of("destination.port", &["80", "9000", "8080", "7000"]),
        1 => of("source.namespace", &["n0", "n1", "n*", "*"]),
        1 => of("source.principal", &["cluster.local/ns/n0/sa/default", "*/sa/robot", "*"]),
        1 => of("source.serviceAccount", &["n0/default", "n1/robot"]),
        1 => of("connection.sni", &["shop.example.org", "*.example.org", "other"]),
        1 => of("request.auth.principal", &["https://one.example.org/alice", "*", "*/bob"]),
    ];
    (key, prop::bool::weighted(0.3))
        .prop_map(|((key, values), negated)| json!({"key": key, if negated { "notValues" } else { "values" }: values}))
}

fn rule() -> impl Strategy<Value = Value> {
    let from = prop::collection::vec(source().prop_map(|source| json!({"source": source})), 0..3);
    let to = prop::collection::vec(operation().prop_map(|operation| json!({"operation": operation})), 0..3);
    let when = prop::collection::vec(condition(), 0..3);
    (from, to, when).prop_map(|(from, to, when)| {
        let mut rule = Map::new();
        for (name, list) in [("from", from), ("to", to), ("when", when)] {
            if !list.is_empty() {
                rule.insert(name.to_owned(), json!(list));
            }
        }
        Value::Object(rule)
    })
}

/// Where a policy is, and what it is for.
fn attached() -> impl Strategy<Value = (&'static str, Value)> {
    let service = |name: &str| json!({"targetRefs": [{"kind": "Service", "group": "", "name": name}]});
    let gateway = json!({"targetRefs": [{"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "wp"}]});
    let class = json!({"targetRefs": [
        {"kind": "GatewayClass", "group": "gateway.networking.k8s.io", "name": "istio-waypoint"},
    ]});
    let selector = |app: &str| json!({"selector": {"matchLabels": {"app": app}}});
    prop::sample::select(vec![
        ("n0", json!({})),
        ("n1", json!({})),
        ("istio-system", json!({})),
        ("n0", selector("v0")),
        ("n0", selector("v1")),
        ("n1", selector("v0")),
        ("istio-system", selector("v1")),
        ("n0", service("s0")),
        ("n0", service("s0")),
        ("n0", service("s0")),
        ("n1", service("s1")),
        ("n0", service("s1")),
        ("n0", gateway.clone()),
        ("n0", gateway.clone()),
        ("n1", gateway),
        ("istio-system", class.clone()),
        ("n0", class),
    ])
}

fn authorization() -> impl Strategy<Value = Value> {
    let action =
        prop::sample::select(vec![None, Some("ALLOW"), Some("ALLOW"), Some("DENY"), Some("DENY"), Some("AUDIT")]);
    let rules = prop_oneof![1 => Just(Vec::new()), 9 => prop::collection::vec(rule(), 1..=3)];
    (attached(), action, rules, prop::bool::weighted(0.08)).prop_map(|((namespace, mut spec), action, rules, dry)| {
        if let Some(action) = action {
            spec["action"] = json!(action);
        }
        if !rules.is_empty() {
            spec["rules"] = json!(rules);
        }
        let annotations = if dry { json!({"istio.io/dry-run": "true"}) } else { json!({}) };
        json!({
            "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"namespace": namespace, "annotations": annotations}, "spec": spec,
        })
    })
}

fn peer_authentication() -> impl Strategy<Value = Value> {
    let mode = || prop::sample::select(vec!["STRICT", "STRICT", "PERMISSIVE", "DISABLE", "UNSET"]);
    let namespace = prop::sample::select(vec!["n0", "n1", "istio-system"]);
    let port = prop::sample::select(vec!["80", "8080", "9000"]);
    let ports = prop_oneof![1 => Just(None), 2 => prop::collection::btree_map(port, mode(), 1..=2).prop_map(Some)];
    (namespace, prop::option::of(prop::sample::select(vec!["v0", "v1"])), prop::option::of(mode()), ports).prop_map(
        |(namespace, app, mode, ports)| {
            let mut spec = json!({});
            if let Some(mode) = mode {
                spec["mtls"] = json!({"mode": mode});
            }
            if let (Some(app), true) = (app, namespace != "istio-system") {
                spec["selector"] = json!({"matchLabels": {"app": app}});
                for (port, mode) in ports.into_iter().flatten() {
                    spec["portLevelMtls"][port] = json!({"mode": mode});
                }
            }
            json!({
                "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
                "metadata": {"namespace": namespace}, "spec": spec,
            })
        },
    )
}

fn jwt_rule() -> impl Strategy<Value = Value> {
    let issuer = prop::sample::select(ISSUERS[..2].to_vec());
    let audiences = prop::sample::subsequence(vec!["shop", "other"], 0..=2);
    let claim = prop::sample::select(vec!["sub", "group", "a.b", "level", "staff", "iss"]);
    let output = prop::option::weighted(0.3, claim.prop_map(|claim| json!([{"header": "x-claim", "claim": claim}])));
    let split = prop::option::weighted(0.2, Just(json!(["group"])));
    (issuer, audiences, any::<bool>(), output, split, prop::bool::weighted(0.1)).prop_map(
        |(issuer, audiences, forward, output, split, payload)| {
            let mut rule = json!({"issuer": issuer, "jwks": KEY, "forwardOriginalToken": forward});
            if !audiences.is_empty() {
                rule["audiences"] = json!(audiences);
            }
            if let Some(output) = output {
                rule["outputClaimToHeaders"] = output;
            }
            if let Some(split) = split {
                rule["spaceDelimitedClaims"] = split;
            }
            if payload {
                rule["outputPayloadToHeader"] = json!("x-payload");
            }
            rule
        },
    )
}

fn request_authentication() -> impl Strategy<Value = Value> {
    (attached(), prop::collection::vec(jwt_rule(), 1..=2)).prop_map(|((namespace, mut spec), rules)| {
        spec["jwtRules"] = json!(rules);
        json!({
            "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"namespace": namespace}, "spec": spec,
        })
    })
}

/// Any policy.
pub(super) fn policy() -> impl Strategy<Value = Value> {
    prop_oneof![6 => authorization(), 2 => peer_authentication(), 2 => request_authentication()]
}
