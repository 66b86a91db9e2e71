//! Worlds of any size, the same for the same size: what a large cluster with a zero-trust network looks like.

use std::fmt::Write as _;
use std::sync::Arc;

use airtight_manifest::{Document, yaml};
use airtight_model::world::{Environment, World, build};

use crate::stack;

/// How large a world is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Namespaces, five workloads in each.
    pub namespaces: usize,
    /// Pods of a workload.
    pub replicas: usize,
    /// Nodes.
    pub nodes: usize,
    /// Policies of all kinds, twelve at most in a namespace; the rest binds the whole cluster.
    pub policies: usize,
}

impl Size {
    /// As many pods, ten for each workload.
    #[must_use]
    pub fn of_pods(pods: usize) -> Self {
        let namespaces = pods / 50;
        Self { namespaces, replicas: 10, nodes: (pods / 30).max(2), policies: namespaces * 10 }
    }
}

/// A workload: name, TCP port and its name, and further ports.
const APPS: [(&str, u16, &str, &str); 5] = [
    ("web", 8080, "http", "{containerPort: 9090, name: metrics}"),
    ("api", 8081, "http", "{containerPort: 9090, name: metrics}"),
    ("worker", 9000, "grpc", ""),
    ("db", 5432, "tcp-db", ""),
    ("cache", 6379, "tcp-cache", "{containerPort: 11211, name: memcached, protocol: UDP}"),
];

const TEAMS: usize = 20;

/// The manifests of workloads: namespaces, Deployments, Services, and the cluster's resolver.
#[must_use]
pub fn workloads(size: Size) -> String {
    let mut text = resolver();
    for index in 0..size.namespaces {
        namespace(&mut text, index);
        for (app, port, name, more) in APPS {
            workload(&mut text, index, (app, port, name, more), size.replicas);
        }
    }
    text
}

fn namespace(text: &mut String, index: usize) {
    // Three of four namespaces are in the mesh.
    let mesh = if index % 4 == 3 { "" } else { ", istio.io/dataplane-mode: ambient" };
    let stage = ["dev", "uat", "prod"][index % 3];
    let team = index % TEAMS;
    let _ = writeln!(
        text,
        "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns-{index}\n  \
         labels: {{team: team-{team}, stage: {stage}, isolate: \"true\"{mesh}}}"
    );
}

fn workload(text: &mut String, index: usize, (app, port, name, more): (&str, u16, &str, &str), replicas: usize) {
    let ports = if more.is_empty() { String::new() } else { format!(", {more}") };
    let version = if index.is_multiple_of(7) { "v2" } else { "v1" };
    let _ = writeln!(
        text,
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {app}, namespace: ns-{index}}}\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {app}, namespace: ns-{index}}}\nspec:\n  \
         replicas: {replicas}\n  selector: {{matchLabels: {{app: {app}}}}}\n  template:\n    metadata:\n      \
         labels: {{app: {app}, version: {version}, team: team-{}, app.kubernetes.io/name: {app}, tier: tier-{}}}\n    \
         spec:\n      serviceAccountName: {app}\n      containers:\n      - name: main\n        \
         image: example.com/{app}\n        ports: [{{containerPort: {port}, name: {name}}}{ports}]\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {{name: {app}, namespace: ns-{index}}}\nspec:\n  \
         selector: {{app: {app}}}\n  ports: [{{name: {name}, port: 80, targetPort: {name}}}]",
        index % TEAMS,
        index % 5,
    );
}

fn resolver() -> String {
    "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: coredns, namespace: kube-system}\nspec:\n  \
     replicas: 2\n  selector: {matchLabels: {k8s-app: kube-dns}}\n  template:\n    metadata: {labels: {k8s-app: kube-dns}}\n    \
     spec:\n      containers:\n      - {name: main, image: example.com/dns, ports: [{containerPort: 53, protocol: UDP}, \
     {containerPort: 53}]}\n\
     ---\napiVersion: v1\nkind: Service\nmetadata: {name: kube-dns, namespace: kube-system}\nspec:\n  \
     selector: {k8s-app: kube-dns}\n  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]\n"
        .to_owned()
}

/// As many policies, all kinds in turn, namespace after namespace.
#[must_use]
pub fn policies(size: Size) -> String {
    let mut text = String::new();
    for number in 0..size.policies {
        let index = (number / KINDS) % size.namespaces;
        let round = number / KINDS / size.namespaces;
        policy(&mut text, number % KINDS, index, round, size.namespaces);
    }
    text
}

const KINDS: usize = 10;

fn head(api: &str, kind: &str, name: &str, round: usize, namespace: Option<usize>) -> String {
    let home = namespace.map(|index| format!(", namespace: ns-{index}")).unwrap_or_default();
    format!("---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}-{round}{home}}}\nspec:\n")
}

/// One policy; the spread of namespaces that it names depends on its own.
fn policy(text: &mut String, kind: usize, index: usize, round: usize, namespaces: usize) {
    let near = (index * 7 + round + 1) % namespaces;
    let team = (index + round) % TEAMS;
    let network = |name| head("networking.k8s.io/v1", "NetworkPolicy", name, round, Some(index));
    let cilium = |name| head("cilium.io/v2", "CiliumNetworkPolicy", name, round, Some(index));
    let istio = |name| head("security.istio.io/v1", "AuthorizationPolicy", name, round, Some(index));
    let clusterwide = format!("cluster-{index}");
    let body = match kind {
        0 => network("default-deny") + "  podSelector: {}\n  policyTypes: [Ingress, Egress]\n",
        1 => {
            network("web-ingress")
                + &format!(
                    "  podSelector: {{matchLabels: {{app: web}}}}\n  policyTypes: [Ingress]\n  ingress:\n  \
                     - from:\n    - namespaceSelector: {{matchLabels: {{team: team-{team}}}}}\n    \
                     - namespaceSelector: {{matchExpressions: [{{key: stage, operator: In, values: [prod]}}]}}\n      \
                     podSelector: {{matchLabels: {{app: web}}}}\n    \
                     ports: [{{port: http, protocol: TCP}}, {{port: 15008, protocol: TCP}}]\n"
                )
        }
        2 => {
            network("same-namespace")
                + "  podSelector: {}\n  policyTypes: [Ingress, Egress]\n  ingress:\n  - from: [{podSelector: {}}]\n  \
                   egress:\n  - to: [{podSelector: {}}]\n"
        }
        3 => {
            cilium("dns")
                + "  endpointSelector: {}\n  egress:\n  - toEndpoints:\n    - matchLabels: \
                   {k8s:io.kubernetes.pod.namespace: kube-system, k8s:k8s-app: kube-dns}\n    toPorts:\n    \
                   - ports: [{port: \"53\", protocol: UDP}]\n      rules: {dns: [{matchPattern: \"*\"}]}\n"
        }
        4 => {
            cilium("egress")
                + &format!(
                    "  endpointSelector: {{matchLabels: {{app: web}}}}\n  egress:\n  - toEndpoints:\n    \
                     - matchLabels: {{k8s:io.kubernetes.pod.namespace: ns-{near}, app: api}}\n    \
                     - matchLabels: {{\"k8s:io.cilium.k8s.namespace.labels.team\": team-{team}}}\n    toPorts:\n    \
                     - ports: [{{port: \"8081\", protocol: TCP}}, {{port: \"15008\", protocol: TCP}}, \
                     {{port: metrics, protocol: TCP}}]\n  - toFQDNs: [{{matchName: api.example.com}}]\n    toPorts:\n    \
                     - ports: [{{port: \"443\", protocol: TCP}}]\n"
                )
        }
        5 => {
            cilium("api-ingress")
                + &format!(
                    "  endpointSelector: {{matchLabels: {{app: api}}}}\n  ingress:\n  - fromEndpoints:\n    \
                     - matchLabels: {{k8s:io.kubernetes.pod.namespace: ns-{near}, app: web}}\n    \
                     - matchExpressions: [{{key: \"k8s:io.cilium.k8s.namespace.labels.team\", operator: In, \
                     values: [team-{team}, team-{}]}}]\n    toPorts:\n    - ports: [{{port: \"15008\"}}]\n    \
                     - ports: [{{port: \"8081\", protocol: TCP}}]\n      rules: {{http: [{{method: GET, path: \"/v1/.*\"}}]}}\n",
                    (team + 3) % TEAMS
                )
        }
        6 if index.is_multiple_of(4) => {
            head("cilium.io/v2", "CiliumClusterwideNetworkPolicy", &clusterwide, round, None)
                + &format!(
                    "  endpointSelector: {{matchLabels: {{\"k8s:io.cilium.k8s.namespace.labels.team\": team-{team}, \
                     tier: tier-{}}}}}\n  enableDefaultDeny: {{ingress: false, egress: false}}\n  ingressDeny:\n  \
                     - fromEndpoints:\n    - matchLabels: {{\"k8s:io.cilium.k8s.namespace.labels.stage\": dev}}\n    \
                     toPorts:\n    - ports: [{{port: \"5432\", protocol: TCP}}]\n",
                    index % 5
                )
        }
        6 => {
            cilium("db-ingress")
                + "  endpointSelector: {matchLabels: {app: db}}\n  ingress:\n  - fromEndpoints:\n    \
                   - matchLabels: {app: api}\n    toPorts:\n    - ports: [{port: \"5432\"}, {port: \"15008\"}]\n"
        }
        7 => {
            istio("api-callers")
                + &format!(
                    "  selector: {{matchLabels: {{app: api}}}}\n  action: ALLOW\n  rules:\n  - from:\n    - source:\n        \
                     principals: [cluster.local/ns/ns-{near}/sa/web, cluster.local/ns/ns-{index}/sa/web, \
                     cluster.local/ns/ns-{index}/sa/worker]\n    to: [{{operation: {{ports: [\"8081\"]}}}}]\n  - from:\n    \
                     - source: {{namespaces: [ns-{}, monitoring]}}\n",
                    (near + 1) % namespaces
                )
        }
        8 => {
            istio("no-strangers")
                + &format!(
                    "  action: DENY\n  rules:\n  - from: [{{source: {{namespaces: [ns-{}, ns-{}]}}}}]\n",
                    (near + 2) % namespaces,
                    (near + 3) % namespaces
                )
        }
        _ => {
            head("security.istio.io/v1", "PeerAuthentication", "mtls", round, Some(index))
                + if index.is_multiple_of(2) {
                    "  mtls: {mode: STRICT}\n"
                } else {
                    "  selector: {matchLabels: {app: db}}\n  mtls: {mode: STRICT}\n  portLevelMtls: {\"5432\": {mode: PERMISSIVE}}\n"
                }
        }
    };
    text.push_str(&body);
}

/// What is around a world of this size.
#[must_use]
pub fn environment(size: Size) -> Environment {
    let mut text = "apiVersion: airtight.dev/v1alpha1\nkind: Environment\nmetadata: {name: large}\nspec:\n  nodes:\n  \
                    - {name: control-plane, addresses: [172.18.0.2], controlPlane: true}\n"
        .to_owned();
    for node in 0..size.nodes {
        let _ = writeln!(text, "  - {{name: worker-{node}, addresses: [172.20.{}.{}]}}", node / 250, node % 250 + 1);
    }
    text += "  hosts:\n  - {names: [api.example.com], addresses: [203.0.113.10], ports: [80], tlsPorts: [443]}\n  \
             - {names: [exfil.example], addresses: [198.51.100.66], ports: [80]}\n  outside: 192.0.2.7\n  \
             podCidrs: [10.0.0.0/12]\n  serviceCidrs: [10.96.0.0/14]\n";
    Environment::read(&parse("environment.yaml", &text)[0]).unwrap()
}

/// The documents of a text.
#[must_use]
pub fn parse(name: &str, text: &str) -> Vec<Document> {
    yaml::parse(&Arc::from(name), text).unwrap_or_else(|finding| panic!("{finding:?}"))
}

/// A world of this size.
#[must_use]
pub fn world(size: Size) -> World {
    let mut documents = parse("workloads.yaml", &workloads(size));
    documents.extend(parse("policies.yaml", &policies(size)));
    let stack = stack::shipped("reference");
    build(&documents, &environment(size), stack).unwrap_or_else(|findings| panic!("{findings:#?}")).world
}
