//! Network policies of a generated world, as strategies.
//!
//! They are JSON in which `{n0}` stands for a namespace, `{p0}` for a pod, `{v0}` for a label's value, `{s0}` for a
//! Service and `{sn0}` for its namespace.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// How many values labels have.
pub const VALUES: usize = 4;

fn value() -> impl Strategy<Value = String> {
    (0..VALUES).prop_map(|index| format!("{{v{index}}}"))
}

fn namespace() -> impl Strategy<Value = String> {
    (0..4_usize).prop_map(|index| format!("{{n{index}}}"))
}

/// A selector of pods by their own labels.
pub fn pods() -> impl Strategy<Value = Value> {
    prop_oneof![
        9 => Just(json!({})),
        3 => (0..2_usize).prop_map(|app| json!({"matchLabels": {"app": format!("{{v{app}}}")}})),
        1 => value().prop_map(|app| json!({"matchLabels": {"app": app}})),
        1 => value().prop_map(|tier| json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": [tier]}]})),
        1 => (0..10_usize).prop_map(|pod| json!({"matchLabels": {"pod": format!("{{p{pod}}}")}})),
    ]
}

fn range() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"cidr": "0.0.0.0/0"}),
        json!({"cidr": "203.0.113.0/24"}),
        json!({"cidr": "0.0.0.0/0", "except": ["203.0.113.0/24"]}),
        json!({"cidr": "198.51.100.0/24"}),
        json!({"cidr": "10.244.0.0/16"}),
    ])
}

fn kubernetes_peer() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(json!({"namespaceSelector": {}})),
        2 => pods().prop_map(|pods| json!({"podSelector": pods})),
        2 => value().prop_map(|team| json!({"namespaceSelector": {"matchLabels": {"team": team}}})),
        1 => (namespace(), pods()).prop_map(|(namespace, pods)| json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}, "podSelector": pods,
        })),
        1 => range().prop_map(|block| json!({"ipBlock": block})),
    ]
}

fn kubernetes_port() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"port": 8080}),
        json!({"port": "web"}),
        json!({"port": 8000, "endPort": 9999}),
        json!({"port": 15008}),
        json!({"port": 443}),
        json!({"port": 53, "protocol": "UDP"}),
        json!({"protocol": "TCP"}),
    ])
}

fn kubernetes_rule(peers: &'static str) -> impl Strategy<Value = Value> {
    let lists = (prop::collection::vec(kubernetes_peer(), 0..3), prop::collection::vec(kubernetes_port(), 0..3));
    lists.prop_map(move |(from, ports)| {
        let mut rule = json!({});
        if !from.is_empty() {
            rule[peers] = from.into();
        }
        if !ports.is_empty() {
            rule["ports"] = ports.into();
        }
        rule
    })
}

/// A NetworkPolicy.
pub fn kubernetes() -> impl Strategy<Value = Value> {
    let ingress = prop::option::of(prop::collection::vec(kubernetes_rule("from"), 0..3));
    let egress = prop::option::of(prop::collection::vec(kubernetes_rule("to"), 0..3));
    (namespace(), pods(), ingress, egress).prop_map(|(namespace, pods, ingress, egress)| {
        let mut types = Vec::new();
        let mut spec = json!({"podSelector": pods});
        if let Some(rules) = ingress {
            types.push("Ingress");
            spec["ingress"] = rules.into();
        }
        if let Some(rules) = egress {
            types.push("Egress");
            spec["egress"] = rules.into();
        }
        if !types.is_empty() {
            spec["policyTypes"] = json!(types);
        }
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": namespace}, "spec": spec,
        })
    })
}

/// What a rule of a CiliumNetworkPolicy is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rather than ingress.
    pub egress: bool,
    /// Rather than an allow.
    pub deny: bool,
    /// Whether it may have rules above layer 4.
    pub layer7: bool,
}

impl Shape {
    fn list(self) -> &'static str {
        match (self.egress, self.deny) {
            (true, true) => "egressDeny",
            (true, false) => "egress",
            (false, true) => "ingressDeny",
            (false, false) => "ingress",
        }
    }
}

fn endpoints() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => pods(),
        2 => namespace().prop_map(|namespace| json!({"matchLabels": {"k8s:io.kubernetes.pod.namespace": namespace}})),
        1 => (value(), namespace()).prop_map(|(app, namespace)| json!({
            "matchLabels": {"app": app, "io.kubernetes.pod.namespace": namespace},
        })),
        1 => Just(json!({"matchExpressions": [{"key": "k8s:io.kubernetes.pod.namespace", "operator": "Exists"}]})),
        1 => Just(json!({"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system"}})),
    ]
}

fn cilium_range() -> impl Strategy<Value = Value> {
    prop_oneof![4 => range(), 1 => Just(json!({"cidrGroupSelector": {"matchLabels": {"group": "abroad"}}}))]
}

/// Peers of a rule: field and value.
fn peers(shape: Shape) -> BoxedStrategy<Option<(String, Value)>> {
    let way = if shape.egress { "to" } else { "from" };
    let entity = prop::sample::select(vec![
        "all",
        "all",
        "world",
        "cluster",
        "cluster",
        "host",
        "remote-node",
        "kube-apiserver",
        "ingress",
        "health",
    ]);
    let common = prop_oneof![
        1 => Just(None),
        4 => prop::collection::vec(endpoints(), 0..3).prop_map(move |list| Some((format!("{way}Endpoints"), list.into()))),
        4 => prop::collection::vec(entity, 1..3).prop_map(move |list| Some((format!("{way}Entities"), json!(list)))),
        1 => Just(Some((format!("{way}CIDR"), json!(["203.0.113.0/24"])))),
        1 => prop::collection::vec(cilium_range(), 1..3).prop_map(move |list| Some((format!("{way}CIDRSet"), list.into()))),
    ];
    if !shape.egress {
        return common.boxed();
    }
    let service = (0..4_usize).prop_map(|service| {
        let target = json!({"serviceName": format!("{{s{service}}}"), "namespace": format!("{{sn{service}}}")});
        Some(("toServices".to_owned(), json!([{"k8sService": target}])))
    });
    if shape.deny {
        return prop_oneof![8 => common, 1 => service].boxed();
    }
    let name = prop::sample::select(vec![
        json!({"matchName": "api.example.com"}),
        json!({"matchPattern": "*.example.com"}),
        json!({"matchPattern": "*"}),
    ]);
    let names = prop::collection::vec(name, 1..3).prop_map(|list| Some(("toFQDNs".to_owned(), list.into())));
    prop_oneof![8 => common, 1 => service, 2 => names].boxed()
}

fn http() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"method": "GET"}),
        json!({"path": "/api/.*"}),
        json!({"method": "POST", "path": "/admin"}),
        json!({"host": "shop.example.org"}),
        json!({}),
    ])
}

fn dns() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"matchName": "api.example.com"}),
        json!({"matchPattern": "*.example.com"}),
        json!({"matchPattern": "*"}),
        json!({"matchPattern": "*.svc.cluster.local"}),
    ])
}

fn ports(shape: Shape) -> BoxedStrategy<Option<Value>> {
    let plain = prop::sample::select(vec![
        json!({"ports": [{"port": "8080", "protocol": "TCP"}]}),
        json!({"ports": [{"port": "web"}]}),
        json!({"ports": [{"port": "15008", "protocol": "TCP"}]}),
        json!({"ports": [{"port": "443"}, {"port": "80", "protocol": "TCP"}]}),
        json!({"ports": [{"port": "53", "protocol": "ANY"}]}),
        json!({"ports": [{"port": "8000", "endPort": 9999, "protocol": "TCP"}]}),
        json!({"ports": [{"port": "0", "protocol": "TCP"}]}),
        json!({}),
    ]);
    let usual = json!({"ports": [
        {"port": "8080", "protocol": "TCP"}, {"port": "15008", "protocol": "TCP"}, {"port": "53", "protocol": "UDP"},
    ]});
    let plain = prop_oneof![3 => Just(None), 3 => Just(Some(usual)), 4 => plain.prop_map(Some)];
    if shape.deny || !shape.layer7 {
        return plain.boxed();
    }
    let http = prop::collection::vec(http(), 0..3).prop_map(|rules| {
        Some(json!({"ports": [{"port": "8080", "protocol": "TCP"}, {"port": "80", "protocol": "TCP"}], "rules": {"http": rules}}))
    });
    if !shape.egress {
        return prop_oneof![1 => plain, 1 => http].boxed();
    }
    let dns = prop::collection::vec(dns(), 1..3)
        .prop_map(|names| Some(json!({"ports": [{"port": "53", "protocol": "UDP"}], "rules": {"dns": names}})));
    let server_names = Just(Some(json!({
        "ports": [{"port": "443", "protocol": "TCP"}], "serverNames": ["api.example.com"],
    })));
    prop_oneof![4 => plain, 3 => http, 4 => dns, 1 => server_names].boxed()
}

/// One rule of a list.
pub fn section(shape: Shape) -> impl Strategy<Value = Value> {
    (peers(shape), ports(shape)).prop_map(|(peers, ports)| {
        let mut rule = Map::new();
        rule.extend(peers);
        if let Some(item) = ports {
            rule.insert("toPorts".to_owned(), json!([item]));
        }
        Value::Object(rule)
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.7)).prop_map(|(egress, deny, layer7)| Shape {
        egress,
        deny,
        layer7,
    })
}

/// A policy of rules with their lists, for everyone if it has no namespace.
#[must_use]
pub fn cilium_policy(
    namespace: Option<String>,
    subject: &Value,
    sections: Vec<(Shape, Value)>,
    isolates: Option<(bool, bool)>,
) -> Value {
    let mut spec = json!({"endpointSelector": subject});
    for (shape, section) in sections {
        match spec[shape.list()].as_array_mut() {
            Some(list) => list.push(section),
            None => spec[shape.list()] = json!([section]),
        }
    }
    if let Some((ingress, egress)) = isolates {
        spec["enableDefaultDeny"] = json!({"ingress": ingress, "egress": egress});
    }
    let kind = if namespace.is_some() { "CiliumNetworkPolicy" } else { "CiliumClusterwideNetworkPolicy" };
    let metadata = namespace.map_or(json!({}), |namespace| json!({"namespace": namespace}));
    json!({"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, "spec": spec})
}

/// The namespace of a policy; none for a cluster-wide one.
pub fn home() -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(0.5, namespace())
}

/// A CiliumNetworkPolicy or a CiliumClusterwideNetworkPolicy.
pub fn cilium() -> impl Strategy<Value = Value> {
    let sections = prop::collection::vec(
        shape().prop_flat_map(|shape| section(shape).prop_map(move |section| (shape, section))),
        1..=3,
    );
    let isolates = prop::option::weighted(0.3, (any::<bool>(), any::<bool>()));
    (home(), pods(), sections, isolates)
        .prop_map(|(namespace, subject, sections, isolates)| cilium_policy(namespace, &subject, sections, isolates))
}

/// A CiliumCIDRGroup; rules know it by its label.
pub fn cidr_group() -> impl Strategy<Value = Value> {
    Just(json!({
        "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumCIDRGroup", "metadata": {"labels": {"group": "abroad"}},
        "spec": {"externalCIDRs": ["203.0.113.0/24"]},
    }))
}
