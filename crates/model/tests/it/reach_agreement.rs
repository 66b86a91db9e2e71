//! The matrix and a single trace agree on every cell.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::format_push_string, reason = "short texts, made once")]

use std::collections::HashMap;

use airtight_model::path::reach::{CellVerdict, Nearness, Place, Reachability, Row, Scope, View, Who};
use airtight_model::path::{Destination, End, Engine, Flow, Source, Trace};
use airtight_model::policy::{Checkpoint, Layer};
use airtight_model::world::{Pod, PodId, Protocol, World};
use airtight_testkit::{generated, worlds};
use serde_json::{Value, json};

#[test]
fn on_the_reference_set() {
    let world = worlds::reference("reference");
    assert!(every_pod_pair(&world) > 1_000);
    every_service(&world);
    assert!(every_service_from_nodes(&world) > 20);
}

#[test]
fn on_the_reference_set_with_the_latest_stack() {
    let world = worlds::reference("latest");
    assert!(every_pod_pair(&world) > 1_000);
    every_service(&world);
    assert!(every_service_from_nodes(&world) > 20);
}

#[test]
fn on_a_generated_world() {
    let world = generated::world(generated::Size { namespaces: 8, replicas: 2, nodes: 2, policies: 80 });
    assert!(every_pod_pair(&world) > 1_000);
    every_service(&world);
    assert!(every_service_from_nodes(&world) > 20);
}

/// Every pod to every port of every other pod, each on the node that the model puts it on.
fn every_pod_pair(world: &World) -> usize {
    let world = &placed(world);
    let engine = Engine::compile(world);
    let reach = Reachability::compute(&engine, &Scope::default());
    let class_of = class_of(&reach);
    let rows: HashMap<Row, usize> = reach.rows().iter().enumerate().map(|(index, row)| (*row, index)).collect();
    let mut compared = 0;
    for from in world.pods.iter() {
        for to in world.pods.iter().filter(|to| to.id != from.id) {
            let near = if from.node == to.node { Nearness::SameNode } else { Nearness::OtherNode };
            let row = Row { who: Who::Class(class_of[&from.id]), near: from.host_network.then_some(near) };
            for (index, target) in reach.targets().iter().enumerate() {
                let wanted_near = to.host_network.then_some(near);
                if target.place != Place::Class(class_of[&to.id]) || target.near != wanted_near {
                    continue;
                }
                let flow = Flow {
                    from: Source::Workload(from.namespace.to_string(), from.name.to_string()),
                    to: Destination::Pod(to.namespace.to_string(), to.name.to_string()),
                    protocol: target.protocol,
                    port: Some(target.port),
                    request: None,
                    tls: None,
                    after: Vec::new(),
                };
                let trace = engine.trace(&flow).unwrap();
                let cell = reach.cell(rows[&row], index);
                agree(&trace, cell.verdict, &flow);
                assert_eq!(denying(&trace), cell_denying(&cell), "{flow}");
                compared += 1;
            }
        }
    }
    compared
}

/// The world with every pod where it is: a row tells of one place, and a flow of all at which a pod may be.
fn placed(world: &World) -> World {
    let pods = world.pods.iter().map(|pod| Pod { is_placed: true, ..pod.clone() });
    world.with_pods(pods.collect())
}

fn every_service(world: &World) {
    let engine = Engine::compile(world);
    let scope = Scope { view: View::Service, ..Scope::default() };
    let reach = Reachability::compute(&engine, &scope);
    let mut compared = 0;
    for (row, source) in reach.rows().iter().enumerate() {
        let (Who::Class(class), None) = (source.who, source.near) else { continue };
        let from = world.pod(reach.classes()[class.0 as usize].pods[0]);
        for (index, target) in reach.targets().iter().enumerate() {
            let Place::Service(service) = target.place else { continue };
            let service = &world.services[service];
            let flow = Flow {
                from: Source::Workload(from.namespace.to_string(), from.name.to_string()),
                to: Destination::Service(service.namespace.to_string(), service.name.to_string()),
                protocol: target.protocol,
                port: Some(target.port),
                request: None,
                tls: None,
                after: Vec::new(),
            };
            agree(&engine.trace(&flow).unwrap(), reach.cell(row, index).verdict, &flow);
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared} cells");
}

/// Every node to every Service whose backends are all on it, or all on others.
fn every_service_from_nodes(world: &World) -> usize {
    let engine = Engine::compile(world);
    let scope = Scope { view: View::Service, ..Scope::default() };
    let reach = Reachability::compute(&engine, &scope);
    let mut compared = 0;
    for (number, node) in (0_u32..).zip(world.nodes.iter()) {
        for (index, target) in reach.targets().iter().enumerate() {
            let Place::Service(service) = target.place else { continue };
            let service = &world.services[service];
            let mut homes = service.backends.iter().map(|pod| world.pod(*pod).node.0 == number);
            let Some(first) = homes.next() else { continue };
            if homes.any(|other| other != first) {
                continue;
            }
            let near = if first { Nearness::SameNode } else { Nearness::OtherNode };
            let row = Row { who: Who::Node { control_plane: node.control_plane }, near: Some(near) };
            let row = reach.rows().iter().position(|each| *each == row).unwrap();
            let flow = Flow {
                from: Source::Node(node.name.to_string()),
                to: Destination::Service(service.namespace.to_string(), service.name.to_string()),
                protocol: target.protocol,
                port: Some(target.port),
                request: None,
                tls: None,
                after: Vec::new(),
            };
            agree(&engine.trace(&flow).unwrap(), reach.cell(row, index).verdict, &flow);
            compared += 1;
        }
    }
    compared
}

/// Users outside at every Service: those that are published to them, and no others.
#[test]
fn users_outside_reach_what_services_publish() {
    let container = json!({"name": "api", "image": "api", "ports": [{"containerPort": 8080}]});
    let service = |name: &str, spec: Value| {
        let ports = json!([{"port": 80, "targetPort": 8080}]);
        let mut whole = json!({"selector": {"app": "api"}, "ports": ports});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "app"}, "spec": whole})
    };
    let world = worlds::of(
        &worlds::documents(&[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}),
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]},
                   "metadata": {"name": "api", "namespace": "app", "labels": {"app": "api"}}}),
            service("inside", json!({})),
            service("open", json!({"type": "LoadBalancer"})),
            service("ranged", json!({"type": "LoadBalancer", "loadBalancerSourceRanges": ["198.18.7.0/24"]})),
        ]),
        "reference",
    );
    let engine = Engine::compile(&world);
    let reach = Reachability::compute(&engine, &Scope { view: View::Service, ..Scope::default() });
    let outside = reach.rows().iter().position(|row| row.who == Who::Outside).unwrap();
    let verdict = |name: &str| {
        let target = (0..reach.targets().len()).find(|target| reach.target_name(*target) == format!("app/{name}:80"));
        reach.cell(outside, target.unwrap()).verdict
    };
    assert_eq!(verdict("inside"), CellVerdict::Absent);
    assert_eq!(verdict("open"), CellVerdict::Allowed);
    assert_eq!(verdict("ranged"), CellVerdict::Unknown);
    for name in ["open", "ranged"] {
        let flow = Flow {
            from: Source::Outside,
            to: Destination::Service("app".to_owned(), name.to_owned()),
            protocol: Protocol::Tcp,
            port: Some(80),
            request: None,
            tls: None,
            after: Vec::new(),
        };
        agree(&engine.trace(&flow).unwrap(), verdict(name), &flow);
    }
}

fn class_of(reach: &Reachability<'_, '_>) -> HashMap<PodId, airtight_model::path::reach::ClassId> {
    let numbered = (0_u32..).map(airtight_model::path::reach::ClassId).zip(reach.classes());
    numbered.flat_map(|(id, class)| class.pods.iter().map(move |pod| (*pod, id))).collect()
}

/// A trace ends open where the ends of several ways differ in any respect; the matrix only where one gets through.
fn agree(trace: &Trace, verdict: CellVerdict, flow: &Flow) {
    let expected = CellVerdict::of(trace);
    let by_waypoint = trace.checks().any(|check| check.checkpoint == Checkpoint::Waypoint);
    let fits = match &trace.end {
        End::Unknown(_) => matches!(verdict, CellVerdict::Unknown | CellVerdict::Denied(_)),
        // A request may fare better with a waypoint than a bare connection.
        End::Outcome(_)
            if by_waypoint && matches!(expected, CellVerdict::ByRequest | CellVerdict::Denied(Layer::Waypoint)) =>
        {
            verdict != CellVerdict::Absent
        }
        End::Outcome(_) => verdict == expected,
    };
    assert!(fits, "{flow}: the matrix says {verdict:?}, the trace {expected:?}\n{trace:#?}");
}

type Denying = Vec<(Checkpoint, Vec<String>)>;

/// Checkpoints that do not let the flow on, and their rules.
fn denying(trace: &Trace) -> Denying {
    let checks = trace.checks().filter(|check| !check.decision.allows());
    checks.map(|check| (check.checkpoint, check.decision.rules.iter().map(ToString::to_string).collect())).collect()
}

fn cell_denying(cell: &airtight_model::path::reach::Cell<'_>) -> Denying {
    let bases = cell.bases().filter(|basis| !basis.allows());
    bases.map(|basis| (basis.checkpoint, basis.rules.iter().map(ToString::to_string).collect())).collect()
}

mod small_worlds {
    use airtight_model::world::build;
    use airtight_testkit::{generated, stack};
    use proptest::prelude::*;

    use super::every_pod_pair;

    const NAMESPACES: [&str; 3] = ["a", "b", "c"];
    const APPS: [&str; 3] = ["web", "api", "db"];

    fn selector() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("{}".to_owned()),
            prop::sample::select(&APPS).prop_map(|app| format!("{{matchLabels: {{app: {app}}}}}")),
            prop::sample::select(&APPS)
                .prop_map(|app| format!("{{matchExpressions: [{{key: app, operator: NotIn, values: [{app}]}}]}}")),
        ]
    }

    fn namespaces() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("{}".to_owned()),
            prop::sample::select(&NAMESPACES)
                .prop_map(|name| format!("{{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}")),
        ]
    }

    fn port() -> impl Strategy<Value = &'static str> {
        prop::sample::select(&["8080", "9090", "15008", "http", "side"])
    }

    fn network_policy() -> impl Strategy<Value = String> {
        let peer = prop_oneof![
            selector().prop_map(|pods| format!("{{podSelector: {pods}}}")),
            (namespaces(), selector())
                .prop_map(|(homes, pods)| format!("{{namespaceSelector: {homes}, podSelector: {pods}}}")),
            Just("{ipBlock: {cidr: 10.0.0.0/8}}".to_owned()),
        ];
        (selector(), any::<bool>(), prop::collection::vec(peer, 0..3), prop::option::of(port())).prop_map(
            |(subject, ingress, peers, port)| {
                let (kind, list, ends) =
                    if ingress { ("Ingress", "ingress", "from") } else { ("Egress", "egress", "to") };
                let port = port.map(|port| format!(", ports: [{{port: {port}}}]")).unwrap_or_default();
                format!(
                    "NetworkPolicy networking.k8s.io/v1\nspec:\n  podSelector: {subject}\n  policyTypes: [{kind}]\n  \
                     {list}: [{{{ends}: [{}]{port}}}]\n",
                    peers.join(", ")
                )
            },
        )
    }

    fn cilium_policy() -> impl Strategy<Value = String> {
        let entity = prop::sample::select(&["all", "world", "cluster", "host", "remote-node"]);
        let peers = prop_oneof![
            selector().prop_map(|pods| ("Endpoints", pods)),
            entity.prop_map(|entity| ("Entities", entity.to_owned())),
        ];
        let rules = prop_oneof![
            Just(""),
            Just("\n      rules: {http: [{method: GET}]}"),
            Just("\n      terminatingTLS: null"),
        ];
        (any::<bool>(), any::<bool>(), selector(), peers, port(), rules, any::<bool>()).prop_map(
            |(ingress, deny, subject, (kind, peers), port, rules, open)| {
                let (list, ends) = if ingress { ("ingress", "from") } else { ("egress", "to") };
                let (deny, rules) = if deny { ("Deny", "") } else { ("", rules) };
                let rules = if rules.contains("TLS") || port == "http" || port == "side" { "" } else { rules };
                let isolate = if open { "  enableDefaultDeny: {ingress: false, egress: false}\n" } else { "" };
                format!(
                    "CiliumNetworkPolicy cilium.io/v2\nspec:\n  endpointSelector: {subject}\n{isolate}  {list}{deny}:\n  \
                     - {ends}{kind}: [{peers}]\n    toPorts:\n    - ports: [{{port: \"{port}\", protocol: TCP}}]{rules}\n"
                )
            },
        )
    }

    fn mesh_policy() -> impl Strategy<Value = String> {
        let authorization = (
            prop::option::of(prop::sample::select(&APPS)),
            prop::sample::select(&["ALLOW", "DENY"]),
            prop_oneof![
                prop::sample::select(&NAMESPACES).prop_map(|name| format!("namespaces: [{name}]")),
                (prop::sample::select(&NAMESPACES), prop::sample::select(&APPS))
                    .prop_map(|(name, app)| format!("principals: [cluster.local/ns/{name}/sa/{app}]")),
                Just("ipBlocks: [10.244.0.0/30]".to_owned()),
            ],
        )
            .prop_map(|(app, action, source)| {
                let selector =
                    app.map(|app| format!("  selector: {{matchLabels: {{app: {app}}}}}\n")).unwrap_or_default();
                format!(
                    "AuthorizationPolicy security.istio.io/v1\nspec:\n{selector}  action: {action}\n  rules:\n  \
                     - from: [{{source: {{{source}}}}}]\n"
                )
            });
        let mtls = prop::sample::select(&["STRICT", "PERMISSIVE"])
            .prop_map(|mode| format!("PeerAuthentication security.istio.io/v1\nspec:\n  mtls: {{mode: {mode}}}\n"));
        prop_oneof![3 => authorization, 1 => mtls]
    }

    fn manifests() -> impl Strategy<Value = String> {
        let policy = prop_oneof![network_policy(), cilium_policy(), mesh_policy()];
        let placed = (prop::sample::select(&NAMESPACES), policy);
        (prop::collection::vec(any::<bool>(), NAMESPACES.len()), prop::collection::vec(placed, 1..9)).prop_map(
            |(meshed, policies)| {
                let mut text = String::new();
                for (name, meshed) in NAMESPACES.iter().zip(meshed) {
                    let label = if meshed { "istio.io/dataplane-mode: ambient" } else { "" };
                    text += &format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{label}}}}}\n");
                    text += &APPS.map(|app| workload(name, app)).concat();
                }
                for (number, (namespace, policy)) in policies.iter().enumerate() {
                    let (head, spec) = policy.split_once('\n').unwrap();
                    let (kind, version) = head.split_once(' ').unwrap();
                    text += &format!(
                        "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: p{number}, namespace: {namespace}}}\n{spec}"
                    );
                }
                text
            },
        )
    }

    /// One of the ports has another number in each workload.
    fn workload(namespace: &str, app: &str) -> String {
        let side = 9090 + app.len();
        let host = if (namespace, app) == ("c", "db") { "\n      hostNetwork: true" } else { "" };
        format!(
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {app}, namespace: {namespace}}}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {app}, namespace: {namespace}}}\nspec:\n  \
             replicas: 2\n  selector: {{matchLabels: {{app: {app}}}}}\n  template:\n    metadata: {{labels: {{app: {app}}}}}\n    \
             spec:{host}\n      serviceAccountName: {app}\n      containers:\n      - name: main\n        image: x\n        \
             ports: [{{containerPort: 8080, name: http}}, {{containerPort: {side}, name: side}}]\n"
        )
    }

    proptest! {
        #![proptest_config(airtight_testkit::random::cases(24))]

        #[test]
        fn agree(text in manifests(), latest in any::<bool>()) {
            let size = generated::Size { namespaces: 1, replicas: 1, nodes: 2, policies: 0 };
            let stack = stack::shipped(if latest { "latest" } else { "reference" });
            let built = build(&generated::parse("small.yaml", &text), &generated::environment(size), stack);
            let world = built.unwrap_or_else(|findings| panic!("{findings:#?}")).world;
            prop_assert!(world.admission.is_empty(), "{:#?}\n{}", world.admission, text);
            prop_assert!(every_pod_pair(&world) > 500);
        }
    }
}
