//! What is there and ours, found by label: what `status` shows and `down` removes, also after a crash.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure::Failure;
use super::owner::Owner;
use super::program::{Bounds, Call, Program, run};
use super::site::{ClusterName, KIND_LABEL, LABEL, network_of};
use super::stop::Stop;

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
    pub fn of(name: &ClusterName, stop: &Stop) -> Result<Self, Failure> {
        let ours = format!("label={LABEL}={name}");
        let kind = format!("label={KIND_LABEL}={name}");
        let networks =
            lines(&Program::Docker.call(["network", "ls", "--filter", &ours, "--format", "{{.Name}}"]), stop)?;
        let format = "{{.Names}} {{.State}} {{.Networks}}";
        let stand_ins = lines(&Program::Docker.call(["ps", "--all", "--filter", &ours, "--format", format]), stop)?;
        let nodes = lines(&Program::Docker.call(["ps", "--all", "--filter", &kind, "--format", format]), stop)?;
        let own = network_of(name);
        let (nodes, foreign): (Vec<String>, Vec<String>) =
            nodes.into_iter().partition(|line| line.split_whitespace().any(|word| word == own));
        Ok(Self {
            networks,
            nodes: nodes.iter().map(|line| container(line)).collect(),
            stand_ins: stand_ins.iter().map(|line| container(line)).collect(),
            foreign_nodes: foreign.iter().map(|line| container(line).name).collect(),
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
pub fn clusters(stop: &Stop) -> Result<Vec<ClusterName>, Failure> {
    let format = format!("{{{{.Label \"{LABEL}\"}}}}");
    let ask = ["network", "ls", "--filter", &format!("label={LABEL}"), "--format", &format];
    let mut names: Vec<ClusterName> =
        lines(&Program::Docker.call(ask), stop)?.iter().filter_map(|name| name.parse().ok()).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn container(line: &str) -> Container {
    let mut words = line.split_whitespace().map(str::to_owned);
    Container { name: words.next().unwrap_or_default(), state: words.next().unwrap_or_default() }
}

fn lines(call: &Call, stop: &Stop) -> Result<Vec<String>, Failure> {
    let owner = Owner::default();
    let bounds = Bounds { deadline: Instant::now() + ANSWER, stop, owner: &owner };
    let said = run(call, bounds).map_err(Failure::from)?;
    Ok(said.stdout.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
