//! Vectors of the mesh: manifests and, in the same file, what ztunnel and waypoints make of them.
//!
//! A file is a stream of manifests and one or more `MeshVector` documents. Each vector says for which Istio
//! versions it holds and lists its checks.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a vector that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::stack::{IstioOptions, Stack};
use airtight_manifest::{Diagnostic, Document, Labels, Resource, RuleRef, decode_resource};
use airtight_model::policy::waypoint::{
    AllowedNamespaces, Binding, Bindings, WaypointFor, WaypointGateway, WaypointPayload, WaypointPolicy,
    WaypointTarget, originates_tls, virtual_address,
};
use airtight_model::policy::ztunnel::{OutboundTarget, Route, UpstreamAddress, ZtunnelPolicy, inbound_capture, route};
use airtight_model::policy::{Decision, MeshSource, Request, SpiffeId};
use airtight_model::world::enrolment::enrolment;
use airtight_model::world::{
    Endpoint, Enrolment, Environment, GatewayKey, Node, NodeId, Pod, PodId, Role, World, build,
};
use airtight_testkit::{stack, vectors};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vector {
    istio: Vec<String>,
    #[serde(default)]
    options: IstioOptions,
    #[serde(default)]
    gateways: Vec<GatewaySpec>,
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GatewaySpec {
    name: String,
    #[serde(default = "istio_waypoint")]
    class: String,
    #[serde(rename = "for")]
    waypoint_for: Option<String>,
    #[serde(default)]
    from: From,
    #[serde(default = "yes")]
    ready: bool,
}

fn istio_waypoint() -> String {
    "istio-waypoint".to_owned()
}

fn yes() -> bool {
    true
}

#[derive(Debug, Default, Clone, Deserialize)]
enum From {
    #[default]
    Same,
    All,
    Selector(LabelSelector),
}

/// One check: what is asked (exactly one of the first fields) and what must come of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Check {
    /// Inbound at the ztunnel of this pod.
    inbound: Option<String>,
    /// The way from `from`.
    route: Option<Target>,
    /// The waypoint of this.
    binding: Option<Target>,
    /// How `from` reaches this pod.
    capture: Option<String>,
    /// What this waypoint does with traffic to `to`.
    waypoint: Option<String>,
    /// What the API server and the webhook say about this object.
    webhook: Option<String>,
    /// What the lints say about this object.
    lint: Option<String>,
    /// How this pod is enrolled.
    enrolment: Option<PodSpec>,
    /// Which rule originates TLS.
    tls: Option<Tls>,
    /// The virtual address of this ServiceEntry's first host.
    address: Option<String>,

    to: Option<Target>,
    from: String,
    plaintext: bool,
    port: u16,
    request: Option<Request>,
    sni: Option<String>,

    effect: Option<String>,
    reason: Option<String>,
    symptom: Option<String>,
    rules: Option<Vec<String>>,
    log: Option<String>,
    expect: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Target {
    Service(String),
    Entry(String),
    Pod(String),
    Address(IpAddr),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PodSpec {
    labels: Labels,
    annotations: Labels,
    namespace: String,
    namespace_labels: Labels,
    host_network: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tls {
    proxy: String,
    service: String,
    host: String,
    port: u16,
}

#[test]
fn ztunnel() {
    run("ztunnel");
}

#[test]
fn waypoint() {
    run("waypoint");
}

#[test]
fn enrolment_and_binding() {
    run("enrolment");
}

fn run(topic: &str) {
    let mut failures = String::new();
    let mut checks = 0;
    for file in vectors::files(format!("tests/vectors/{topic}")) {
        checks += run_file(&file, &mut failures);
    }
    assert!(checks > 0);
    assert!(failures.is_empty(), "{failures}");
}

fn run_file(file: &vectors::File, failures: &mut String) -> usize {
    let is_vector = |document: &Document| document.root.get("kind").and_then(|k| k.as_str()) == Some("MeshVector");
    let (vectors, manifests): (Vec<_>, Vec<_>) = file.documents().into_iter().partition(is_vector);
    assert!(!vectors.is_empty(), "{} has no MeshVector", file.path.display());
    let mut checks = 0;
    for document in vectors {
        let spec = document.root.get("spec").expect("a vector has a spec").to_json();
        let vector: Vector =
            serde_json::from_value(spec).unwrap_or_else(|error| panic!("{}: {error}", file.path.display()));
        for version in &vector.istio {
            let bench = Bench::new(&vector, version, &manifests);
            for (index, check) in vector.checks.iter().enumerate() {
                checks += 1;
                if let Err(why) = bench.check(check) {
                    let at = document.location(document.root.at);
                    writeln!(failures, "{at} Istio {version}, checks[{index}]: {why}").unwrap();
                }
            }
        }
    }
    checks
}

struct Bench {
    world: World,
    manifests: Vec<Document>,
    gateways: Vec<WaypointGateway>,
    bindings: Bindings,
    ztunnel: ZtunnelPolicy,
    waypoint: WaypointPolicy,
}

fn node(name: &str, address: [u8; 4]) -> Node {
    Node { name: Arc::from(name), labels: Labels::new(), addresses: vec![IpAddr::from(address)], control_plane: false }
}

fn environment() -> Environment {
    Environment {
        nodes: vec![node("worker-1", [10, 0, 0, 1]), node("worker-2", [10, 0, 0, 2])],
        hosts: Vec::new(),
        outside: IpAddr::from([198, 51, 100, 1]),
        pod_cidrs: vec!["10.244.0.0/16".parse().unwrap()],
        service_cidrs: vec!["10.96.0.0/16".parse().unwrap()],
        policy_exceptions: None,
    }
}

fn stack(istio: &str, options: &IstioOptions) -> Stack {
    Stack { istio: options.clone(), ..stack::with(|versions| versions.istio = istio.parse().unwrap()) }
}

/// Gives waypoint pods the role that a gateway controller would give them.
fn assign_roles(world: &mut World) {
    for pod in Arc::make_mut(&mut world.pods) {
        let Some(gateway) = pod.labels.get("gateway.networking.k8s.io/gateway-name") else { continue };
        pod.role = Role::Waypoint((Arc::clone(&pod.namespace), Arc::from(gateway.as_str())));
        if pod.enrolment == Enrolment::None {
            pod.enrolment = Enrolment::Native;
        }
    }
}

impl Bench {
    fn new(vector: &Vector, version: &str, manifests: &[Document]) -> Self {
        let mut all = vectors::File::at("tests/vectors/ztunnel/_base.yaml").documents();
        all.extend(manifests.iter().cloned());
        let mut world = build(&all, &environment(), stack(version, &vector.options)).unwrap().world;
        // A refused policy decides nothing, so that checks could hold for the wrong reason.
        let refusals = vector.checks.iter().any(|check| check.webhook.is_some());
        assert!(refusals || world.admission.is_empty(), "Istio {version}: {:?}", world.admission);
        assign_roles(&mut world);
        let gateways: Vec<WaypointGateway> = vector.gateways.iter().map(gateway).collect();
        let bindings = Bindings::compile(&world, &gateways);
        Self {
            ztunnel: ZtunnelPolicy::compile(&world, &bindings),
            waypoint: WaypointPolicy::compile(&world),
            manifests: manifests.to_vec(),
            world,
            gateways,
            bindings,
        }
    }

    fn pod(&self, name: &str) -> &Pod {
        let (namespace, name) = name.split_once('/').expect("a pod is written as namespace/name");
        let found = self.world.pods.iter().find(|pod| &*pod.namespace == namespace && &*pod.name == name);
        found.unwrap_or_else(|| panic!("there is no pod {namespace}/{name}"))
    }

    fn source(&self, check: &Check) -> MeshSource {
        if let Some(principal) = check.from.strip_prefix("spiffe://") {
            let parts: Vec<&str> = principal.split('/').collect();
            let identity = Some(SpiffeId::new(parts[0], parts[2], parts[4]));
            return MeshSource { identity, address: IpAddr::from([10, 244, 9, 9]) };
        }
        let pod = self.pod(&check.from);
        let address = pod.addresses[0];
        if check.plaintext {
            MeshSource::plaintext(address)
        } else {
            MeshSource::authenticated(pod, &self.world.stack, address)
        }
    }

    fn check(&self, check: &Check) -> Result<(), String> {
        if let Some(pod) = &check.inbound {
            let decision = self.ztunnel.inbound(&self.world, self.pod(pod).id, check.port, &self.source(check));
            compare(check, &decision)
        } else if let Some(target) = &check.route {
            let source = self.pod(&check.from).id;
            let (way, decision) = route(&self.world, &self.bindings, source, &self.target(target, check.port));
            compare(check, &decision)?;
            same(check.expect.as_ref(), &self.shown_route(&way))
        } else if let Some(target) = &check.binding {
            same(check.expect.as_ref(), &shown_binding(self.binding(target)))
        } else if let Some(pod) = &check.capture {
            let capture = inbound_capture(&self.world, self.pod(pod).id, self.endpoint(&check.from));
            same(check.expect.as_ref(), &format!("{capture:?}"))
        } else if let Some(waypoint) = &check.waypoint {
            compare(check, &self.at_waypoint(waypoint, check))
        } else if let Some(object) = &check.webhook {
            self.refused(object, check.expect.as_deref())
        } else if let Some(object) = &check.lint {
            self.linted(object, check.expect.as_deref())
        } else if let Some(pod) = &check.enrolment {
            let (labels, annotations) = (&pod.labels, &pod.annotations);
            let network = pod.host_network;
            let how = enrolment(labels, annotations, &pod.namespace_labels, &pod.namespace, network, &self.world.stack);
            same(check.expect.as_ref(), &format!("{how:?}"))
        } else if let Some(tls) = &check.tls {
            let rule = originates_tls(&self.world, &tls.proxy, &tls.service, &tls.host, tls.port);
            same(check.expect.as_ref(), &rule.map_or_else(|| "none".to_owned(), |rule| shown_rule(&rule)))
        } else if let Some(name) = &check.address {
            let entry = self.world.objects.service_entries.iter().find(|entry| entry.meta.name() == name).unwrap();
            let address = virtual_address(&self.world.stack, entry, &entry.body.spec.hosts[0]);
            same(check.expect.as_ref(), &format!("{address:?}"))
        } else {
            Err("the check asks nothing".to_owned())
        }
    }

    fn target(&self, target: &Target, port: u16) -> OutboundTarget {
        let split = |name: &str| {
            let (namespace, name) = name.split_once('/').expect("namespace/name");
            (Arc::<str>::from(namespace), Arc::<str>::from(name))
        };
        match target {
            Target::Service(name) => {
                let (namespace, name) = split(name);
                OutboundTarget::ServiceVip { namespace, name, port }
            }
            Target::Entry(name) => {
                let (namespace, name) = split(name);
                let entries = &self.world.objects.service_entries;
                let entry = entries.iter().find(|entry| *entry.meta.name() == *name).expect("a ServiceEntry");
                let host = Arc::from(entry.body.spec.hosts[0].value.as_str());
                OutboundTarget::ServiceEntryVip { namespace, name, host, port }
            }
            Target::Pod(name) => OutboundTarget::PodAddress(self.pod(name).id, port),
            Target::Address(address) => OutboundTarget::Unknown(*address, port),
        }
    }

    fn binding(&self, target: &Target) -> &Binding {
        match target {
            Target::Service(name) => {
                let (namespace, name) = name.split_once('/').unwrap();
                self.bindings.service(namespace, name)
            }
            Target::Entry(name) => {
                let (namespace, name) = name.split_once('/').unwrap();
                self.bindings.service_entry(namespace, name)
            }
            Target::Pod(name) => self.bindings.pod(self.pod(name).id),
            Target::Address(_) => panic!("an address has no waypoint"),
        }
    }

    fn endpoint(&self, from: &str) -> Endpoint {
        let node = |name: &str| {
            let index = self.world.nodes.iter().position(|node| &*node.name == name).unwrap();
            NodeId(u32::try_from(index).unwrap())
        };
        match from.split_once(' ') {
            Some(("node", name)) => Endpoint::Node(node(name)),
            Some(("probe", name)) => Endpoint::ProbeAddress(node(name)),
            Some(("host-network", pod)) => Endpoint::HostNetworkPod(self.pod(pod).id),
            Some(("address", text)) => Endpoint::Address(text.parse().unwrap()),
            _ => Endpoint::Pod(self.pod(from).id),
        }
    }

    fn at_waypoint(&self, name: &str, check: &Check) -> Decision {
        let gateway = self.gateways.iter().find(|gateway| shown_key(&gateway.key) == name).expect("a gateway");
        let target = match check.to.as_ref().expect("a waypoint check has `to`") {
            Target::Service(name) => {
                let (namespace, name) = name.split_once('/').unwrap();
                let service = self.world.service(namespace, name).expect("a Service");
                WaypointTarget::Service { service, port: check.port }
            }
            Target::Entry(name) => {
                let (_, name) = name.split_once('/').unwrap();
                let entry = self.world.objects.service_entries.iter().find(|entry| entry.meta.name() == name).unwrap();
                WaypointTarget::ServiceEntry { entry, port: check.port, address: None }
            }
            Target::Pod(name) => WaypointTarget::Workload { pod: self.pod(name), port: check.port },
            Target::Address(_) => panic!("no waypoint for an address"),
        };
        let payload = match (&check.request, &check.sni) {
            (Some(request), _) => WaypointPayload::Http(request),
            (None, Some(sni)) => WaypointPayload::Tls { sni },
            (None, None) => WaypointPayload::Tcp,
        };
        self.waypoint.evaluate(&self.world, gateway, &target, &self.source(check), payload)
    }

    /// `expect` is a part of the one message, or nothing if the object is accepted.
    fn refused(&self, object: &str, expect: Option<&str>) -> Result<(), String> {
        let version = &self.world.stack.versions.istio;
        let resources = self.manifests.iter().map(|document| decode_resource(document).unwrap());
        let resource = resources
            .into_iter()
            .find(|resource| resource.object().to_string() == object)
            .unwrap_or_else(|| panic!("there is no {object}"));
        let findings = match &resource {
            Resource::AuthorizationPolicy(object) => object.webhook_findings(version),
            Resource::PeerAuthentication(object) => object.webhook_findings(version),
            Resource::RequestAuthentication(object) => object.webhook_findings(version),
            Resource::ServiceEntry(object) => object.webhook_findings(version),
            Resource::DestinationRule(object) => object.webhook_findings(version),
            _ => panic!("{object} has no webhook"),
        };
        found(&findings, expect, |finding| &finding.message)
    }

    fn linted(&self, object: &str, expect: Option<&str>) -> Result<(), String> {
        let mut findings = airtight_model::policy::ztunnel::lint(&self.world);
        findings.extend(airtight_model::policy::waypoint::lint(&self.world, &self.bindings, &self.gateways));
        findings.retain(|finding| finding.message.starts_with(&format!("{object}: ")));
        found(&findings, expect, |finding| &finding.code)
    }

    fn shown_route(&self, way: &Route) -> String {
        match way {
            Route::Waypoint { key, .. } => format!("waypoint {}", shown_key(key)),
            Route::Passthrough => "passthrough".to_owned(),
            Route::NoUpstream => "none".to_owned(),
            Route::Direct(upstreams) => {
                let shown = upstreams.iter().map(|upstream| {
                    let to = match &upstream.to {
                        UpstreamAddress::Pod(PodId(id)) => {
                            let pod = &self.world.pods[*id as usize];
                            format!("{}/{}", pod.namespace, pod.name)
                        }
                        UpstreamAddress::Address(address) => address.to_string(),
                        UpstreamAddress::Name(name) => name.to_string(),
                    };
                    format!("{} {to}:{}", if upstream.hbone { "hbone" } else { "plain" }, upstream.port)
                });
                shown.collect::<Vec<_>>().join(", ")
            }
        }
    }
}

fn gateway(spec: &GatewaySpec) -> WaypointGateway {
    let (namespace, name) = spec.name.split_once('/').unwrap();
    let object = airtight_manifest::ObjectRef::new("Gateway", Some(namespace), name);
    let at = airtight_manifest::Location::new(&Arc::from("gateways.yaml"), airtight_manifest::Position::default());
    WaypointGateway {
        key: (Arc::from(namespace), Arc::from(name)),
        class: Arc::from(spec.class.as_str()),
        waypoint_for: spec.waypoint_for.as_deref().map_or_else(WaypointFor::default, WaypointFor::of_label),
        allowed_from: match spec.from.clone() {
            From::Same => AllowedNamespaces::Same,
            From::All => AllowedNamespaces::All,
            From::Selector(selector) => AllowedNamespaces::Selector(selector),
        },
        ready: spec.ready,
        origin: RuleRef { object: Arc::new(object), rule: None, at },
    }
}

fn shown_key(key: &GatewayKey) -> String {
    format!("{}/{}", key.0, key.1)
}

fn shown_binding(binding: &Binding) -> String {
    match binding {
        Binding::None => "none".to_owned(),
        Binding::Bound { gateway, .. } => format!("bound {}", shown_key(gateway)),
        Binding::Unset { problem, gateway, .. } => format!("unset {} {problem:?}", shown_key(gateway)),
        Binding::Unknown { .. } => "unknown".to_owned(),
    }
}

fn shown_rule(rule: &RuleRef) -> String {
    match &rule.rule {
        Some(path) => format!("{} {path}", rule.object),
        None => rule.object.to_string(),
    }
}

fn same(expected: Option<&String>, actual: &str) -> Result<(), String> {
    match expected {
        Some(expected) if expected == actual => Ok(()),
        Some(expected) => Err(format!("expected `{expected}`, got `{actual}`")),
        None => Ok(()),
    }
}

fn found(findings: &[Diagnostic], expect: Option<&str>, what: impl Fn(&Diagnostic) -> &str) -> Result<(), String> {
    let all: Vec<&str> = findings.iter().map(&what).collect();
    match expect {
        None if all.is_empty() => Ok(()),
        None => Err(format!("expected nothing, got {all:?}")),
        Some(part) if all.iter().any(|one| one.contains(part)) => {
            let placed = findings.iter().all(|finding| finding.location.is_some());
            if placed { Ok(()) } else { Err("a finding has no place".to_owned()) }
        }
        Some(part) => Err(format!("expected `{part}`, got {all:?}")),
    }
}

fn compare(check: &Check, decision: &Decision) -> Result<(), String> {
    let mut wrong = BTreeMap::new();
    let effect = decision.effect.to_string();
    let reason = decision.reason.to_string();
    let symptom = decision.symptom.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let expected = [
        ("effect", check.effect.as_ref(), effect.clone()),
        ("reason", check.reason.as_ref(), reason),
        ("symptom", check.symptom.as_ref(), symptom),
    ];
    for (name, wanted, actual) in expected {
        if wanted.is_some_and(|wanted| *wanted != actual) {
            wrong.insert(name, actual);
        }
    }
    if check.effect.is_none() && check.expect.is_none() {
        wrong.insert("effect", "the check expects nothing".to_owned());
    }
    if effect == "allow" && decision.symptom.is_some() {
        wrong.insert("symptom", "an allowed connection has a symptom".to_owned());
    }
    let rules: Vec<String> = decision.rules.iter().map(shown_rule).collect();
    if check.rules.as_ref().is_some_and(|wanted| *wanted != rules) {
        wrong.insert("rules", format!("{rules:?}"));
    }
    let log = decision.log.clone().unwrap_or_default();
    if check.log.as_ref().is_some_and(|part| !log.contains(part.as_str())) {
        wrong.insert("log", log);
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:?} ({})", decision.detail)) }
}
