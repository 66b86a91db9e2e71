//! Laws that hold for all policies of the mesh, whatever they say.

#![expect(clippy::unwrap_used, reason = "a world that cannot be built is a failed test")]

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Document, Labels, Location, ObjectRef, Position, RuleRef, yaml};
use airtight_model::policy::waypoint::{
    AllowedNamespaces, Bindings, WaypointFor, WaypointGateway, WaypointPayload, WaypointPolicy, WaypointTarget,
};
use airtight_model::policy::ztunnel::ZtunnelPolicy;
use airtight_model::policy::{Effect, MeshSource, Reason, Request};
use airtight_model::world::{Environment, Node, Pod, World, build};
use airtight_testkit::stack;
use proptest::prelude::*;
use serde_json::{Value, json};

const BASE: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {istio.io/dataplane-mode: ambient}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: a, labels: {app: client}}, spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: server, namespace: a, labels: {app: server}}, spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: stranger, namespace: b, labels: {app: stranger}}, spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: server, namespace: a}, spec: {selector: {app: server}, ports: [{name: http, port: 80}, {name: tcp, port: 90}]}}
";

fn stack() -> Stack {
    let version = |text: &str| text.parse().unwrap();
    stack::with(|versions| {
        versions.cilium = version("1.19.4");
        versions.istio = version("1.30.3");
        versions.gateway_api = version("1.6.1");
        versions.kgateway = version("2.3.0");
        versions.kyverno = version("1.19.0");
    })
}

fn world(policies: &[Value]) -> World {
    let file: Arc<str> = Arc::from("laws.yaml");
    let mut documents = yaml::parse(&file, BASE).unwrap();
    let root = |value| airtight_manifest::Node::from_json(value, Position { line: 1, column: 1 });
    documents.extend(policies.iter().map(|value| Document { file: Arc::clone(&file), root: root(value).into() }));
    let environment = Environment {
        nodes: vec![Node {
            name: Arc::from("worker"),
            labels: Labels::new(),
            addresses: vec![IpAddr::from([10, 0, 0, 1])],
            control_plane: false,
        }],
        hosts: Vec::new(),
        outside: IpAddr::from([198, 51, 100, 1]),
        pod_cidrs: vec!["10.244.0.0/16".parse().unwrap()],
        service_cidrs: vec!["10.96.0.0/16".parse().unwrap()],
        policy_exceptions: None,
    };
    build(&documents, &environment, stack()).unwrap().world
}

/// Every verdict that the two layers reach for a fixed set of connections and requests.
fn verdicts(policies: &[Value]) -> Vec<(Effect, Reason)> {
    let world = world(policies);
    let pod = |name: &str| -> &Pod { world.pods.iter().find(|pod| &*pod.name == name).unwrap() };
    let sources = ["client", "server", "stranger"].map(|name| {
        let pod = pod(name);
        let plain = MeshSource::plaintext(pod.addresses[0]);
        [MeshSource::authenticated(pod, &world.stack, pod.addresses[0]), plain]
    });
    let ztunnel = ZtunnelPolicy::compile(&world, &Bindings::default());
    let waypoint = WaypointPolicy::compile(&world);
    let gateway = gateway();
    let service = world.service("a", "server").unwrap();
    let mut all = Vec::new();
    for source in sources.iter().flatten() {
        for port in [80, 90] {
            all.push(ztunnel.inbound(&world, pod("server").id, port, source));
            let target = WaypointTarget::Service { service, port };
            for request in ["/x", "/y"].map(request) {
                let payload = WaypointPayload::Http(&request);
                all.push(waypoint.evaluate(&world, &gateway, &target, source, payload));
            }
        }
    }
    all.into_iter().map(|decision| (decision.effect, decision.reason)).collect()
}

fn request(path: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        path: path.to_owned(),
        host: "server".to_owned(),
        headers: Vec::new(),
        token: None,
    }
}

fn gateway() -> WaypointGateway {
    let object = Arc::new(ObjectRef::new("Gateway", Some("a"), "wp"));
    let at = Location::new(&Arc::from("laws.yaml"), Position::default());
    WaypointGateway {
        key: (Arc::from("a"), Arc::from("wp")),
        class: Arc::from("istio-waypoint"),
        waypoint_for: WaypointFor::Service,
        allowed_from: AllowedNamespaces::Same,
        ready: true,
        origin: RuleRef { object, rule: None, at },
    }
}

fn source() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"principals": ["cluster.local/ns/a/sa/default"]})),
        Just(json!({"notPrincipals": ["*"]})),
        Just(json!({"principals": ["*"], "notNamespaces": ["a"]})),
        Just(json!({"namespaces": ["b"]})),
        Just(json!({"serviceAccounts": ["a/default"]})),
        Just(json!({"ipBlocks": ["10.244.0.0/30"]})),
        Just(json!({"requestPrincipals": ["*"]})),
    ]
}

fn operation() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"ports": ["80"]})),
        Just(json!({"notPorts": ["80"]})),
        Just(json!({"paths": ["/x"]})),
        Just(json!({"ports": ["90"], "methods": ["GET"]})),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    let from = prop::collection::vec(source().prop_map(|source| json!({"source": source})), 0..3);
    let to = prop::collection::vec(operation().prop_map(|operation| json!({"operation": operation})), 0..3);
    let when = prop::option::of(prop_oneof![
        Just(json!({"key": "source.namespace", "values": ["a"]})),
        Just(json!({"key": "request.headers[x]", "notValues": ["1"]})),
    ]);
    (from, to, when).prop_map(|(from, to, when)| {
        let mut rule = json!({});
        if !from.is_empty() {
            rule["from"] = from.into();
        }
        if !to.is_empty() {
            rule["to"] = to.into();
        }
        if let Some(when) = when {
            rule["when"] = vec![when].into();
        }
        rule
    })
}

/// A policy at ztunnel or, with a target reference, at the waypoint.
fn policy(name: usize, action: &str, at_waypoint: bool, rules: &[Value]) -> Value {
    let mut policy = json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": format!("policy-{name}"), "namespace": "a"},
        "spec": {"action": action, "rules": rules},
    });
    if at_waypoint {
        policy["spec"]["targetRefs"] = json!([{"kind": "Service", "name": "server"}]);
    }
    policy
}

type Written = (bool, bool, Vec<Value>);

fn written() -> impl Strategy<Value = Vec<Written>> {
    prop::collection::vec((any::<bool>(), any::<bool>(), prop::collection::vec(rule(), 1..3)), 0..4)
}

fn policies(written: &[Written]) -> Vec<Value> {
    let action = |deny| if deny { "DENY" } else { "ALLOW" };
    written
        .iter()
        .enumerate()
        .map(|(name, (deny, waypoint, rules))| policy(name, action(*deny), *waypoint, rules))
        .collect()
}

proptest! {
    #![proptest_config(airtight_testkit::random::cases(96))]

    #[test]
    fn the_order_of_policies_and_rules_is_irrelevant(written in written()) {
        let mut reversed: Vec<Written> = written.clone();
        for (_, _, rules) in &mut reversed {
            rules.reverse();
        }
        let mut turned = policies(&reversed);
        turned.reverse();
        prop_assert_eq!(verdicts(&policies(&written)), verdicts(&turned));
    }

    #[test]
    fn another_deny_policy_opens_nothing(written in written(), waypoint: bool, rule in rule()) {
        let mut more = policies(&written);
        let before = verdicts(&more);
        more.push(policy(99, "DENY", waypoint, &[rule]));
        for (before, after) in before.iter().zip(verdicts(&more)) {
            prop_assert!(before.0 == Effect::Allow || after.0 != Effect::Allow);
        }
    }

    #[test]
    fn another_rule_of_an_allow_policy_closes_nothing(
        written in written(), waypoint: bool, rules in prop::collection::vec(rule(), 1..3), rule in rule(),
    ) {
        let with = |rules: &[Value]| {
            let mut all = policies(&written);
            all.push(policy(99, "ALLOW", waypoint, rules));
            verdicts(&all)
        };
        let before = with(&rules);
        let after = with(&[rules.as_slice(), &[rule]].concat());
        for (before, after) in before.iter().zip(after) {
            prop_assert!(before.0 != Effect::Allow || after.0 == Effect::Allow);
        }
    }

    #[test]
    fn no_policy_admits_plaintext_under_strict(written in written()) {
        let mut all = policies(&written);
        all.push(json!({
            "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"name": "default", "namespace": "istio-system"}, "spec": {"mtls": {"mode": "STRICT"}},
        }));
        let world = world(&all);
        let ztunnel = ZtunnelPolicy::compile(&world, &Bindings::default());
        let server = world.pods.iter().find(|pod| &*pod.name == "server").unwrap();
        let decision = ztunnel.inbound(&world, server.id, 80, &MeshSource::plaintext(IpAddr::from([10, 0, 0, 9])));
        prop_assert_eq!(decision.effect, Effect::Deny);
    }
}
