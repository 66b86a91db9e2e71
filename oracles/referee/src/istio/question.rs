//! What is asked of an oracle for a mesh, as `oracles/wire` reads it.

use std::net::IpAddr;

use airtight_manifest::Labels;
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::Request;
use airtight_model::world::{Enrolment, Pod, Role, World};
use serde::Serialize;
use serde_json::Value;

/// A world, and the flows that are asked about.
#[derive(Debug, Serialize)]
pub(super) struct Question<'a> {
    documents: &'a [Value],
    workloads: Vec<Workload<'a>>,
    flows: Vec<AskedFlow<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Workload<'a> {
    namespace: &'a str,
    name: &'a str,
    service_account: &'a str,
    labels: &'a Labels,
    address: Option<IpAddr>,
    enrolled: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AskedFlow<'a> {
    client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<&'a str>,
}

/// A flow, and of one to a Service the namespace of its waypoint.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) flow: Flow,
    pub(super) waypoint: Option<String>,
}

impl Asked {
    /// Whether it is about ztunnel alone.
    pub(super) fn is_direct(&self) -> bool {
        self.waypoint.is_none()
    }

    /// In words, and all that was sent.
    pub(super) fn shown(&self) -> String {
        format!("{} {:?} {:?}", self.flow, self.flow.request, self.flow.tls)
    }
}

impl<'a> Question<'a> {
    /// The question about a world of these documents.
    pub(super) fn of(world: &'a World, documents: &'a [Value], flows: &'a [Asked]) -> Self {
        let workloads = world.pods.iter().filter(|pod| pod.role == Role::Workload);
        Self {
            documents,
            workloads: workloads.map(Workload::of).collect(),
            flows: flows.iter().map(|flow| AskedFlow::of(flow, world)).collect(),
        }
    }
}

impl<'a> Workload<'a> {
    fn of(pod: &'a Pod) -> Self {
        Self {
            namespace: &pod.namespace,
            name: &pod.name,
            service_account: &pod.service_account,
            labels: &pod.labels,
            address: pod.addresses.first().copied(),
            enrolled: pod.enrolment == Enrolment::Ambient,
        }
    }
}

impl<'a> AskedFlow<'a> {
    fn of(asked: &'a Asked, world: &World) -> Self {
        let flow = &asked.flow;
        let client = match &flow.from {
            Source::Workload(namespace, name) => format!("{namespace}/{name}"),
            Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => String::new(),
        };
        let (pod, service) = match &flow.to {
            Destination::Pod(namespace, name) => (Some(format!("{namespace}/{name}")), None),
            Destination::Service(namespace, name) => (None, Some((namespace, name))),
            Destination::Host(_)
            | Destination::Address(_)
            | Destination::Gateway(..)
            | Destination::Node(_)
            | Destination::Name(_)
            | Destination::Object(_) => (None, None),
        };
        let known = service.and_then(|(namespace, name)| {
            world.services.iter().find(|one| *one.namespace == **namespace && *one.name == **name)
        });
        Self {
            client,
            pod,
            service: service.map(|(namespace, name)| format!("{namespace}/{name}")),
            gateway: asked.waypoint.as_ref().map(|namespace| format!("{namespace}/wp")),
            address: known.and_then(|service| service.cluster_ips.first().copied()),
            port: flow.port.unwrap_or_default(),
            request: flow.request.as_ref(),
            server_name: flow.tls.as_deref(),
        }
    }
}
