//! Names, stand-ins, policies and workloads, once the platform stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::{Document, Node, yaml};
use airtight_model::world::Host;

use super::cluster::CLUSTER;
use super::coredns::HostName;
use super::gateways::{Gateway, gateways, missing_certificates};
use super::outside;
use super::stand_in::{self, addresses};
use super::{Action, Certificate, Source, Step, TlsSecret, Trust};
use crate::component::Product;
use crate::gate::{Gate, Workload, WorkloadKind};
use crate::options::Options;
use crate::payload::{Manifest, Payload};
use crate::probe_image::ProbeImage;
use crate::recipe::Recipe;
use crate::site::Site;

const NAMES: &str = "names";
const POLICIES: &str = "policies";
const WORKLOADS: &str = "workloads";
const TRUST: &str = "trust";

pub(super) fn steps(
    recipe: &Recipe,
    options: &Options,
    site: &Site,
    payload: &Payload,
    left_out: &mut Vec<String>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut before: Vec<String> = recipe.provision.components.iter().map(|component| component.name.clone()).collect();
    if !payload.policies.is_empty() {
        let sources = payload.policies.iter().map(Source::from);
        let step = apply(POLICIES, "policies, what allows before what denies", sources);
        let proxies = payload.policies.iter().flat_map(gateways).filter_map(|gateway| gateway.rollout(recipe));
        steps.push(step.needs(before.clone()).gates(proxies));
        before.push(POLICIES.to_owned());
    }
    if payload.hosts.is_empty() && payload.workloads.is_empty() {
        return steps;
    }
    let load = match &options.probe_image {
        ProbeImage::Archive(archive) => stand_in::load(archive, site),
        ProbeImage::Program(program) => stand_in::pack(program, site),
        ProbeImage::Missing(why) => {
            left_out.push(format!("stand-ins and workloads: they run the probe's image, and {why}"));
            return steps;
        }
    };
    steps.push(load);
    before.push(stand_in::LOAD.to_owned());
    steps.extend(stand_ins(recipe, options, site, payload, left_out));
    let others: Vec<String> = steps.iter().map(|step| step.id.clone()).filter(|id| stand_in::is_one(id)).collect();
    let number = u32::try_from(payload.hosts.len()).unwrap_or_default();
    // Behind the others, so that Docker is asked in one order.
    steps.push(outside::step(number, recipe, options, site).needs(others));
    if steps.iter().any(|step| step.id == stand_in::AUTHORITY) {
        steps.extend(trust(recipe, site, payload));
    }
    if steps.iter().any(|step| step.id == stand_in::ROUTES) {
        steps.push(names(recipe, payload));
        before.extend([stand_in::ROUTES.to_owned(), NAMES.to_owned()]);
    }
    if !payload.workloads.is_empty() {
        let id = options.probe_image.id();
        let made_of = |manifest: &Manifest| Source::Text {
            name: manifest.name.clone(),
            text: manifest.text.clone(),
            probe: id.map(str::to_owned),
        };
        let step = apply(WORKLOADS, "workloads", payload.workloads.iter().map(made_of)).needs(before);
        steps.push(step.gates(payload.workloads.iter().flat_map(rollouts)));
    }
    steps
}

/// The waypoints learn of the stand-ins' authority, and gateways get the certificates that they name; none where there
/// is neither.
fn trust(recipe: &Recipe, site: &Site, payload: &Payload) -> Option<Step> {
    let waypoints: Vec<Gateway> = payload.policies.iter().flat_map(gateways).filter(Gateway::is_waypoint).collect();
    let namespaces: BTreeSet<String> = waypoints.iter().map(|waypoint| waypoint.namespace.clone()).collect();
    let secrets = secrets(site, payload);
    let is_needed = !waypoints.is_empty() || !secrets.is_empty();
    let wanted = Trust { authority: site.folder.tls(), namespaces: namespaces.into_iter().collect(), secrets };
    let step = Step::new(TRUST, "the stand-ins' authority at waypoints and gateways", 180)
        .needs([stand_in::AUTHORITY, POLICIES])
        .acts([Action::Trust(wanted)])
        .gates(waypoints.iter().filter_map(|waypoint| waypoint.rollout(recipe)));
    is_needed.then_some(step)
}

/// Certificates that gateways name and that nobody brings.
fn secrets(site: &Site, payload: &Payload) -> Vec<TlsSecret> {
    let missing = missing_certificates(&[payload.policies.as_slice(), &payload.workloads].concat());
    let secret = |((namespace, name), hosts): ((String, String), BTreeSet<String>)| {
        let folder = site.folder.tls().join(format!("{namespace}.{name}"));
        // A listener without a host name answers for any: the certificate names the Secret.
        let names = if hosts.is_empty() { vec![String::clone(&name)] } else { hosts.into_iter().collect() };
        let certificate = Certificate { authority: site.folder.tls(), folder, names };
        TlsSecret { namespace, name, certificate }
    };
    missing.into_iter().map(secret).collect()
}

fn names(recipe: &Recipe, payload: &Payload) -> Step {
    let of = |host: &Host| {
        let first = addresses(host).first().copied();
        first.map(|address| {
            host.names.iter().map(move |name| HostName { name: name.to_string(), address }).collect::<Vec<_>>()
        })
    };
    let names = payload.hosts.iter().filter_map(of).flatten().collect();
    let network = recipe.provision.components.iter().filter(|component| component.of == Product::Cilium);
    let coredns =
        Workload { kind: WorkloadKind::Deployment, namespace: "kube-system".to_owned(), name: "coredns".to_owned() };
    Step::new(NAMES, "names of the stand-ins in CoreDNS", 120)
        .needs([CLUSTER])
        .needs(network.map(|component| component.name.clone()))
        .acts([Action::Name(names)])
        .gates([Gate::Rollout(coredns)])
}

fn stand_ins(
    recipe: &Recipe,
    options: &Options,
    site: &Site,
    payload: &Payload,
    left_out: &mut Vec<String>,
) -> Vec<Step> {
    let (mut steps, mut ways) = (Vec::new(), Vec::new());
    for (index, host) in (0..).zip(&payload.hosts) {
        let name = host.names.first().map_or_else(|| format!("host-{index}"), ToString::to_string);
        let reached = addresses(host);
        if reached.is_empty() {
            left_out.push(format!("stand-in {name}: it has no IPv4 address, and the cluster has no other"));
            continue;
        }
        let fixed = site.fixed_address(index);
        ways.extend(reached.into_iter().map(|address| (address, fixed)));
        steps.push(stand_in::step(host, &name, fixed, recipe, options, site));
    }
    if !steps.is_empty() {
        let ids = steps.iter().map(|step| step.id.clone()).collect();
        if payload.hosts.iter().any(|host| !host.tls_ports.is_empty()) {
            steps.push(stand_in::authority(site));
        }
        steps.push(stand_in::routes(&ways, ids, site));
    }
    steps
}

fn apply(id: &str, title: &str, sources: impl Iterator<Item = Source>) -> Step {
    Step::new(id, title, 300).acts(sources.map(Action::Apply))
}

/// A gate for each workload of a manifest.
fn rollouts(manifest: &Manifest) -> Vec<Gate> {
    let documents = yaml::parse(&Arc::from(manifest.name.as_str()), &manifest.text).unwrap_or_default();
    documents.iter().filter_map(rollout).collect()
}

fn rollout(document: &Document) -> Option<Gate> {
    let text = |node: Option<&Node>| node.and_then(Node::as_str).map(str::to_owned);
    let kind = match text(document.root.get("kind"))?.as_str() {
        "Deployment" => WorkloadKind::Deployment,
        "DaemonSet" => WorkloadKind::Daemonset,
        "StatefulSet" => WorkloadKind::Statefulset,
        _ => return None,
    };
    let metadata = document.root.get("metadata")?;
    let namespace = text(metadata.get("namespace")).unwrap_or_else(|| "default".to_owned());
    Some(Gate::Rollout(Workload { kind, namespace, name: text(metadata.get("name"))? }))
}
