//! Who enforces network policies on a cluster, and how a denial looks there.

use std::collections::BTreeSet;
use std::fmt;

use airtight_cluster::read::{items, text};
use airtight_model::policy::Outcome;
use semver::Version;
use serde::Serialize;
use serde_json::Value;

use super::image::version_of;

/// A CNI, or whatever enforces network policies in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cni {
    /// Cilium.
    Cilium,
    /// GKE Dataplane V2, which is Cilium's datapath with Google's control plane.
    GkeDataplane,
    /// Calico, also as Canal.
    Calico,
    /// Antrea.
    Antrea,
    /// The AWS VPC CNI with its network policy agent.
    AwsVpc,
    /// OVN-Kubernetes.
    OvnKubernetes,
    /// kube-router.
    KubeRouter,
    /// Weave Net.
    Weave,
    /// kind's own, which enforces policies since kind 0.24.
    Kindnet,
    /// Flannel, which enforces none.
    Flannel,
    /// The AWS VPC CNI without its network policy agent, which enforces none.
    AwsVpcWithoutPolicies,
}

/// What becomes of the packets of a denied flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// They are dropped: the client waits until its deadline.
    Drop,
    /// An ICMP error says that they were rejected. A RST to a SYN is none: there a host lives on which nobody listens.
    IcmpError,
    /// A RST ends the connection attempt, which looks as if nobody listened: such a denial proves nothing by itself.
    Reset,
}

/// The CNI that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundCni {
    /// Which.
    pub cni: Cni,
    /// Its version, if its image has one for a tag.
    pub version: Option<Version>,
    /// Its image.
    pub image: String,
}

/// How a CNI is known: by the name of its DaemonSet and by a part of an image in it.
struct Sign {
    daemon_set: &'static str,
    image: &'static str,
    cni: Cni,
}

/// The first that fits is it: a policy engine goes before the CNI that only makes routes.
const SIGNS: &[Sign] = &[
    Sign { daemon_set: "anetd", image: "", cni: Cni::GkeDataplane },
    Sign { daemon_set: "cilium", image: "cilium", cni: Cni::Cilium },
    Sign { daemon_set: "calico-node", image: "calico", cni: Cni::Calico },
    Sign { daemon_set: "canal", image: "calico", cni: Cni::Calico },
    Sign { daemon_set: "antrea-agent", image: "antrea", cni: Cni::Antrea },
    Sign { daemon_set: "ovnkube-node", image: "", cni: Cni::OvnKubernetes },
    Sign { daemon_set: "kube-router", image: "kube-router", cni: Cni::KubeRouter },
    Sign { daemon_set: "weave-net", image: "weave", cni: Cni::Weave },
    Sign { daemon_set: "aws-node", image: "aws-network-policy-agent", cni: Cni::AwsVpc },
    Sign { daemon_set: "aws-node", image: "", cni: Cni::AwsVpcWithoutPolicies },
    Sign { daemon_set: "kindnet", image: "kindnet", cni: Cni::Kindnet },
    Sign { daemon_set: "kube-flannel", image: "flannel", cni: Cni::Flannel },
    Sign { daemon_set: "kube-flannel-ds", image: "flannel", cni: Cni::Flannel },
];

/// The CNI among a cluster's DaemonSets.
#[must_use]
pub fn find_cni(daemon_sets: &[Value]) -> Option<FoundCni> {
    SIGNS.iter().find_map(|sign| daemon_sets.iter().find_map(|object| sign.read(object)))
}

impl Sign {
    fn read(&self, daemon_set: &Value) -> Option<FoundCni> {
        if text(daemon_set, "/metadata/name") != self.daemon_set {
            return None;
        }
        let containers = items(daemon_set, "/spec/template/spec/containers");
        let mut images = containers.iter().map(|container| text(container, "/image"));
        let image = images.find(|image| image.contains(self.image))?;
        Some(FoundCni { cni: self.cni, version: version_of(image), image: image.to_owned() })
    }
}

impl Cni {
    /// Whether it enforces network policies at all.
    #[must_use]
    pub fn enforces(self) -> bool {
        !matches!(self, Self::Flannel | Self::AwsVpcWithoutPolicies)
    }

    /// Whether it understands Cilium's own policies.
    #[must_use]
    pub fn takes_cilium_policies(self) -> bool {
        self == Self::Cilium
    }

    /// What becomes of a denied flow's packets. `icmp` is Cilium's `policy-deny-response=icmp`, which answers denied
    /// egress alone, so that both are seen there (Cilium `Documentation/network/kubernetes/policy.rst`). kube-router
    /// rejects (kube-router `pkg/controllers/netpol`); Antrea drops for a NetworkPolicy and may reject for its own
    /// (Antrea `docs/antrea-network-policy.md`).
    #[must_use]
    pub fn denials(self, icmp: bool) -> BTreeSet<Denial> {
        match self {
            Self::Cilium | Self::GkeDataplane if icmp => BTreeSet::from([Denial::Drop, Denial::IcmpError]),
            Self::Cilium | Self::GkeDataplane | Self::Calico | Self::AwsVpc | Self::Weave | Self::Kindnet => {
                BTreeSet::from([Denial::Drop])
            }
            Self::OvnKubernetes => BTreeSet::from([Denial::Drop]),
            Self::Antrea => BTreeSet::from([Denial::Drop, Denial::IcmpError, Denial::Reset]),
            Self::KubeRouter => BTreeSet::from([Denial::IcmpError]),
            Self::Flannel | Self::AwsVpcWithoutPolicies => BTreeSet::new(),
        }
    }
}

/// What a client may see of a denial, by what becomes of its packets.
#[must_use]
pub fn outcomes(denials: &BTreeSet<Denial>) -> BTreeSet<Outcome> {
    denials
        .iter()
        .map(|denial| match denial {
            Denial::Drop => Outcome::Timeout,
            Denial::IcmpError | Denial::Reset => Outcome::Refused,
        })
        .collect()
}

impl fmt::Display for Cni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cilium => "Cilium",
            Self::GkeDataplane => "GKE Dataplane V2",
            Self::Calico => "Calico",
            Self::Antrea => "Antrea",
            Self::AwsVpc => "AWS VPC CNI",
            Self::OvnKubernetes => "OVN-Kubernetes",
            Self::KubeRouter => "kube-router",
            Self::Weave => "Weave Net",
            Self::Kindnet => "kindnet",
            Self::Flannel => "Flannel",
            Self::AwsVpcWithoutPolicies => "AWS VPC CNI without its network policy agent",
        })
    }
}
