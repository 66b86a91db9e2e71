//! `networking.istio.io` ServiceEntry.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Labels;
use crate::kubernetes::Skipped;
use crate::located::{Located, Unmodelled};

/// ServiceEntry, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ServiceEntry {
    /// `spec`.
    pub spec: ServiceEntrySpec,
}

/// `istio.networking.v1alpha3.ServiceEntry`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntrySpec {
    /// Names that it defines.
    pub hosts: Vec<Located<String>>,
    /// Its own virtual addresses or ranges.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Its ports.
    #[serde(default)]
    pub ports: Vec<Located<ServiceEntryPort>>,
    /// Whether its endpoints are part of the mesh.
    #[serde(default)]
    pub location: Location,
    /// How endpoints are found.
    #[serde(default)]
    pub resolution: Resolution,
    /// Its endpoints.
    pub endpoints: Option<Vec<Located<ServiceEntryEndpoint>>>,
    /// Pods that are its endpoints.
    pub workload_selector: Option<ServiceEntrySelector>,
    /// Namespaces that it is meant for; ambient mode does not respect it.
    #[serde(default)]
    pub export_to: Vec<String>,
    /// Identities that its endpoints may show.
    #[serde(default)]
    pub subject_alt_names: Vec<String>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntryPort {
    /// The port that clients dial.
    pub number: u32,
    /// The application protocol, such as `HTTP` or `TLS`; empty means that a waypoint looks at the bytes.
    #[serde(default)]
    pub protocol: String,
    /// Its name.
    pub name: String,
    /// The port of the endpoints; `number` where it is not written.
    pub target_port: Option<u32>,
}

impl ServiceEntryPort {
    /// The port of the endpoints.
    #[must_use]
    pub fn target(&self) -> u32 {
        self.target_port.filter(|port| *port != 0).unwrap_or(self.number)
    }
}

/// Whether its endpoints are part of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// They are not.
    #[default]
    MeshExternal,
    /// They are.
    MeshInternal,
}

/// How endpoints are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// The address that the client dialled.
    #[default]
    None,
    /// The addresses in `endpoints`, or the selected pods.
    Static,
    /// The names in `endpoints` or `hosts`, resolved.
    Dns,
    /// The same, one address at a time.
    DnsRoundRobin,
    /// The name in the request, resolved (1.28 and later, wildcard hosts behind a waypoint).
    DynamicDns,
}

/// One endpoint (`istio.networking.v1alpha3.WorkloadEntry`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntryEndpoint {
    /// Address or name.
    #[serde(default)]
    pub address: String,
    /// Port by the name of a ServiceEntry port.
    #[serde(default)]
    pub ports: BTreeMap<String, u32>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
    /// Another network of a multi-network mesh.
    pub network: Option<Unmodelled>,
    /// Only weighs endpoints.
    pub locality: Option<Skipped>,
    /// Only weighs endpoints.
    pub weight: Option<Skipped>,
    /// Its service account.
    #[serde(default)]
    pub service_account: String,
}

/// `workloadSelector`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ServiceEntrySelector {
    /// Labels that a pod must have.
    #[serde(default)]
    pub labels: Labels,
}

impl ServiceEntrySpec {
    /// The port that clients dial as `number`.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&Located<ServiceEntryPort>> {
        self.ports.iter().find(|port| port.number == u32::from(number))
    }
}
