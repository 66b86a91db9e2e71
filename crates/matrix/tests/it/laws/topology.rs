//! Namespaces, pods, Services, waypoints and a gateway of a generated world.

use airtight_testkit::network::VALUES;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::sketch::Names;

#[derive(Debug, Clone)]
pub(super) struct Topology {
    namespaces: Vec<Namespace>,
    pods: Vec<Pod>,
    services: Vec<Service>,
    waypoints: Vec<Waypoint>,
    edge: Option<Edge>,
    entry: Option<Entry>,
}

#[derive(Debug, Clone)]
struct Namespace {
    ambient: bool,
    team: usize,
    waypoint: Option<usize>,
}

#[derive(Debug, Clone)]
struct Pod {
    namespace: usize,
    app: usize,
    tier: usize,
    /// Its own word on the mesh.
    mesh: Option<bool>,
    /// Whether what it receives goes past its ztunnel.
    bypass: bool,
    account: bool,
    node: usize,
    host_network: bool,
    admin: bool,
}

#[derive(Debug, Clone)]
struct Service {
    /// The pod that it is for.
    pod: usize,
    /// Whether it is also for other pods of the same app.
    by_app: bool,
    waypoint: OwnWord,
    node_port: bool,
}

#[derive(Debug, Clone)]
struct Waypoint {
    namespace: usize,
    purpose: &'static str,
    everyone: bool,
}

/// What a Service itself says of its waypoint.
#[derive(Debug, Clone, Copy)]
enum OwnWord {
    Silent,
    Use(usize),
    None,
}

#[derive(Debug, Clone)]
struct Edge {
    namespace: usize,
    ambient: bool,
    hostname: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    namespace: usize,
    waypoint: Option<usize>,
}

impl Topology {
    pub(super) fn has_edge(&self) -> bool {
        self.edge.is_some()
    }

    fn namespace_of(&self, kind: char, index: usize) -> usize {
        match kind {
            's' => self.pods[self.services[index % self.services.len()].pod % self.pods.len()].namespace,
            'p' => self.pods[index % self.pods.len()].namespace,
            'e' => self.edge.as_ref().map_or(0, |edge| edge.namespace),
            _ => self.waypoints.get(index % self.waypoints.len().max(1)).map_or(0, |waypoint| waypoint.namespace),
        }
    }

    /// A text with names in place of their tokens.
    pub(super) fn named(&self, text: &str, names: &Names) -> String {
        let mut parts = text.split('{');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (token, rest) = part.split_once('}').unwrap_or_else(|| panic!("no token: {text}"));
            out.push_str(&self.name(token, names));
            out.push_str(rest);
        }
        out
    }

    fn name(&self, token: &str, names: &Names) -> String {
        let (kind, number) = token.split_at(token.find(|c: char| c.is_ascii_digit()).unwrap());
        let index: usize = number.parse().unwrap();
        let namespace = |index: usize| names.namespaces[index % self.namespaces.len()].clone();
        match kind {
            "n" => namespace(index),
            "sn" => namespace(self.namespace_of('s', index)),
            "pn" => namespace(self.namespace_of('p', index)),
            "wn" => namespace(self.namespace_of('w', index)),
            "en" => namespace(self.namespace_of('e', index)),
            "w" => format!("waypoint-{}", index % self.waypoints.len().max(1)),
            "p" => names.pods[index % self.pods.len()].clone(),
            "s" => names.services[index % self.services.len()].clone(),
            "v" => names.values[index % VALUES].clone(),
            _ => panic!("no token: {token}"),
        }
    }

    pub(super) fn objects(&self) -> Vec<Value> {
        let mut objects: Vec<Value> = Vec::new();
        for (index, namespace) in self.namespaces.iter().enumerate() {
            objects.push(namespace.object(index));
            objects.push(json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": "robot", "namespace": format!("{{n{index}}}")},
            }));
        }
        objects.extend(self.pods.iter().enumerate().map(|(index, pod)| pod.object(index)));
        objects.extend(self.services.iter().enumerate().map(|(index, service)| service.object(index)));
        objects.extend(self.waypoints.iter().enumerate().map(|(index, waypoint)| waypoint.object(index)));
        objects.extend(self.edge.iter().flat_map(Edge::objects));
        objects.extend(self.entry.iter().map(Entry::object));
        objects
    }
}

/// Labels that name a waypoint.
fn use_waypoint(labels: &mut Value, waypoint: usize) {
    labels["istio.io/use-waypoint"] = json!(format!("{{w{waypoint}}}"));
    labels["istio.io/use-waypoint-namespace"] = json!(format!("{{wn{waypoint}}}"));
}

impl Namespace {
    fn object(&self, index: usize) -> Value {
        let mut labels = json!({"team": format!("{{v{}}}", self.team)});
        if self.ambient {
            labels["istio.io/dataplane-mode"] = json!("ambient");
        }
        if let Some(waypoint) = self.waypoint {
            use_waypoint(&mut labels, waypoint);
        }
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("{{n{index}}}"), "labels": labels}})
    }
}

impl Pod {
    fn object(&self, index: usize) -> Value {
        let mut labels = json!({
            "app": format!("{{v{}}}", self.app),
            "tier": format!("{{v{}}}", self.tier),
            "pod": format!("{{p{index}}}"),
        });
        if let Some(member) = self.mesh {
            labels["istio.io/dataplane-mode"] = json!(if member { "ambient" } else { "none" });
        }
        let mut ports = vec![json!({"name": "web", "containerPort": 8080})];
        if self.admin {
            ports.push(json!({"name": "admin", "containerPort": 9090}));
        }
        let annotations =
            if self.bypass { json!({"ambient.istio.io/bypass-inbound-capture": "true"}) } else { json!({}) };
        let node = ["n1", "n2"][self.node % 2];
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{{p{index}}}"), "namespace": format!("{{n{}}}", self.namespace), "labels": labels, "annotations": annotations},
            "spec": {
                "nodeName": node,
                "hostNetwork": self.host_network,
                "serviceAccountName": if self.account { "robot" } else { "default" },
                "containers": [{"name": "main", "image": "main", "ports": ports}],
            },
        })
    }
}

impl Service {
    fn object(&self, index: usize) -> Value {
        let mut labels = json!({"kind": "service"});
        match self.waypoint {
            OwnWord::Use(waypoint) => use_waypoint(&mut labels, waypoint),
            OwnWord::None => labels["istio.io/use-waypoint"] = json!("none"),
            OwnWord::Silent => {}
        }
        // An app is the pod's own, or the value that many pods share.
        let selector = if self.by_app { json!({"app": "{v0}"}) } else { json!({"pod": format!("{{p{}}}", self.pod)}) };
        let mut ports = vec![
            json!({"name": "http", "port": 80, "targetPort": "web"}),
            json!({"name": "tcp", "port": 9000, "targetPort": 9090}),
        ];
        if self.node_port {
            ports[0]["nodePort"] = json!(30080 + index);
        }
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": format!("{{s{index}}}"), "namespace": format!("{{sn{index}}}"), "labels": labels},
            "spec": {
                "type": if self.node_port { "NodePort" } else { "ClusterIP" },
                "clusterIP": format!("10.96.1.{index}"),
                "selector": selector, "ports": ports,
            },
        })
    }
}

impl Waypoint {
    fn object(&self, index: usize) -> Value {
        let from = if self.everyone { "All" } else { "Same" };
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {
                "name": format!("{{w{index}}}"), "namespace": format!("{{n{}}}", self.namespace),
                "labels": {"istio.io/waypoint-for": self.purpose},
            },
            "spec": {
                "gatewayClassName": "istio-waypoint",
                "listeners": [{
                    "name": "mesh", "port": 15008, "protocol": "HBONE",
                    "allowedRoutes": {"namespaces": {"from": from}},
                }],
            },
        })
    }
}

impl Edge {
    fn objects(&self) -> Vec<Value> {
        let namespace = format!("{{n{}}}", self.namespace);
        let mut listener = json!({
            "name": "http", "port": 8080, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}},
        });
        if self.hostname {
            listener["hostname"] = json!("*.example.org");
        }
        let labels = if self.ambient { json!({"istio.io/dataplane-mode": "ambient"}) } else { json!({}) };
        let gateway = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": "edge", "namespace": namespace},
            "spec": {
                "gatewayClassName": "kgateway",
                "infrastructure": {
                    "parametersRef": {"group": "gateway.kgateway.dev", "kind": "GatewayParameters", "name": "edge"},
                },
                "listeners": [listener],
            },
        });
        let parameters = json!({
            "apiVersion": "gateway.kgateway.dev/v1alpha1", "kind": "GatewayParameters",
            "metadata": {"name": "edge", "namespace": namespace},
            "spec": {"kube": {"podTemplate": {"extraLabels": labels}}},
        });
        vec![gateway, parameters]
    }
}

impl Entry {
    fn object(&self) -> Value {
        let mut labels = json!({"kind": "entry"});
        if let Some(waypoint) = self.waypoint {
            use_waypoint(&mut labels, waypoint);
        }
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
            "metadata": {"name": "api", "namespace": format!("{{n{}}}", self.namespace), "labels": labels},
            "spec": {
                "hosts": ["api.example.com"], "location": "MESH_EXTERNAL", "resolution": "DNS",
                "ports": [
                    {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 443},
                    {"number": 443, "name": "tls", "protocol": "TLS"},
                ],
            },
        })
    }
}

fn namespace() -> impl Strategy<Value = Namespace> {
    (prop::bool::weighted(0.6), 0..VALUES, prop::option::weighted(0.4, 0..2_usize))
        .prop_map(|(ambient, team, waypoint)| Namespace { ambient, team, waypoint })
}

fn pod() -> impl Strategy<Value = Pod> {
    let mesh = prop::option::weighted(0.2, any::<bool>());
    let app = prop_oneof![5 => 0..2_usize, 1 => 2..VALUES];
    let admin = prop::bool::weighted(0.8);
    let mesh = (mesh, prop::bool::weighted(0.1));
    (0..4_usize, app, 0..VALUES, mesh, any::<bool>(), 0..2_usize, prop::bool::weighted(0.1), admin).prop_map(
        |(namespace, app, tier, (mesh, bypass), account, node, host_network, admin)| Pod {
            namespace,
            app,
            tier,
            mesh,
            bypass,
            account,
            node,
            host_network,
            admin,
        },
    )
}

fn service(by_app: impl Strategy<Value = bool>) -> impl Strategy<Value = Service> {
    let waypoint = prop_oneof![
        40 => Just(OwnWord::Silent),
        54 => (0..2_usize).prop_map(OwnWord::Use),
        6 => Just(OwnWord::None),
    ];
    (0..10_usize, by_app, waypoint, prop::bool::weighted(0.2)).prop_map(|(pod, by_app, waypoint, node_port)| Service {
        pod,
        by_app,
        waypoint,
        node_port,
    })
}

fn waypoint() -> impl Strategy<Value = Waypoint> {
    let purpose = prop::sample::select(vec!["service", "service", "workload", "all"]);
    (0..4_usize, purpose, prop::bool::weighted(0.7)).prop_map(|(namespace, purpose, everyone)| Waypoint {
        namespace,
        purpose,
        everyone,
    })
}

fn edge() -> impl Strategy<Value = Edge> {
    (0..4_usize, any::<bool>(), any::<bool>()).prop_map(|(namespace, ambient, hostname)| Edge {
        namespace,
        ambient,
        hostname,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    (0..4_usize, prop::option::weighted(0.7, 0..2_usize))
        .prop_map(|(namespace, waypoint)| Entry { namespace, waypoint })
}

pub(super) fn topology() -> impl Strategy<Value = Topology> {
    shaped(prop::bool::weighted(0.3).boxed())
}

/// One backend for each Service.
pub(super) fn without_choice() -> impl Strategy<Value = Topology> {
    shaped(Just(false).boxed())
}

fn shaped(by_app: BoxedStrategy<bool>) -> impl Strategy<Value = Topology> {
    let parts = (
        prop::collection::vec(namespace(), 2..=4),
        prop::collection::vec(pod(), 4..=10),
        prop::collection::vec(service(by_app), 1..=4),
        prop_oneof![1 => Just(Vec::new()), 5 => prop::collection::vec(waypoint(), 1..=2)],
        prop::option::weighted(0.8, edge()),
        prop::option::weighted(0.5, entry()),
    );
    parts.prop_map(|(namespaces, pods, services, waypoints, edge, entry)| Topology {
        namespaces,
        pods,
        services,
        waypoints,
        edge,
        entry,
    })
}
