//! Manifests → world: admission, controllers, addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Document, Labels, Object, ObjectRef, Resource, RuleRef, closest, kubernetes};

use super::admission::AdmissionEvent;
use super::admit::{Admission, Doubts};
use super::api_server::{ApiServer, Namespaces};
use super::environment::Environment;
use super::intake::{Intake, Item};
use super::lookup::Lookup;
use super::objects::Objects;
use super::ownership::{Owners, gateway_of, has_ended, is_live, is_ready};
use super::place::Placement;
use super::platform::{self, Resolver};
use super::pod::{Pod, PodId};
use super::proxy::{Proxy, proxies};
use super::proxy_labels::GATEWAY_NAME;
use super::sorted::{Sorted, services};
use super::touched::{self, touched};
use super::workload;
use super::{Namespace, World};
use super::{assumed_namespaces, assumed_workloads, uninstalled};
use super::{kubernetes_service, listening, mentioned};

/// A world and what was noticed while it was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The world.
    pub world: World,
    /// Findings; an error among them means that an object does not exist or has no effect.
    pub findings: Vec<Diagnostic>,
    /// The objects that exist after admission, as rules changed or made them; without the pods of workloads.
    pub documents: Vec<Document>,
}

/// Namespaces that every cluster has.
const BUILT_IN_NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// Builds the world of `documents`: admission acts first, then controllers create pods.
///
/// # Errors
/// Documents that are no objects of a known kind, and objects defined twice. An object that the
/// API server or admission would refuse is no error: it is missing from the world, and
/// [`World::admission`] and the findings say why.
pub fn build(documents: &[Document], environment: &Environment, stack: Stack) -> Result<Built, Vec<Diagnostic>> {
    let stack = environment.settled(stack);
    let intake = Intake::of(documents, &stack);
    if !intake.failures.is_empty() {
        return Err(intake.failures);
    }
    Ok(Builder::new(intake, environment, stack).build())
}

struct Builder<'a> {
    items: Vec<Item>,
    environment: &'a Environment,
    stack: Stack,
    events: Vec<AdmissionEvent>,
    findings: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(intake: Intake, environment: &'a Environment, stack: Stack) -> Self {
        let mut items = intake.items;
        let findings = uninstalled::leave_out(&mut items, &stack);
        Self { items, environment, stack, events: intake.events, findings }
    }

    fn build(mut self) -> Built {
        // Names and addresses must not depend on the order of files.
        self.items.sort_by(|a, b| a.resource.object().cmp(b.resource.object()));
        self.assume_workloads();
        self.assume_namespaces();
        let mut admission = Admission::new(&self.items, &self.stack);
        self.items = admission.admit(std::mem::take(&mut self.items));
        self.items.sort_by(|a, b| a.resource.object().cmp(b.resource.object()));
        self.report_unmodelled_fields();
        let (pods, findings) =
            admit_pods(&self.items.iter().collect::<Vec<_>>(), &self.items, self.environment, &mut admission);
        self.findings.extend(findings);
        self.events.extend(admission.events.iter().cloned());
        let refused = std::mem::take(&mut admission.findings);
        let documents = self.items.iter().filter(|item| !item.assumed).map(|item| item.document.clone()).collect();
        let server = Arc::new(self.server(admission, pods));
        let (world, findings) = assemble(&server);
        self.findings.extend(touched::findings(&world, &server.items, &server.admission.doubts));
        self.findings.extend(findings);
        self.findings.extend(refused);
        self.report_refusals();
        Built { world: World { admission: self.events.into(), ..world }, findings: self.findings, documents }
    }

    fn server(&mut self, mut admission: Admission, pods: Vec<AdmittedPod>) -> ApiServer {
        let items = std::mem::take(&mut self.items);
        admission.existing = items.iter().map(|item| Arc::clone(&item.json)).collect();
        admission.events.clone_from(&self.events);
        let made = self.events.iter().filter_map(|event| match event {
            AdmissionEvent::Generated { object, rule, trigger } => {
                Some((object.clone(), (rule.clone(), trigger.clone())))
            }
            AdmissionEvent::Rejected { .. } | AdmissionEvent::Mutated { .. } => None,
        });
        ApiServer {
            admission,
            pods,
            environment: self.environment.clone(),
            made: made.collect(),
            worlds: Mutex::default(),
            named_ports: Vec::new(),
            items,
        }
    }

    fn assume_workloads(&mut self) {
        let assumed = assumed_workloads::of(&self.items);
        self.findings.extend(assumed_workloads::finding(&assumed));
        self.items.extend(assumed);
    }

    fn assume_namespaces(&mut self) {
        let known = namespaces(&self.items);
        let missing = assumed_namespaces::missing(&self.items, &known);
        self.findings.extend(assumed_namespaces::findings(&missing, &self.items, &known));
        self.items.extend(missing);
    }

    /// What the engine does not model is said at its place, whether or not a flow ever meets it.
    fn report_unmodelled_fields(&mut self) {
        for item in &self.items {
            let meta = item.resource.meta();
            let fields = meta.iter().flat_map(|meta| meta.unmodelled.iter().map(|field| (&meta.object, field)));
            let found = fields.map(|(object, field)| {
                Diagnostic::warning(
                    "unmodelled",
                    format!("{object} has `{}`, which airtight does not model", field.path),
                )
                .at(item.document.location(field.at))
                .hint("every case that this could touch is inconclusive")
            });
            self.findings.extend(found);
        }
    }

    /// A refused object is missing from the cluster, which no run may pass over in silence.
    fn report_refusals(&mut self) {
        for event in &self.events {
            match event {
                AdmissionEvent::Rejected { findings, .. } => self.findings.extend(findings.iter().cloned()),
                AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => {}
            }
        }
    }
}

/// A pod as admission left it, and the stored object that it belongs to.
#[derive(Debug, Clone)]
pub(super) struct AdmittedPod {
    pub(super) owner: ObjectRef,
    workload: Arc<str>,
    pod: Object<kubernetes::Pod>,
    /// The node that its controller names, for a DaemonSet.
    node: Option<Arc<str>>,
    /// What is known of it already, if it was read from a cluster where it runs.
    running: Running,
    origin: RuleRef,
}

/// What is known of a pod that runs already.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ready: bool,
    /// The Gateway whose proxy it is, in its own namespace.
    pub(super) gateway: Option<String>,
}

impl Running {
    /// Nothing: it is yet to be placed.
    pub(super) fn not_yet() -> Self {
        Self { addresses: Vec::new(), ready: true, gateway: None }
    }

    fn of(item: &Item) -> Self {
        if !matches!(item.resource, Resource::Pod(_)) {
            return Self::not_yet();
        }
        let gateway = gateway_of(&item.document).map(str::to_owned);
        Self { addresses: running_at(item), ready: is_ready(&item.document), gateway }
    }
}

/// The pods that controllers make of `workloads`, admitted among the stored `items`; those that would never start are
/// among the findings.
pub(super) fn admit_pods(
    workloads: &[&Item],
    items: &[Item],
    environment: &Environment,
    admission: &mut Admission,
) -> (Vec<AdmittedPod>, Vec<Diagnostic>) {
    let nodes: Vec<Arc<str>> = environment.nodes.iter().map(|node| Arc::clone(&node.name)).collect();
    let (namespaces, accounts) = (namespaces(items), service_accounts(items));
    let owners = Owners::of(items);
    let none = Labels::new();
    let (mut pods, mut findings) = (Vec::new(), Vec::new());
    let gateways = gateways(items);
    let makes_pods = |item: &&&Item| {
        owners.makes_pods(item.resource.object()) && !has_ended(&item.document) && !is_of_proxy(item, &gateways)
    };
    for item in workloads.iter().filter(makes_pods) {
        for mut request in
            workload::pods(&item.resource, &item.document, &nodes, &|name| mentioned::ordinals(name, items))
        {
            if let Some(workload) = owners.workload(item) {
                request.workload = Arc::from(workload);
            }
            let home = item.resource.object().namespace.as_deref().unwrap_or_default();
            let labels = namespaces.get(home).map_or(&none, |namespace| &namespace.labels);
            let Some(pod) = admitted(item, &request.document, labels, admission) else { continue };
            if let Some(finding) = unknown_account(&pod, &accounts).filter(|_| !is_live(&item.document)) {
                findings.push(finding);
                continue;
            }
            let owner = item.resource.object().clone();
            pods.push(AdmittedPod {
                owner,
                workload: request.workload,
                pod,
                node: request.node,
                running: Running::of(item),
                origin: origin(item),
            });
        }
    }
    (pods, findings)
}

/// Gateways among `items`, as namespace and name.
fn gateways(items: &[Item]) -> BTreeSet<(&str, &str)> {
    let gateways = items.iter().filter_map(|item| match &item.resource {
        Resource::Gateway(object) => Some((object.meta.namespace(), object.meta.name())),
        _ => None,
    });
    gateways.collect()
}

/// Whether a workload was made for the proxy of a Gateway, which has pods of its own in any world.
fn is_of_proxy(item: &Item, gateways: &BTreeSet<(&str, &str)>) -> bool {
    let home = item.resource.object().namespace.as_deref().unwrap_or_default();
    let is_pod = matches!(item.resource, Resource::Pod(_));
    !is_pod && gateway_of(&item.document).is_some_and(|gateway| gateways.contains(&(home, gateway)))
}

/// The addresses of a pod that runs already (`status.podIPs`).
fn running_at(item: &Item) -> Vec<IpAddr> {
    let status = &item.json["status"];
    let listed = status["podIPs"].as_array().into_iter().flatten().map(|entry| &entry["ip"]);
    let mut addresses: Vec<IpAddr> =
        [&status["podIP"]].into_iter().chain(listed).filter_map(|text| text.as_str()?.parse().ok()).collect();
    addresses.dedup();
    addresses
}

/// A pod as admission leaves it; one that nobody wrote is there already.
fn admitted(
    item: &Item,
    document: &Document,
    labels: &Labels,
    admission: &mut Admission,
) -> Option<Object<kubernetes::Pod>> {
    match &item.resource {
        Resource::Pod(pod) if item.assumed || is_live(&item.document) => Some(pod.clone()),
        _ => admission.admit_pod(document, labels),
    }
}

/// The world of what an API server stores: controllers place pods, make proxies and give addresses.
pub(super) fn assemble(server: &Arc<ApiServer>) -> (World, Vec<Diagnostic>) {
    let (environment, stack) = (&server.environment, &server.admission.stack);
    let mut world = empty_world(server);
    let mut placement = Placement::new(environment, stack.clone());
    placement.reserve(server.pods.iter().flat_map(|pod| &pod.running.addresses));
    let mut sorted = Sorted::of(server.items.clone());
    let mut made = proxies(&sorted.objects, stack);
    let is_proxy = |pod: &&AdmittedPod| proxy_of(pod, &made.proxies).is_some();
    for AdmittedPod { workload, pod, node, running, origin, .. } in server.pods.iter().filter(|pod| !is_proxy(pod)) {
        let home = world.namespaces.get(pod.meta.namespace());
        placement.place(Arc::clone(workload), pod, (node.as_deref(), running), home, origin.clone());
    }
    for proxy in &made.proxies {
        let there = server.pods.iter().filter(|pod| proxy_of(pod, &made.proxies) == Some(proxy));
        placement.of_proxy(proxy, &there.map(|pod| (&pod.pod, &pod.running)).collect::<Vec<_>>(), &world);
    }
    made.findings.extend(add_resolver(&world, &mut sorted, &mut placement, &server.admission.events));
    kubernetes_service::add(&mut sorted.services, &mut sorted.slices, environment);
    let mut pods = placement.pods;
    let services = services(&sorted, &made.proxies, &pods, environment);
    listening::assume(&mut pods, &services, &sorted.objects, &world.namespaces, &server.named_ports);
    (world.pods, world.services) = (pods.into(), services.into());
    world.lookup = Lookup::default();
    world.proxies = made.proxies.into();
    world.objects = sorted.objects;
    world.doubts = Arc::new(doubts(&world, &server.admission.doubts));
    world.touched = touched(&world, &server.items, &server.admission.doubts).into();
    world.admission = server.admission.events.as_slice().into();
    (world, made.findings)
}

/// The proxy that a pod is which was read from a cluster.
fn proxy_of<'p>(pod: &AdmittedPod, proxies: &'p [Proxy]) -> Option<&'p Proxy> {
    let gateway = pod.running.gateway.as_deref()?;
    let label = |proxy: &Proxy| proxy.labels.get(GATEWAY_NAME).is_some_and(|name| name == gateway);
    proxies.iter().find(|proxy| &*proxy.key.0 == pod.pod.meta.namespace() && label(proxy))
}

/// The resolver was there before any policy, so that admission has no say in it.
fn add_resolver(
    world: &World,
    sorted: &mut Sorted,
    placement: &mut Placement<'_>,
    events: &[AdmissionEvent],
) -> Option<Diagnostic> {
    if world.nodes.is_empty() {
        return None;
    }
    let missing = Resolver::missing(&sorted.services, &placement.pods, events);
    if let Some(pod) = &missing.pod {
        let home = world.namespaces.get(pod.meta.namespace());
        let running = Running::not_yet();
        placement.place(Arc::clone(&pod.meta.object.name), pod, (None, &running), home, platform::origin(pod));
    }
    // Installers give it the tenth address of the range, which is the first that is given out.
    sorted.services.splice(0..0, missing.service);
    missing.note
}

fn empty_world(server: &Arc<ApiServer>) -> World {
    let environment = &server.environment;
    World {
        stack: server.admission.stack.clone(),
        namespaces: Arc::new(namespaces(&server.items)),
        nodes: environment.nodes.clone().into(),
        pods: Arc::default(),
        services: Arc::default(),
        proxies: Arc::default(),
        hosts: environment.hosts.clone().into(),
        outside: environment.outside,
        objects: Objects::default(),
        admission: Arc::default(),
        doubts: Arc::default(),
        touched: Arc::default(),
        api_server: Arc::clone(server),
        removed: Vec::new(),
        changed: Vec::new(),
        lookup: Lookup::default(),
    }
}

/// Namespaces that every cluster has, and those among `items`.
pub(super) fn namespaces(items: &[Item]) -> Namespaces {
    let built_in = BUILT_IN_NAMESPACES.iter().map(|name| namespace(name, &Labels::new(), &Labels::new()));
    let written = items.iter().filter_map(|item| match &item.resource {
        Resource::Namespace(object) => {
            Some(namespace(object.meta.name(), &object.meta.labels, &object.meta.annotations))
        }
        _ => None,
    });
    built_in.chain(written).map(|namespace| (Arc::clone(&namespace.name), namespace)).collect()
}

/// ServiceAccounts among `items`, as namespace and name.
pub(super) fn service_accounts(items: &[Item]) -> BTreeSet<(String, String)> {
    let accounts = items.iter().filter_map(|item| match &item.resource {
        Resource::ServiceAccount(object) => Some((object.meta.namespace().to_owned(), object.meta.name().to_owned())),
        _ => None,
    });
    accounts.collect()
}

pub(super) fn namespace(name: &str, labels: &Labels, annotations: &Labels) -> Namespace {
    let mut labels = labels.clone();
    labels.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
    Namespace { name: Arc::from(name), labels, annotations: annotations.clone() }
}

fn origin(item: &Item) -> RuleRef {
    match item.resource.meta() {
        Some(meta) => meta.whole(),
        None => RuleRef {
            object: Arc::new(item.resource.object().clone()),
            rule: None,
            at: item.document.location(item.document.root.at),
        },
    }
}

/// Pods that are in doubt themselves, or whose workload or namespace is.
fn doubts(world: &World, doubts: &Doubts) -> BTreeMap<PodId, Vec<RuleRef>> {
    let of_pod = |pod: &Pod| {
        let own = doubts.iter().filter(|(object, _)| concerns(object, pod));
        own.flat_map(|(_, rules)| rules.iter().cloned()).collect::<Vec<_>>()
    };
    world.pods.iter().map(|pod| (pod.id, of_pod(pod))).filter(|(_, rules)| !rules.is_empty()).collect()
}

/// Kinds of which pods are made, or that are one. Another object may have a workload's name as well.
const POD_MAKERS: &[&str] = &["Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"];

fn concerns(object: &ObjectRef, pod: &Pod) -> bool {
    match (&*object.kind, object.namespace.as_deref()) {
        ("Namespace", _) => object.name == pod.namespace,
        (kind, Some(namespace)) => {
            POD_MAKERS.contains(&kind)
                && namespace == &*pod.namespace
                && (object.name == pod.workload || object.name == pod.name)
        }
        (_, None) => false,
    }
}

/// The ServiceAccount admission plugin refuses a pod whose account does not exist.
pub(super) fn unknown_account(
    pod: &Object<kubernetes::Pod>,
    accounts: &BTreeSet<(String, String)>,
) -> Option<Diagnostic> {
    let name = pod.body.spec.service_account_name.as_deref().filter(|name| *name != "default")?;
    let namespace = pod.meta.namespace();
    if accounts.contains(&(namespace.to_owned(), name.to_owned())) {
        return None;
    }
    let finding = Diagnostic::error(
        "dangling-reference",
        format!(
            "pod {namespace}/{} wants ServiceAccount `{name}`, which does not exist: it would never start",
            pod.meta.name()
        ),
    )
    .at(pod.meta.at.clone());
    let near = accounts.iter().filter(|(home, _)| home == namespace).map(|(_, name)| name.as_str());
    Some(match closest(name, near) {
        Some(near) => finding.hint(format!("did you mean `{near}`?")),
        None => finding.hint("add the ServiceAccount to the manifests"),
    })
}
