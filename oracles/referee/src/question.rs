//! What is asked of an oracle for network policies, as `oracles/wire` reads it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::Labels;
use airtight_model::policy::Request;
use airtight_model::world::{Protocol, World};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A world, and the cells that are asked about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question<'a> {
    cluster_name: &'a str,
    nodes: Vec<Node<'a>>,
    namespaces: Vec<Namespace<'a>>,
    pods: Vec<Pod<'a>>,
    documents: &'a [Value],
    cells: &'a [Cell],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    name: &'a str,
    addresses: &'a [IpAddr],
    control_plane: bool,
}

#[derive(Debug, Serialize)]
struct Namespace<'a> {
    name: &'a str,
    labels: &'a Labels,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pod<'a> {
    namespace: &'a str,
    name: &'a str,
    node: &'a str,
    service_account: &'a str,
    labels: &'a Labels,
    ports: Vec<Port<'a>>,
}

#[derive(Debug, Serialize)]
struct Port<'a> {
    name: &'a str,
    number: u16,
    protocol: Protocol,
}

/// One side of one hop: a pod's policies, one direction, one peer, one port.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Cell {
    pub(crate) subject: String,
    pub(crate) ingress: bool,
    pub(crate) peer: Peer,
    pub(crate) protocol: Protocol,
    /// Of ICMP, the type.
    pub(crate) port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Arc<Request>>,
}

/// The other end of a hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", untagged)]
pub(crate) enum Peer {
    Pod {
        pod: String,
    },
    Node {
        node: String,
    },
    Address {
        address: IpAddr,
    },
    /// An address that a lookup of the name gave.
    Name {
        address: IpAddr,
        name: String,
    },
}

/// What the engine says.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// Why it takes no notice of a document, by its index.
    #[serde(default)]
    pub(crate) refused: BTreeMap<usize, String>,
    /// `allow` or `deny` for each cell, or why there is no answer.
    pub(crate) verdicts: Vec<String>,
}

impl<'a> Question<'a> {
    /// The question about a world of these documents.
    pub(crate) fn of(world: &'a World, documents: &'a [Value], cells: &'a [Cell]) -> Self {
        Self {
            cluster_name: &world.stack.cilium.cluster_name,
            nodes: world
                .nodes
                .iter()
                .map(|node| Node { name: &node.name, addresses: &node.addresses, control_plane: node.control_plane })
                .collect(),
            namespaces: world
                .namespaces
                .values()
                .map(|namespace| Namespace { name: &namespace.name, labels: &namespace.labels })
                .collect(),
            pods: world.pods.iter().filter(|pod| !pod.host_network).map(|pod| Pod::of(pod, world)).collect(),
            documents,
            cells,
        }
    }
}

impl<'a> Pod<'a> {
    fn of(pod: &'a airtight_model::world::Pod, world: &'a World) -> Self {
        let port = |port: &'a airtight_model::world::ContainerPort| {
            Some(Port { name: port.name.as_deref()?, number: port.number, protocol: port.protocol })
        };
        Self {
            namespace: &pod.namespace,
            name: &pod.name,
            node: &world.node(pod.node).name,
            service_account: &pod.service_account,
            labels: &pod.labels,
            ports: pod.ports.iter().filter_map(port).collect(),
        }
    }
}
