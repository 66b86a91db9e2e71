//! Policies of Cilium with all that its engine reads: wider than what the laws of the engine are tried on.

use airtight_testkit::network::{self, VALUES};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn value() -> impl Strategy<Value = String> {
    (0..VALUES).prop_map(|index| format!("v{index}"))
}

/// Keys of selectors, in every source that one can be written with, and values that they may have.
fn label() -> impl Strategy<Value = (String, String)> {
    let key =
        prop::sample::select(vec!["app", "k8s:app", "any:app", "tier", "k8s:tier", "unspec:tier", "pod-template-hash"]);
    let own = (key, value());
    let space = prop::sample::select(vec!["io.kubernetes.pod.namespace", "k8s:io.kubernetes.pod.namespace"]);
    let space = (space, (0..4_usize).prop_map(|index| format!("n{index}")));
    let team = prop::sample::select(vec![
        "io.cilium.k8s.namespace.labels.team",
        "k8s:io.cilium.k8s.namespace.labels.team",
        "k8s:io.cilium.k8s.namespace.labels.beta.kubernetes.io/arch",
        "app.kubernetes.io/name",
        "k8s:topology.kubernetes.io/zone",
    ]);
    let account = Just(("k8s:io.cilium.k8s.policy.serviceaccount", "robot".to_owned()));
    let cluster = prop::sample::select(vec!["default", "other"])
        .prop_map(|name| ("k8s:io.cilium.k8s.policy.cluster", name.to_owned()));
    let reserved = prop::sample::select(vec![
        "reserved:host",
        "reserved:world",
        "reserved:remote-node",
        "reserved:kube-apiserver",
        "reserved:health",
    ]);
    let reserved = reserved.prop_map(|key| (key, String::new()));
    prop_oneof![6 => own, 3 => space, 2 => (team, value()), 1 => account, 1 => cluster, 1 => reserved]
        .prop_map(|(key, value)| (key.to_owned(), value))
}

fn expression() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
    (label(), value(), operator).prop_map(|((key, value), other, operator)| match operator {
        "In" | "NotIn" => json!({"key": key, "operator": operator, "values": [value, other]}),
        _ => json!({"key": key, "operator": operator}),
    })
}

fn selector() -> impl Strategy<Value = Value> {
    let labels =
        prop::collection::btree_map(Just(()).prop_flat_map(|()| label().prop_map(|(key, _)| key)), value(), 0..1);
    let labels =
        prop_oneof![3 => labels.prop_map(|map| json!(map)), 3 => label().prop_map(|(key, value)| json!({key: value}))];
    let expressions = prop::collection::vec(expression(), 0..3);
    prop_oneof![
        1 => Just(json!({})),
        4 => (labels, prop_oneof![2 => Just(Vec::new()), 1 => expressions]).prop_map(|(labels, expressions)| {
            json!({"matchLabels": labels, "matchExpressions": expressions})
        }),
        2 => prop::collection::vec(expression(), 1..3).prop_map(|list| json!({"matchExpressions": list})),
    ]
}

fn range() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "0.0.0.0/0",
        "203.0.113.0/24",
        "203.0.113.10/32",
        "203.0.0.0/8",
        "198.51.100.0/24",
        "192.168.0.0/24",
        "10.244.0.0/16",
        "128.0.0.0/1",
    ])
    .prop_map(str::to_owned)
}

fn range_set() -> impl Strategy<Value = Value> {
    let except = prop::sample::subsequence(vec!["203.0.113.0/28", "203.0.113.77/32", "203.0.113.128/25"], 0..=2);
    prop_oneof![
        2 => range().prop_map(|cidr| json!({"cidr": cidr})),
        2 => (prop::sample::select(vec!["203.0.113.0/24", "203.0.0.0/8", "0.0.0.0/0"]), except)
            .prop_map(|(cidr, except)| json!({"cidr": cidr, "except": except})),
        1 => (0..3_usize).prop_map(|index| json!({"cidrGroupRef": format!("policy-{index}")})),
        1 => expression_of_groups().prop_map(|selector| json!({"cidrGroupSelector": selector})),
    ]
}

fn expression_of_groups() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => value().prop_map(|group| json!({"matchLabels": {"group": group}})),
        1 => value().prop_map(|group| json!({"matchExpressions": [{"key": "group", "operator": "NotIn", "values": [group]}]})),
        1 => Just(json!({"matchExpressions": [{"key": "group", "operator": "Exists"}]})),
    ]
}

/// A CiliumCIDRGroup.
pub(super) fn group() -> impl Strategy<Value = Value> {
    (value(), prop::collection::vec(range(), 1..3)).prop_map(|(group, ranges)| {
        json!({
            "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumCIDRGroup", "metadata": {"labels": {"group": group}},
            "spec": {"externalCIDRs": ranges},
        })
    })
}

fn entities() -> impl Strategy<Value = Value> {
    let entity = prop::sample::select(vec![
        "all",
        "world",
        "world",
        "cluster",
        "host",
        "host",
        "remote-node",
        "kube-apiserver",
        "ingress",
        "health",
        "init",
        "unmanaged",
        "none",
    ]);
    prop::collection::vec(entity, 1..3).prop_map(|list| json!(list))
}

fn names() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        json!({"matchName": "api.example.com"}),
        json!({"matchName": "API.example.com."}),
        json!({"matchPattern": "*.example.com"}),
        json!({"matchPattern": "*"}),
        json!({"matchPattern": "a*.example.*"}),
    ]);
    prop::collection::vec(name, 1..3).prop_map(|list| json!(list))
}

/// The peers of a rule: field and value, or none.
fn peers(egress: bool, deny: bool) -> BoxedStrategy<Option<(String, Value)>> {
    let way = if egress { "to" } else { "from" };
    let named = move |field: &str| format!("{way}{field}");
    let common = prop_oneof![
        1 => Just(None),
        6 => prop::collection::vec(selector(), 0..3).prop_map(move |list| Some((named("Endpoints"), json!(list)))),
        3 => entities().prop_map(move |list| Some((named("Entities"), list))),
        1 => prop::collection::vec(range(), 1..3).prop_map(move |list| Some((named("CIDR"), json!(list)))),
        2 => prop::collection::vec(range_set(), 1..3).prop_map(move |list| Some((named("CIDRSet"), json!(list)))),
    ];
    if egress && !deny {
        return prop_oneof![6 => common, 1 => names().prop_map(|list| Some(("toFQDNs".to_owned(), list)))].boxed();
    }
    common.boxed()
}

fn port() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"port": "8080", "protocol": "TCP"}),
        json!({"port": "8080", "protocol": "TCP"}),
        json!({"port": "8080"}),
        json!({"port": "80", "protocol": "TCP"}),
        json!({"port": "web", "protocol": "TCP"}),
        json!({"port": "web"}),
        json!({"port": "admin", "protocol": "ANY"}),
        json!({"port": "dns", "protocol": "UDP"}),
        json!({"port": "53", "protocol": "UDP"}),
        json!({"port": "53", "protocol": "ANY"}),
        json!({"port": "0", "protocol": "TCP"}),
        json!({"port": "0"}),
        json!({"port": "0", "protocol": "UDP"}),
        json!({"port": "8000", "endPort": 9999, "protocol": "TCP"}),
        json!({"port": "1", "endPort": 65535, "protocol": "ANY"}),
        json!({"port": "0", "endPort": 100, "protocol": "TCP"}),
        json!({"port": "9090", "protocol": "SCTP"}),
    ])
}

fn http() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"method": "GET"}),
        json!({"method": "GET|POST"}),
        json!({"path": "/api"}),
        json!({"path": "/api/.*"}),
        json!({"path": "/a.*", "method": "P.*"}),
        json!({"host": "shop.example.org"}),
        json!({"host": ".*\\.example\\..*"}),
        json!({"headers": ["X-Team: red"]}),
        json!({"headers": ["x-team"]}),
        json!({"headerMatches": [{"name": "x-team", "value": "blue"}]}),
        json!({"method": "GET", "headers": ["x-other"]}),
        json!({}),
    ])
}

fn icmps() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        json!({"type": 8, "family": "IPv4"}),
        json!({"type": "EchoRequest"}),
        json!({"type": "EchoReply", "family": "IPv4"}),
        json!({"type": 0}),
        json!({"type": 3}),
        json!({"type": "DestinationUnreachable", "family": "IPv4"}),
        json!({"type": 128, "family": "IPv6"}),
        json!({"type": "EchoRequest", "family": "IPv6"}),
    ]);
    prop::collection::vec(field, 1..3).prop_map(|fields| json!([{"fields": fields}]))
}

/// What may be said on which ports: fields of a rule.
fn ports(egress: bool, deny: bool) -> BoxedStrategy<Option<(&'static str, Value)>> {
    let plain = prop::collection::vec(port(), 1..3).prop_map(|ports| json!({"ports": ports}));
    let items = prop::collection::vec(plain, 1..3).prop_map(|items| Some(("toPorts", json!(items))));
    let nothing = prop_oneof![2 => Just(None), 1 => icmps().prop_map(|icmps| Some(("icmps", icmps)))];
    if deny {
        return prop_oneof![2 => nothing, 3 => items].boxed();
    }
    let web = prop::sample::select(vec!["8080", "80", "web"]);
    let requests =
        (prop::collection::vec(web, 1..=1), prop::collection::vec(http(), 0..3)).prop_map(|(ports, rules)| {
            let ports: Vec<Value> = ports.iter().map(|port| json!({"port": port, "protocol": "TCP"})).collect();
            Some(("toPorts", json!([{"ports": ports, "rules": {"http": rules}}])))
        });
    let lookups = Just(Some((
        "toPorts",
        json!([{
            "ports": [{"port": "53", "protocol": "UDP"}], "rules": {"dns": [{"matchPattern": "*"}]},
        }]),
    )));
    if egress {
        return prop_oneof![2 => nothing, 4 => items, 2 => requests, 1 => lookups].boxed();
    }
    prop_oneof![2 => nothing, 4 => items, 3 => requests].boxed()
}

fn section() -> impl Strategy<Value = (&'static str, Value)> {
    (any::<bool>(), prop::bool::weighted(0.25)).prop_flat_map(|(egress, deny)| {
        let list = match (egress, deny) {
            (true, true) => "egressDeny",
            (true, false) => "egress",
            (false, true) => "ingressDeny",
            (false, false) => "ingress",
        };
        let requires = prop::option::weighted(0.04, prop::collection::vec(selector(), 1..3));
        (peers(egress, deny), ports(egress, deny), requires).prop_map(move |(peers, ports, requires)| {
            let mut rule = Map::new();
            rule.extend(peers);
            if let Some((field, value)) = ports {
                rule.insert(field.to_owned(), value);
            }
            if let Some(requires) = requires {
                rule.insert(if egress { "toRequires" } else { "fromRequires" }.to_owned(), json!(requires));
            }
            (list, Value::Object(rule))
        })
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let isolates = prop::option::weighted(0.25, (any::<bool>(), any::<bool>()));
    let subject = prop_oneof![3 => Just(json!({})), 2 => network::pods(), 2 => selector()];
    (subject, prop::collection::vec(section(), 1..=3), isolates).prop_map(|(subject, sections, isolates)| {
        let mut spec = json!({"endpointSelector": subject});
        for (list, section) in sections {
            match spec[list].as_array_mut() {
                Some(known) => known.push(section),
                None => spec[list] = json!([section]),
            }
        }
        if let Some((ingress, egress)) = isolates {
            spec["enableDefaultDeny"] = json!({"ingress": ingress, "egress": egress});
        }
        spec
    })
}

/// A CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy, of one rule or of two.
pub(super) fn policy() -> impl Strategy<Value = Value> {
    (network::home(), rule(), prop::option::weighted(0.15, rule())).prop_map(|(home, rule, more)| {
        let kind = if home.is_some() { "CiliumNetworkPolicy" } else { "CiliumClusterwideNetworkPolicy" };
        let metadata = home.map_or(json!({}), |namespace| json!({"namespace": namespace}));
        let mut policy = json!({"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata});
        match more {
            Some(more) => policy["specs"] = json!([rule, more]),
            None => policy["spec"] = rule,
        }
        policy
    })
}
