//! One thing that is installed: its source, values, images, order and gates.

use std::fmt;

use airtight_manifest::Located;
use semver::VersionReq;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::gate::Gate;
use super::image::ImageRef;

/// What a stack has a version of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Product {
    /// Kubernetes.
    Kubernetes,
    /// Cilium.
    Cilium,
    /// Istio.
    Istio,
    /// The Gateway API.
    GatewayApi,
    /// Kgateway.
    Kgateway,
    /// Agentgateway.
    Agentgateway,
    /// Kyverno.
    Kyverno,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubernetes => "Kubernetes",
            Self::Cilium => "Cilium",
            Self::Istio => "Istio",
            Self::GatewayApi => "Gateway API",
            Self::Kgateway => "Kgateway",
            Self::Agentgateway => "Agentgateway",
            Self::Kyverno => "Kyverno",
        })
    }
}

/// One thing that is installed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Name of the step and of the Helm release.
    pub name: String,
    /// The product that it is a part of.
    pub of: Product,
    /// Components that must be ready before.
    #[serde(default)]
    pub after: Vec<Located<String>>,
    /// Namespace of a Helm release.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Where it comes from.
    pub install: Install,
    /// Helm values.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// Images that it runs, and those of the proxies that it starts.
    #[serde(default)]
    pub images: Vec<Located<ImageRef>>,
    /// What must hold before the next step.
    #[serde(default)]
    pub gates: Vec<Gate>,
    /// Versions that its makers tested it with.
    #[serde(default)]
    pub supported: Supported,
    /// Versions outside `supported` that are used all the same, and why.
    #[serde(default)]
    pub accepted: Vec<Accepted>,
    /// How long the installation and its gates may take, in seconds.
    pub timeout_seconds: u64,
}

/// Where a component comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Install {
    /// A Helm chart.
    Chart(Chart),
    /// A file with manifests, by URL.
    Manifest(String),
}

/// A Helm chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chart {
    /// `https://…` for an index, `oci://…` for a registry.
    pub repository: String,
    /// Name.
    pub name: String,
    /// Version as the repository writes it.
    pub version: String,
}

impl Chart {
    /// The file that `helm pull` writes.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }

    /// How helm's `install`, `upgrade` and `pull` are told which chart.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let version = ["--version".to_owned(), self.version.clone()];
        let mut arguments = if self.repository.starts_with("oci://") {
            vec![format!("{}/{}", self.repository.trim_end_matches('/'), self.name)]
        } else {
            vec![self.name.clone(), "--repo".to_owned(), self.repository.clone()]
        };
        arguments.extend(version);
        arguments
    }
}

/// Versions that a component was tested with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Supported {
    /// Of Kubernetes.
    pub kubernetes: Option<VersionReq>,
    /// Of the Gateway API.
    pub gateway_api: Option<VersionReq>,
    /// Of Istio.
    pub istio: Option<VersionReq>,
}

/// A version outside the supported ones that is used all the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Of which product.
    pub with: Product,
    /// Why.
    pub because: String,
}
