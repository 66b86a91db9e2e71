//! What is installed on a cluster.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_cluster::read;
use airtight_cluster::read::{items, text};
use airtight_manifest::Failure;
use airtight_model::policy::Layer;
use semver::Version;
use serde::Serialize;
use serde_json::Value;

use super::access_log::AccessLogs;
use super::cni::{Cni, Denial, FoundCni, find_cni};
use super::image::{image_with, version, version_of};
use super::settings::CiliumSettings;

/// What is installed on a cluster, and in which versions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    /// Kubernetes, by the API server's own word.
    pub kubernetes: Option<Version>,
    /// The nodes.
    pub nodes: Vec<NodeInfo>,
    /// Who enforces network policies.
    pub cni: Option<FoundCni>,
    /// Cilium's settings, where Cilium is the CNI and its ConfigMap can be read.
    pub cilium: Option<CiliumSettings>,
    /// Istio's parts.
    pub istio: Istio,
    /// The Gateway API's CRDs, by their bundle version.
    pub gateway_api: Option<Version>,
    /// GatewayClasses.
    pub gateway_classes: Vec<GatewayClass>,
    /// Kgateway's control plane.
    pub kgateway: Component,
    /// Agentgateway's control plane.
    pub agentgateway: Component,
    /// Kyverno's admission controller.
    pub kyverno: Component,
    /// Whether proxies write access logs.
    pub access_logs: AccessLogs,
    /// What could not be read: nothing is known of it, not even that it is absent.
    pub unread: Vec<String>,
}

/// A component: absent, or there in a version that its image may not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its image, if it is installed.
    pub image: Option<String>,
    /// Its version, if the image's tag is one.
    pub version: Option<Version>,
}

/// Istio's parts in ambient mode.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Istio {
    /// The control plane.
    pub istiod: Component,
    /// The node proxy.
    pub ztunnel: Component,
    /// The node agent that redirects pods' traffic.
    pub cni: Component,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// The kubelet's version.
    pub kubelet: String,
    /// Operating system and kernel.
    pub system: String,
    /// Container runtime.
    pub runtime: String,
    /// Processor architecture.
    pub architecture: String,
}

/// A GatewayClass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClass {
    /// Its name.
    pub name: String,
    /// Who implements it, such as `istio.io/mesh-controller`.
    pub controller: String,
    /// Whether its controller has accepted it.
    pub accepted: bool,
}

impl GatewayClass {
    /// Whether Gateways of it are waypoints.
    #[must_use]
    pub fn is_waypoint(&self) -> bool {
        self.name.ends_with("-waypoint") || self.controller == "istio.io/mesh-controller"
    }
}

impl Component {
    /// Whether it is installed.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.image.is_some()
    }

    fn of(image: Option<&str>) -> Self {
        Self { image: image.map(str::to_owned), version: image.and_then(version_of) }
    }
}

impl Installed {
    /// Looks at a cluster. What cannot be read is named, and is not taken for absent.
    #[must_use]
    pub fn detect(cluster: &dyn Cluster) -> Self {
        let mut found = Self::default();
        let mut unread = Vec::new();
        let mut list = |path: &str, served: bool| {
            let objects =
                if served { read::list(cluster, path).map(Some) } else { read::list_if_served(cluster, path) };
            kept(objects, &mut unread).flatten().unwrap_or_default()
        };
        let daemon_sets = list("/apis/apps/v1/daemonsets", true);
        let deployments = list("/apis/apps/v1/deployments", true);
        let classes = list("/apis/gateway.networking.k8s.io/v1/gatewayclasses", false);
        found.nodes = list("/api/v1/nodes", true).iter().map(node).collect();
        let mut object = |path: &str| kept(read::object(cluster, path), &mut unread).flatten();
        found.kubernetes = object("/version").as_ref().and_then(|answer| version(text(answer, "/gitVersion")));
        let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.gateway.networking.k8s.io";
        found.gateway_api = object(crds).as_ref().and_then(bundle_version);
        found.cni = find_cni(&daemon_sets);
        if let Some(namespace) = namespace_of_cilium(&daemon_sets) {
            let path = format!("/api/v1/namespaces/{namespace}/configmaps/cilium-config");
            found.cilium = object(&path).as_ref().map(CiliumSettings::read);
        }
        found.gateway_classes = classes.iter().map(gateway_class).collect();
        found.add_components(&daemon_sets, &deployments);
        let istiod = deployments.iter().find(|workload| is_named(workload, "istiod"));
        let istiod = istiod.map(|workload| text(workload, "/metadata/namespace"));
        found.access_logs = kept(AccessLogs::read(cluster, istiod), &mut unread).unwrap_or_default();
        found.unread = unread;
        found
    }

    fn add_components(&mut self, daemon_sets: &[Value], deployments: &[Value]) {
        let image = |workloads: &[Value], name: &str, part: &str| {
            let mut named = workloads.iter().filter(|workload| is_named(workload, name));
            Component::of(named.find_map(|workload| image_with(workload, part)))
        };
        self.istio.istiod = image(deployments, "istiod", "pilot");
        self.istio.ztunnel = image(daemon_sets, "ztunnel", "ztunnel");
        self.istio.cni = image(daemon_sets, "istio-cni-node", "install-cni");
        self.kgateway = image(deployments, "kgateway", "kgateway");
        self.agentgateway = image(deployments, "agentgateway", "controller");
        self.kyverno = image(deployments, "kyverno-admission-controller", "kyverno");
    }

    /// The images of everything that was found.
    #[must_use]
    pub fn images(&self) -> BTreeSet<String> {
        let parts = [
            &self.istio.istiod,
            &self.istio.ztunnel,
            &self.istio.cni,
            &self.kgateway,
            &self.agentgateway,
            &self.kyverno,
        ];
        let images = parts.into_iter().filter_map(|part| part.image.clone());
        images.chain(self.cni.as_ref().map(|cni| cni.image.clone())).collect()
    }

    /// Whether Istio's ambient mode is there.
    #[must_use]
    pub fn is_ambient(&self) -> bool {
        self.istio.ztunnel.is_there()
    }

    /// Layers that nobody enforces here, each with the sentence for the cases that need it. A layer of which nothing
    /// is known is not among them.
    #[must_use]
    pub fn absent(&self) -> BTreeMap<Layer, String> {
        let mut absent = BTreeMap::new();
        match &self.cni {
            None if self.knows("daemonsets") => {
                absent.insert(Layer::Cni, "no CNI is known here that enforces network policies".to_owned());
            }
            Some(found) if !found.cni.enforces() => {
                absent.insert(Layer::Cni, format!("the CNI is {}, which enforces no network policies", found.cni));
            }
            Some(_) | None => {}
        }
        if !self.is_ambient() && self.knows("daemonsets") {
            absent.insert(Layer::Ztunnel, "ztunnel is not installed".to_owned());
        }
        if self.knows("gatewayclasses") {
            let classes = |waypoint: bool| {
                self.gateway_classes.iter().any(|class| class.accepted && class.is_waypoint() == waypoint)
            };
            if !classes(true) {
                absent.insert(Layer::Waypoint, "no GatewayClass for waypoints is accepted".to_owned());
            }
            if !classes(false) {
                absent.insert(Layer::Gateway, "no GatewayClass for gateways is accepted".to_owned());
            }
        }
        if !self.kyverno.is_there() && self.knows("deployments") {
            absent.insert(Layer::Admission, "Kyverno is not installed".to_owned());
        }
        absent
    }

    /// What may become of a denied flow's packets; none if nobody knows the CNI.
    #[must_use]
    pub fn denials(&self) -> Option<BTreeSet<Denial>> {
        let icmp = self.cilium.as_ref().is_some_and(|cilium| cilium.deny_with_icmp);
        self.cni.as_ref().map(|found| found.cni.denials(icmp))
    }

    /// What the CNI does to denied packets, where it alone stands between pods and no observer tells of it: without
    /// ztunnel, waypoints or sidecars, and without Hubble.
    #[must_use]
    pub fn unobserved(&self) -> Option<BTreeSet<Denial>> {
        let absent = self.absent();
        let is_sole = [Layer::Ztunnel, Layer::Waypoint].iter().all(|layer| absent.contains_key(layer));
        let is_meshed = self.istio.istiod.is_there() || !self.knows("deployments");
        if !is_sole || is_meshed || absent.contains_key(&Layer::Cni) || self.observable().contains(&Layer::Cni) {
            return None;
        }
        self.denials()
    }

    /// What makes verdicts on this cluster worthless, different or impossible, one sentence each.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let mut findings = self.cilium.as_ref().map(|cilium| cilium.findings(self.is_ambient())).unwrap_or_default();
        findings.extend(self.access_logs.findings(self.istio.istiod.is_there(), self.kgateway.is_there()));
        findings
    }

    /// The layers whose decisions observers can tell: Hubble, ztunnel's and proxies' access logs, and the API
    /// server's answers.
    #[must_use]
    pub fn observable(&self) -> BTreeSet<Layer> {
        let is_cilium = self.cni.as_ref().is_some_and(|found| found.cni == Cni::Cilium);
        let hubble = is_cilium && self.cilium.as_ref().is_none_or(|cilium| cilium.hubble != Some(false));
        let absent = self.absent();
        let all = [Layer::Admission, Layer::Cni, Layer::Ztunnel, Layer::Waypoint, Layer::Gateway, Layer::Application];
        let waypoints = self.access_logs.istio != Some(false);
        // Agentgateway writes a log without being told.
        let gateways = self.access_logs.kgateway != Some(false) || self.agentgateway.is_there() || waypoints;
        all.into_iter()
            .filter(|layer| !absent.contains_key(layer))
            .filter(|layer| match layer {
                Layer::Cni => hubble,
                Layer::Waypoint => waypoints,
                Layer::Gateway => gateways,
                Layer::Admission | Layer::Ztunnel | Layer::Application => true,
            })
            .collect()
    }

    fn knows(&self, resource: &str) -> bool {
        !self.unread.iter().any(|unread| unread.contains(resource))
    }
}

fn kept<T>(result: Result<T, Failure>, unread: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| unread.push(error.to_string())).ok()
}

fn is_named(workload: &Value, name: &str) -> bool {
    let own = text(workload, "/metadata/name");
    // A revision of istiod has it in its name.
    own == name || own.strip_prefix(name).is_some_and(|rest| name == "istiod" && rest.starts_with('-'))
}

fn namespace_of_cilium(daemon_sets: &[Value]) -> Option<&str> {
    let is_agent = |object: &&Value| text(object, "/metadata/name") == "cilium";
    daemon_sets.iter().find(is_agent).map(|object| text(object, "/metadata/namespace"))
}

fn node(object: &Value) -> NodeInfo {
    let info = |name: &str| text(object, &format!("/status/nodeInfo/{name}")).to_owned();
    NodeInfo {
        name: text(object, "/metadata/name").to_owned(),
        kubelet: info("kubeletVersion"),
        system: format!("{}, kernel {}", info("osImage"), info("kernelVersion")),
        runtime: info("containerRuntimeVersion"),
        architecture: info("architecture"),
    }
}

fn bundle_version(crd: &Value) -> Option<Version> {
    version(text(crd, "/metadata/annotations/gateway.networking.k8s.io~1bundle-version"))
}

fn gateway_class(object: &Value) -> GatewayClass {
    let mut conditions = items(object, "/status/conditions").iter();
    GatewayClass {
        name: text(object, "/metadata/name").to_owned(),
        controller: text(object, "/spec/controllerName").to_owned(),
        accepted: conditions.any(|each| text(each, "/type") == "Accepted" && text(each, "/status") == "True"),
    }
}
