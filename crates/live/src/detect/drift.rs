//! How far what is installed differs from what a stack pins.

use airtight_manifest::stack::Versions;
use semver::Version;
use serde::Serialize;

use super::cni::Cni;
use super::installed::Installed;

/// A component that differs from its pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Which component.
    pub component: String,
    /// What the stack pins.
    pub pinned: Version,
    /// What is installed; none if nothing is, or nobody can tell which.
    pub found: Option<Version>,
    /// How far they are apart.
    pub distance: Distance,
}

/// How far two versions are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// In the patch or pre-release: the policy engine's rules are the same.
    Patch,
    /// In the minor version: rules may differ.
    Minor,
    /// In the major version.
    Major,
    /// There is nothing to compare with.
    Unknown,
}

impl Installed {
    /// Components that differ from a stack's pins; none of those that are as pinned.
    #[must_use]
    pub fn differences(&self, pins: &Versions) -> Vec<Difference> {
        let cilium =
            self.cni.as_ref().filter(|found| found.cni == Cni::Cilium).and_then(|found| found.version.as_ref());
        let pinned = [
            ("Kubernetes", Some(&pins.kubernetes), self.kubernetes.as_ref()),
            ("Cilium", Some(&pins.cilium), cilium),
            ("istiod", Some(&pins.istio), self.istio.istiod.version.as_ref()),
            ("ztunnel", Some(&pins.istio), self.istio.ztunnel.version.as_ref()),
            ("istio-cni", Some(&pins.istio), self.istio.cni.version.as_ref()),
            ("Gateway API", Some(&pins.gateway_api), self.gateway_api.as_ref()),
            ("Kgateway", Some(&pins.kgateway), self.kgateway.version.as_ref()),
            ("agentgateway", pins.agentgateway.as_ref(), self.agentgateway.version.as_ref()),
            ("Kyverno", Some(&pins.kyverno), self.kyverno.version.as_ref()),
        ];
        pinned.into_iter().filter_map(|(component, pin, found)| difference(component, pin?, found)).collect()
    }
}

fn difference(component: &str, pinned: &Version, found: Option<&Version>) -> Option<Difference> {
    let distance = match found {
        None => Distance::Unknown,
        Some(found) if found == pinned => return None,
        Some(found) if found.major != pinned.major => Distance::Major,
        Some(found) if found.minor != pinned.minor => Distance::Minor,
        Some(_) => Distance::Patch,
    };
    Some(Difference { component: component.to_owned(), pinned: pinned.clone(), found: found.cloned(), distance })
}
