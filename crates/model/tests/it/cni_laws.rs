//! Laws of the CNI layer, on generated policies, and a second opinion: a linear scan over the rules as
//! written, after Cilium's own reference (`pkg/policy/testutils/simulate.go`).

use std::fmt::Write as _;

use airtight_manifest::stack::CiliumOptions;
use airtight_model::policy::cni::{CniHop, CniPolicy, Payload};
use airtight_model::policy::{Decision, Effect};
use airtight_model::world::{Protocol, World};
use proptest::prelude::*;

use crate::cni_world;

/// Who can be at either end; the subject is always `a/p`.
const PEERS: &[&str] = &["a/p2", "b/q", "node/n1", "node/n2", "outside", "host/api.example.com", "kube-system/coredns"];
const PORTS: &[u16] = &[53, 80, 443, 8080];

/// The peers of a generated rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Everyone,
    Nobody,
    OwnNamespace,
    NamespaceB,
    AppQ,
    Cluster,
    World,
    Host,
    RemoteNode,
    Range,
}

const WHO: &[Who] = &[
    Who::Everyone,
    Who::Nobody,
    Who::OwnNamespace,
    Who::NamespaceB,
    Who::AppQ,
    Who::Cluster,
    Who::World,
    Who::Host,
    Who::RemoteNode,
    Who::Range,
];

/// One generated policy of one rule.
#[derive(Debug, Clone)]
struct Policy {
    who: Who,
    /// None: every port and protocol.
    port: Option<u16>,
    egress: bool,
    deny: bool,
    isolates: bool,
    /// Whether it selects the subject.
    selects: bool,
}

impl Who {
    fn yaml(self, egress: bool) -> String {
        let way = if egress { "to" } else { "from" };
        match self {
            Self::Everyone => format!("{way}Entities: [all]"),
            Self::Nobody => format!("{way}Endpoints: []"),
            Self::OwnNamespace => format!("{way}Endpoints: [{{}}]"),
            Self::NamespaceB => format!("{way}Endpoints: [{{matchLabels: {{'k8s:io.kubernetes.pod.namespace': b}}}}]"),
            Self::AppQ => format!(
                "{way}Endpoints: [{{matchExpressions: [{{key: app, operator: In, values: [q]}}, {{key: 'k8s:io.kubernetes.pod.namespace', operator: Exists}}]}}]"
            ),
            Self::Cluster => format!("{way}Entities: [cluster]"),
            Self::World => format!("{way}Entities: [world]"),
            Self::Host => format!("{way}Entities: [host]"),
            Self::RemoteNode => format!("{way}Entities: [remote-node]"),
            Self::Range => format!("{way}CIDR: [203.0.113.0/24]"),
        }
    }

    /// The oracle's own reading.
    fn is(self, peer: &str) -> bool {
        let outside = matches!(peer, "outside" | "host/api.example.com");
        match self {
            Self::Everyone => true,
            Self::Nobody => false,
            Self::OwnNamespace => peer == "a/p2",
            Self::NamespaceB | Self::AppQ => peer == "b/q",
            Self::Cluster => !outside,
            Self::World => outside,
            Self::Host => peer == "node/n1",
            Self::RemoteNode => peer == "node/n2",
            Self::Range => peer == "host/api.example.com",
        }
    }
}

impl Policy {
    fn yaml(&self, name: &str) -> String {
        let list = match (self.egress, self.deny) {
            (true, true) => "egressDeny",
            (true, false) => "egress",
            (false, true) => "ingressDeny",
            (false, false) => "ingress",
        };
        let way = if self.egress { "egress" } else { "ingress" };
        let ports = self
            .port
            .map(|port| format!(", toPorts: [{{ports: [{{port: '{port}', protocol: TCP}}]}}]"))
            .unwrap_or_default();
        let selector = if self.selects { "{matchLabels: {app: p}}" } else { "{matchLabels: {app: other}}" };
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}, namespace: a}}\n\
             spec:\n  endpointSelector: {selector}\n  enableDefaultDeny: {{{way}: {}}}\n  {list}: [{{{}{ports}}}]\n",
            self.isolates,
            self.who.yaml(self.egress),
        )
    }
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let policy = (
        prop::sample::select(WHO),
        prop::option::of(prop::sample::select(PORTS)),
        any::<bool>(),
        prop::bool::weighted(0.3),
        any::<bool>(),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(who, port, egress, deny, isolates, selects)| Policy {
            who,
            port,
            egress,
            deny,
            isolates,
            selects,
        });
    prop::collection::vec(policy, 0..6)
}

fn manifests(policies: &[Policy]) -> String {
    policies.iter().enumerate().fold(String::new(), |mut text, (index, policy)| {
        let _ = write!(text, "---\n{}", policy.yaml(&format!("policy-{index}")));
        text
    })
}

fn world(policies: &[Policy], version: &str) -> World {
    let fixture = cni_world::build_world(&manifests(policies), version, CiliumOptions::default());
    assert!(fixture.refused.is_empty(), "{:#?}", fixture.refused);
    fixture.world
}

/// Every hop between the subject and each peer, both ways.
fn decisions(policies: &[Policy], version: &str) -> Vec<(&'static str, u16, bool, Decision)> {
    let world = world(policies, version);
    let compiled = CniPolicy::compile(&world);
    let subject = cni_world::endpoint(&world, "a/p");
    let mut all = Vec::new();
    for peer in PEERS {
        for port in PORTS {
            let other = cni_world::endpoint(&world, peer);
            for egress in [false, true] {
                let (source, destination) = if egress { (subject, other) } else { (other, subject) };
                let hop = CniHop {
                    source,
                    destination,
                    protocol: Protocol::Tcp,
                    port: Some(*port),
                    icmp_type: None,
                    payload: Payload::Opaque,
                    resolved: None,
                };
                let decision = if egress { compiled.egress(&world, &hop) } else { compiled.ingress(&world, &hop) };
                all.push((*peer, *port, egress, decision));
            }
        }
    }
    all
}

/// The second opinion: no identities, no selectors, no precedence but "a denial wins".
fn oracle(policies: &[Policy], peer: &str, port: u16, egress: bool) -> Effect {
    let bound: Vec<&Policy> = policies.iter().filter(|policy| policy.selects && policy.egress == egress).collect();
    let matching: Vec<&&Policy> =
        bound.iter().filter(|policy| policy.who.is(peer) && policy.port.is_none_or(|wanted| wanted == port)).collect();
    if matching.iter().any(|policy| policy.deny) {
        return Effect::Deny;
    }
    let isolated = bound.iter().any(|policy| policy.isolates);
    let from_own_node = !egress && peer == "node/n1";
    if matching.is_empty() && isolated && !from_own_node { Effect::Deny } else { Effect::Allow }
}

proptest! {
    #![proptest_config(airtight_testkit::random::cases(64))]

    #[test]
    fn the_engine_agrees_with_a_linear_scan(policies in policies(), version in prop::sample::select(vec!["1.17.5", "1.19.4", "1.20.0"])) {
        for (peer, port, egress, decision) in decisions(&policies, version) {
            prop_assert_eq!(decision.effect, oracle(&policies, peer, port, egress), "{} {} egress={}: {}", peer, port, egress, decision.detail);
        }
    }

    #[test]
    fn the_order_of_objects_is_irrelevant(policies in policies(), seed in any::<u64>()) {
        let mut shuffled: Vec<(usize, &Policy)> = policies.iter().enumerate().collect();
        shuffled.sort_by_key(|(index, _)| (*index as u64).wrapping_mul(seed | 1).rotate_left(17));
        let shuffled: Vec<Policy> = shuffled.into_iter().map(|(_, policy)| policy.clone()).collect();
        let effects = |list: Vec<(&str, u16, bool, Decision)>| -> Vec<_> {
            list.into_iter().map(|(_, _, _, decision)| (decision.effect, decision.reason)).collect()
        };
        prop_assert_eq!(effects(decisions(&policies, "1.17.5")), effects(decisions(&shuffled, "1.17.5")));
    }

    /// Without rules above layer 4: one with L7 rules may restrict what an open port let through.
    #[test]
    fn an_allow_that_does_not_isolate_never_denies(policies in policies(), who in prop::sample::select(WHO), egress in any::<bool>()) {
        let mut more = policies.clone();
        more.push(Policy { who, port: None, egress, deny: false, isolates: false, selects: true });
        for (before, after) in decisions(&policies, "1.17.5").into_iter().zip(decisions(&more, "1.17.5")) {
            prop_assert!(before.3.effect != Effect::Allow || after.3.effect == Effect::Allow, "{:?} → {:?}", before, after);
        }
    }

    #[test]
    fn a_denial_never_allows(policies in policies(), who in prop::sample::select(WHO), egress in any::<bool>(), isolates in any::<bool>()) {
        let mut more = policies.clone();
        more.push(Policy { who, port: None, egress, deny: true, isolates, selects: true });
        for (before, after) in decisions(&policies, "1.17.5").into_iter().zip(decisions(&more, "1.17.5")) {
            prop_assert!(before.3.effect != Effect::Deny || after.3.effect == Effect::Deny, "{:?} → {:?}", before, after);
        }
    }

    #[test]
    fn every_denial_names_its_rules_and_its_symptom(policies in policies()) {
        for (_, _, _, decision) in decisions(&policies, "1.17.5") {
            if decision.effect == Effect::Deny {
                prop_assert!(!decision.rules.is_empty() && decision.symptom.is_some() && decision.log.is_some());
            }
        }
    }
}

/// A selector that is written twice is one selector, and the answer does not depend on how many there are.
#[test]
fn ten_thousand_decisions_on_five_hundred_policies_take_less_than_seconds() {
    let many: Vec<Policy> = (0..500_u16)
        .map(|index| Policy {
            who: WHO[usize::from(index) % WHO.len()],
            port: Some(1000 + index),
            egress: false,
            deny: false,
            isolates: true,
            selects: index % 10 == 0,
        })
        .collect();
    let world = world(&many, "1.17.5");
    let compiled = CniPolicy::compile(&world);
    let hop = CniHop {
        source: cni_world::endpoint(&world, "b/q"),
        destination: cni_world::endpoint(&world, "a/p"),
        protocol: Protocol::Tcp,
        port: Some(8080),
        icmp_type: None,
        payload: Payload::Opaque,
        resolved: None,
    };
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        assert_eq!(compiled.ingress(&world, &hop).effect, Effect::Deny);
    }
    let elapsed = start.elapsed();
    println!("{:?} for one decision", elapsed / 10_000);
    assert!(elapsed.as_secs() < 10, "{elapsed:?}");
}
