//! What is around the cluster: nodes, and hosts that answer outside of it.

use airtight_manifest::{Diagnostic, Document, decode_object};
use serde::Deserialize;

use super::endpoint::{Host, Node};

/// Nodes, address ranges and external hosts of a testbed, read from an `Environment` document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// The cluster's nodes; pods without `nodeName` are spread over those that are no control plane.
    pub nodes: Vec<Node>,
    /// Hosts outside the cluster, the metadata service among them.
    pub hosts: Vec<Host>,
    /// Where a user on the Internet comes from.
    pub outside: std::net::IpAddr,
    /// Range of pod addresses, IPv4 first; a second, IPv6 one makes the cluster dual-stack.
    pub pod_cidrs: Vec<ipnet::IpNet>,
    /// Range of Service addresses, in the same families.
    pub service_cidrs: Vec<ipnet::IpNet>,
}

#[derive(Debug, Clone, Deserialize)]
struct EnvironmentDocument {
    spec: Environment,
}

impl Environment {
    /// Reads a `kind: Environment` document.
    ///
    /// # Errors
    /// Unknown fields and values of a wrong type, each with its place.
    pub fn read(document: &Document) -> Result<Self, Vec<Diagnostic>> {
        decode_object::<EnvironmentDocument>(document).map(|object| object.into_body().spec)
    }
}
