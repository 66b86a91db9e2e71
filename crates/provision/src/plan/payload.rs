//! Names, stand-ins, policies and workloads, once the platform stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::{Document, Node, yaml};
use airtight_model::world::Host;

use super::cluster::CLUSTER;
use super::coredns::HostName;
use super::stand_in::{self, addresses};
use super::{Action, Source, Step, Trust};
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
        let step = manifests(POLICIES, "policies, what allows before what denies", &payload.policies);
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
    if steps.iter().any(|step| step.id == stand_in::AUTHORITY) {
        steps.extend(trust(recipe, site, payload));
    }
    if steps.iter().any(|step| step.id == stand_in::ROUTES) {
        steps.push(names(recipe, payload));
        before.extend([stand_in::ROUTES.to_owned(), NAMES.to_owned()]);
    }
    if !payload.workloads.is_empty() {
        let step = manifests(WORKLOADS, "workloads", &payload.workloads).needs(before);
        steps.push(step.gates(payload.workloads.iter().flat_map(rollouts)));
    }
    steps
}

/// The waypoints learn of the stand-ins' authority; none without waypoints.
fn trust(recipe: &Recipe, site: &Site, payload: &Payload) -> Option<Step> {
    let waypoints: Vec<Gateway> =
        payload.policies.iter().flat_map(gateways).filter(|gateway| gateway.class == WAYPOINT).collect();
    let namespaces: BTreeSet<String> = waypoints.iter().map(|waypoint| waypoint.namespace.clone()).collect();
    let wanted = Trust { authority: site.folder.tls(), namespaces: namespaces.into_iter().collect() };
    let step = Step::new(TRUST, "the stand-ins' authority at the waypoints", 180)
        .needs([stand_in::AUTHORITY, POLICIES])
        .acts([Action::Trust(wanted)])
        .gates(waypoints.iter().filter_map(|waypoint| waypoint.rollout(recipe)));
    (!waypoints.is_empty()).then_some(step)
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

fn manifests(id: &str, title: &str, manifests: &[Manifest]) -> Step {
    Step::new(id, title, 300).acts(manifests.iter().map(|manifest| Action::Apply(Source::from(manifest))))
}

/// The class of waypoints.
const WAYPOINT: &str = "istio-waypoint";

/// A Gateway of a manifest.
struct Gateway {
    namespace: String,
    name: String,
    class: String,
}

impl Gateway {
    /// The roll-out of its proxy, where a controller of ours makes one: that a Gateway is programmed says nothing of its
    /// pods.
    fn rollout(&self, recipe: &Recipe) -> Option<Gate> {
        let (of, name) = match self.class.as_str() {
            WAYPOINT => (Product::Istio, self.name.clone()),
            "istio" => (Product::Istio, format!("{}-istio", self.name)),
            "kgateway" => (Product::Kgateway, self.name.clone()),
            "agentgateway" => (Product::Agentgateway, self.name.clone()),
            _ => return None,
        };
        let is_served = recipe.provision.components.iter().any(|component| component.of == of);
        is_served.then_some(Gate::Rollout(Workload {
            kind: WorkloadKind::Deployment,
            namespace: self.namespace.clone(),
            name,
        }))
    }
}

fn gateways(manifest: &Manifest) -> Vec<Gateway> {
    let documents = yaml::parse(&Arc::from(manifest.name.as_str()), &manifest.text).unwrap_or_default();
    documents.iter().filter_map(gateway).collect()
}

fn gateway(document: &Document) -> Option<Gateway> {
    let text = |node: Option<&Node>| node.and_then(Node::as_str).map(str::to_owned);
    let metadata = document.root.get("metadata")?;
    text(document.root.get("kind")).filter(|kind| kind == "Gateway")?;
    Some(Gateway {
        namespace: text(metadata.get("namespace")).unwrap_or_else(|| "default".to_owned()),
        name: text(metadata.get("name"))?,
        class: text(document.root.get("spec")?.get("gatewayClassName"))?,
    })
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
