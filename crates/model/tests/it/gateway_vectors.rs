//! Gateways, routes and proxies: every vector file holds manifests and what must come of requests to them.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use airtight_manifest::gateway_api::crd_findings;
use airtight_manifest::stack::{CiliumOptions, IstioOptions, KyvernoSettings, Stack, Versions};
use airtight_manifest::{Diagnostic, Document, decode_resource, yaml};
use airtight_model::policy::gateway::{BackendTarget, GatewayPolicy, Routed, originates_tls, waypoint_gateways};
use airtight_model::policy::{Effect, Request};
use airtight_model::world::{Environment, GatewayKey, Proxy, World, build};
use airtight_testkit::vectors;
use semver::Version;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vector {
    title: String,
    #[serde(default)]
    stacks: Vec<StackVersions>,
    /// `namespace/name:port`, each with one pod behind it.
    #[serde(default)]
    services: Vec<String>,
    /// Namespaces beside those of services, with labels.
    #[serde(default)]
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    manifests: String,
    #[serde(default)]
    requests: Vec<Case>,
    /// `object text` of every finding: code and a part of its message.
    findings: Option<Vec<(String, String)>>,
    #[serde(default)]
    statuses: Vec<(String, String, String)>,
    #[serde(default)]
    proxies: Vec<ExpectedProxy>,
    #[serde(default)]
    waypoints: Vec<ExpectedWaypoint>,
    /// Codes and parts of messages of what the API server refuses.
    #[serde(default)]
    refused: Option<Vec<(String, String)>>,
    /// `namespace/name:port` of Services to which proxies speak TLS.
    #[serde(default)]
    tls: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct StackVersions {
    kgateway: Version,
    gateway_api: Version,
    istio: Version,
    agentgateway: Option<Version>,
}

impl Default for StackVersions {
    fn default() -> Self {
        Self {
            kgateway: Version::new(2, 3, 7),
            gateway_api: Version::new(1, 5, 1),
            istio: Version::new(1, 30, 3),
            agentgateway: Some(Version::new(1, 4, 1)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    /// `namespace/name` of a Gateway, with `port`.
    gateway: Option<String>,
    /// `namespace/name` of a Service, inside a waypoint.
    service: Option<String>,
    waypoint: Option<String>,
    #[serde(default)]
    client: String,
    #[serde(default = "http_port")]
    port: u16,
    sni: Option<String>,
    #[serde(default = "get")]
    method: String,
    #[serde(default = "slash")]
    path: String,
    #[serde(default = "host")]
    host: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// `deny OUTCOME REASON`, `unknown`, or the backends, such as `Service a/b:80`.
    expect: Expected,
    /// What each backend sees.
    seen: Option<Seen>,
    /// A part of the decision's sentence.
    detail: Option<String>,
    /// Rules that decided, by object and path, in order.
    rules: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    One(String),
    Weighted(BTreeMap<String, i32>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    path: Option<String>,
    host: Option<String>,
    /// All values of a header; none must be left for an empty list.
    #[serde(default)]
    headers: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpectedProxy {
    gateway: String,
    implementation: Option<String>,
    /// Labels; an empty value means that there is none.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    service_account: Option<String>,
    /// Listener port to pod port.
    #[serde(default)]
    ports: BTreeMap<u16, u16>,
    service_type: Option<String>,
    enrolment: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpectedWaypoint {
    gateway: String,
    is_waypoint: bool,
    waypoint_for: String,
    allowed: String,
    proxy_port: Option<u16>,
    programmed: bool,
}

fn http_port() -> u16 {
    80
}

fn get() -> String {
    "GET".to_owned()
}

fn slash() -> String {
    "/".to_owned()
}

fn host() -> String {
    "example.com".to_owned()
}

fn environment() -> Environment {
    let text = "kind: Environment\napiVersion: airtight.dev/v1alpha1\nmetadata: {name: test}\nspec:\n  \
        nodes: [{name: worker, labels: {}, addresses: [172.18.0.2], controlPlane: false}]\n  hosts: []\n  \
        outside: 203.0.113.7\n  podCidrs: [10.244.0.0/16]\n  serviceCidrs: [10.96.0.0/16]\n";
    Environment::read(&documents("environment.yaml", text)[0]).unwrap()
}

fn documents(file: &str, text: &str) -> Vec<Document> {
    yaml::parse(&Arc::from(file), text).unwrap_or_else(|finding| panic!("{finding}"))
}

fn stack(versions: &StackVersions) -> Stack {
    Stack {
        name: "test".to_owned(),
        versions: Versions {
            kubernetes: Version::new(1, 33, 1),
            cilium: Version::new(1, 17, 5),
            istio: versions.istio.clone(),
            gateway_api: versions.gateway_api.clone(),
            kgateway: versions.kgateway.clone(),
            agentgateway: versions.agentgateway.clone(),
            kyverno: Version::new(1, 14, 4),
        },
        cilium: CiliumOptions::default(),
        istio: IstioOptions::default(),
        kyverno: KyvernoSettings::default(),
    }
}

fn pair(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or_else(|| panic!("`{text}` is not namespace/name"))
}

fn key(text: &str) -> GatewayKey {
    let (namespace, name) = pair(text);
    (Arc::from(namespace), Arc::from(name))
}

/// Namespaces, Services and pods that a vector names in short.
fn fixtures(vector: &Vector) -> String {
    let mut namespaces = vector.namespaces.clone();
    let mut text = String::new();
    for service in &vector.services {
        let (namespace, rest) = pair(service);
        let (name, port) = rest.split_once(':').unwrap();
        namespaces.entry(namespace.to_owned()).or_default();
        let _ = write!(
            text,
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{selector: \
             {{app: {name}}}, ports: [{{name: http, port: {port}, targetPort: {port}}}]}}}}\n---\n{{apiVersion: v1, kind: Pod, \
             metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}, spec: {{containers: [{{name: c, \
             image: i, ports: [{{containerPort: {port}}}]}}]}}}}\n"
        );
    }
    for (name, labels) in namespaces {
        let labels = serde_json::to_string(&labels).unwrap();
        let _ =
            write!(text, "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}\n");
    }
    text
}

fn world(file: &str, vector: &Vector, versions: &StackVersions, reverse: bool) -> (World, Vec<Diagnostic>) {
    let mut all = documents(file, &vector.manifests);
    if reverse {
        all.reverse();
    }
    all.extend(documents("fixtures.yaml", &fixtures(vector)));
    let built = build(&all, &environment(), stack(versions)).unwrap_or_else(|findings| panic!("{}", shown(&findings)));
    assert!(vector.refused.is_some() || built.findings.iter().all(of_a_proxy), "{}", shown(&built.findings));
    (built.world, built.findings)
}

/// A Gateway may be without a proxy, a field may be one that is not modelled, a version not served; any other finding
/// means that the vector's manifests are not what they seem.
fn of_a_proxy(finding: &Diagnostic) -> bool {
    [
        "unknown-gateway-class",
        "unserved-gateway-class",
        "missing-parameters",
        "unmodelled",
        "unserved-version",
        "assumed-resolver",
    ]
    .contains(&finding.code.as_str())
}

fn shown(findings: &[Diagnostic]) -> String {
    findings.iter().fold(String::new(), |mut text, finding| {
        let _ = writeln!(text, "{finding}");
        text
    })
}

fn request(case: &Case) -> Request {
    Request {
        method: case.method.clone(),
        path: case.path.clone(),
        host: case.host.clone(),
        headers: case.headers.clone(),
        token: None,
    }
}

fn run(policy: &GatewayPolicy, world: &World, case: &Case) -> Routed {
    let request = request(case);
    match (&case.gateway, &case.service) {
        (Some(gateway), None) => policy.route(world, &key(gateway), case.port, case.sni.as_deref(), &request),
        (None, Some(service)) => {
            let waypoint = case.waypoint.as_deref().map(key);
            policy.route_service(world, pair(service), case.port, &case.client, waypoint.as_ref(), &request)
        }
        _ => panic!("a request goes to a gateway or to a service"),
    }
}

fn target(target: &BackendTarget) -> String {
    match target {
        BackendTarget::Service { namespace, name, port } => format!("Service {namespace}/{name}:{port}"),
        BackendTarget::Static { host, port, tls } => format!("Static {host}:{port}{}", if *tls { " tls" } else { "" }),
        BackendTarget::Mcp { host, port } => format!("Mcp {host}:{port}"),
        BackendTarget::Llm { host, port, tls } => format!("Llm {host}:{port}{}", if *tls { " tls" } else { "" }),
        BackendTarget::Entry { namespace, name, host, port } => format!("Entry {namespace}/{name} {host}:{port}"),
        BackendTarget::Failing { status } => format!("Failing {status}"),
    }
}

/// A result in the words of a vector.
fn described(routed: &Routed) -> BTreeMap<String, i32> {
    match routed.decision.effect {
        Effect::Allow => routed.backends.iter().map(|backend| (target(&backend.target), backend.weight)).collect(),
        Effect::Deny => {
            let symptom = routed.decision.symptom.as_ref().map(ToString::to_string).unwrap_or_default();
            BTreeMap::from([(format!("deny {symptom} {}", routed.decision.reason), 1)])
        }
        Effect::Unknown => BTreeMap::from([("unknown".to_owned(), 1)]),
    }
}

fn check(case: &Case, routed: &Routed, place: &str) {
    let expected = match &case.expect {
        Expected::One(one) => BTreeMap::from([(one.clone(), 1)]),
        Expected::Weighted(all) => all.clone(),
    };
    assert_eq!(described(routed), expected, "{place}: {}", routed.decision.detail);
    assert!(!routed.decision.detail.is_empty(), "{place}");
    if routed.decision.effect != Effect::Allow {
        assert!(routed.backends.is_empty(), "{place}: a denied request has no backend");
    }
    if let Some(part) = &case.detail {
        assert!(routed.decision.detail.contains(part), "{place}: {}", routed.decision.detail);
    }
    if let Some(rules) = &case.rules {
        // Those that picked the route; each backend has its own beside them.
        let of_backends = || routed.backends.iter().flat_map(|backend| &backend.rules);
        assert!(of_backends().all(|rule| routed.decision.rules.contains(rule)), "{place}");
        let found: Vec<String> = routed
            .decision
            .rules
            .iter()
            .filter(|rule| !of_backends().any(|other| other == *rule))
            .map(|rule| format!("{} {}", rule.object, rule.rule.as_deref().unwrap_or("whole")))
            .collect();
        assert_eq!(&found, rules, "{place}");
    }
    let Some(seen) = &case.seen else { return };
    for backend in &routed.backends {
        let request = &backend.request;
        if let Some(path) = &seen.path {
            assert_eq!(&request.path, path, "{place}");
        }
        if let Some(host) = &seen.host {
            assert_eq!(&request.host, host, "{place}");
        }
        for (name, values) in &seen.headers {
            assert_eq!(&request.header(name).map(str::to_owned).collect::<Vec<_>>(), values, "{place}: header {name}");
        }
    }
}

fn check_findings(found: &[Diagnostic], expected: &[(String, String)], place: &str) {
    // The vectors say nothing of the cluster's resolver.
    let found: Vec<Diagnostic> = found.iter().filter(|finding| finding.code != "assumed-resolver").cloned().collect();
    let found = found.as_slice();
    assert_eq!(found.len(), expected.len(), "{place}:\n{}", shown(found));
    for (code, part) in expected {
        let hit = found.iter().any(|finding| finding.code == *code && finding.message.contains(part));
        assert!(hit, "{place}: no finding [{code}] with `{part}` in\n{}", shown(found));
    }
    assert!(found.iter().all(|finding| finding.location.is_some()), "{place}: a finding without a place");
}

fn check_proxy(proxy: &Proxy, expected: &ExpectedProxy, place: &str) {
    let words = |value: &dyn std::fmt::Debug| format!("{value:?}");
    let present = |all: &BTreeMap<String, String>, name: &str, value: &str, what: &str| {
        assert_eq!(all.get(name).map_or("", String::as_str), value, "{place}: {what} {name} of {:?}", proxy.key);
    };
    for (name, value) in &expected.labels {
        present(&proxy.labels, name, value, "label");
    }
    for (name, value) in &expected.annotations {
        present(&proxy.annotations, name, value, "annotation");
    }
    for (listener, pod) in &expected.ports {
        assert_eq!(proxy.target_port(*listener), Some(*pod), "{place}: port {listener}");
        assert!(proxy.ports.iter().any(|port| port.number == *pod), "{place}: container port {pod}");
    }
    if let Some(implementation) = &expected.implementation {
        assert_eq!(&proxy.implementation.to_string(), implementation, "{place}");
    }
    if let Some(account) = &expected.service_account {
        assert_eq!(&*proxy.service_account, account, "{place}");
    }
    if let Some(kind) = &expected.service_type {
        assert_eq!(&words(&proxy.service_type), kind, "{place}");
    }
    if let Some(enrolment) = &expected.enrolment {
        assert_eq!(&words(&proxy.enrolment), enrolment, "{place}");
    }
}

fn check_vector(file: &str, vector: &Vector, versions: &StackVersions) {
    let place = format!("{file} ({}, kgateway {})", vector.title, versions.kgateway);
    if let Some(expected) = &vector.refused {
        let found: Vec<Diagnostic> = documents(file, &vector.manifests)
            .iter()
            .filter_map(|document| decode_resource(document).ok())
            .flat_map(|resource| crd_findings(&resource, &versions.gateway_api, &versions.kgateway))
            .collect();
        check_findings(&found, expected, &place);
        if vector.requests.is_empty() {
            return;
        }
    }
    let (world, built) = world(file, vector, versions, false);
    let policy = GatewayPolicy::compile(&world);
    let (shuffled, _) = self::world(file, vector, versions, true);
    let reversed = GatewayPolicy::compile(&shuffled);
    for (number, case) in vector.requests.iter().enumerate() {
        let place = format!("{place} request {number}");
        let routed = run(&policy, &world, case);
        check(case, &routed, &place);
        assert_eq!(run(&reversed, &shuffled, case), routed, "{place}: the order of objects matters");
    }
    if let Some(expected) = &vector.findings {
        let all: Vec<Diagnostic> = built.into_iter().chain(policy.findings()).collect();
        check_findings(&all, expected, &place);
    }
    for (object, accepted, resolved) in &vector.statuses {
        let status = policy.statuses().iter().find(|status| status.parent.object.to_string() == *object);
        let status = status.unwrap_or_else(|| panic!("{place}: {object} has no status"));
        let found = (status.accepted.to_string(), status.resolved.to_string());
        assert_eq!(found, (accepted.clone(), resolved.clone()), "{place}: {object}");
    }
    for expected in &vector.proxies {
        let proxy = world.proxies.iter().find(|proxy| proxy.key == key(&expected.gateway));
        check_proxy(proxy.unwrap_or_else(|| panic!("{place}: {} has no proxy", expected.gateway)), expected, &place);
    }
    check_waypoints(&world, vector, &place);
    if let Some(expected) = &vector.tls {
        let services = vector.services.iter().filter(|text| {
            let (namespace, rest) = pair(text);
            let (name, port) = rest.split_once(':').unwrap();
            originates_tls(&world, namespace, name, port.parse().unwrap()).is_some()
        });
        assert_eq!(&services.cloned().collect::<Vec<_>>(), expected, "{place}");
    }
}

fn check_waypoints(world: &World, vector: &Vector, place: &str) {
    let found = waypoint_gateways(world);
    for expected in &vector.waypoints {
        let facts = found.iter().find(|facts| facts.key == key(&expected.gateway)).unwrap();
        let summary = (facts.is_waypoint, facts.waypoint_for.as_str(), format!("{:?}", facts.allowed));
        assert_eq!(
            summary,
            (expected.is_waypoint, expected.waypoint_for.as_str(), expected.allowed.clone()),
            "{place}: {}",
            expected.gateway
        );
        assert_eq!((facts.proxy_port, facts.programmed), (expected.proxy_port, expected.programmed), "{place}");
    }
}

#[test]
fn every_vector_holds() {
    let mut requests = 0;
    for file in vectors::files("tests/vectors/gateway") {
        let vectors: Vec<Vector> = file.read();
        let file = file.name();
        assert!(!vectors.is_empty(), "{file} is empty");
        for vector in &vectors {
            requests += vector.requests.len();
            let default = [StackVersions::default()];
            let stacks = if vector.stacks.is_empty() { &default[..] } else { &vector.stacks };
            for versions in stacks {
                check_vector(file, vector, versions);
            }
        }
    }
    assert!(requests > 100, "only {requests} requests were tried");
}
