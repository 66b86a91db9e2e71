//! What is there and ours, found by label: what `status` shows and `down` removes, also after a crash.

use std::time::{Duration, Instant};

use airtight_cluster::Stop;
use serde::Serialize;

use super::docker::{ContainerFound, Docker};
use super::failure::StepFailure;
use super::owner::Owner;
use super::program::Bounds;
use super::site::{ClusterName, KIND_LABEL, LABEL, network_of};

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Docker objects of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// Networks with our label.
    pub networks: Vec<String>,
    /// Nodes of the kind cluster, on our network.
    pub nodes: Vec<Container>,
    /// Containers with our label: stand-ins.
    pub stand_ins: Vec<Container>,
    /// Nodes of a kind cluster of the same name that are on another network: not ours, and never touched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign_nodes: Vec<String>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Name.
    pub name: String,
    /// `running`, `exited`, …
    pub state: String,
}

impl Inventory {
    /// What there is of a cluster.
    ///
    /// # Errors
    /// When Docker does not answer.
    pub fn of(name: &ClusterName, docker: &Docker, stop: &Stop) -> Result<Self, StepFailure> {
        let owner = Owner::default();
        let soon = || Bounds { deadline: Instant::now() + ANSWER, stop, owner: &owner };
        let ours = format!("{LABEL}={name}");
        let networks = docker.networks(Some(&ours), soon())?;
        let stand_ins = docker.containers(&ours, soon())?;
        let nodes = docker.containers(&format!("{KIND_LABEL}={name}"), soon())?;
        let own = network_of(name);
        let (nodes, foreign): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| node.networks.contains(&own));
        Ok(Self {
            networks: networks.into_iter().map(|network| network.name).collect(),
            nodes: nodes.into_iter().map(container).collect(),
            stand_ins: stand_ins.into_iter().map(container).collect(),
            foreign_nodes: foreign.into_iter().map(|node| node.name).collect(),
        })
    }

    /// Whether nothing of ours is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.nodes.is_empty() && self.stand_ins.is_empty()
    }
}

/// Names of all clusters of which Docker has a network.
///
/// # Errors
/// When Docker does not answer.
pub fn clusters(docker: &Docker, stop: &Stop) -> Result<Vec<ClusterName>, StepFailure> {
    let owner = Owner::default();
    let networks = docker.networks(Some(LABEL), Bounds { deadline: Instant::now() + ANSWER, stop, owner: &owner })?;
    let mut names: Vec<ClusterName> =
        networks.into_iter().filter_map(|network| network.cluster?.parse().ok()).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn container(ContainerFound { name, state, .. }: ContainerFound) -> Container {
    Container { name, state }
}
