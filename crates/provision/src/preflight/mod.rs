//! What the host must have before anything is made: measured, compared, with a remedy for each lack.

#[cfg(feature = "live")]
mod host;
mod judge;

#[cfg(feature = "live")]
pub use host::measure;
pub use judge::judge;

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that the host must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// Stable, kebab-case name.
    pub id: String,
    /// How the host does.
    pub standing: Standing,
    /// What there must be.
    pub required: String,
    /// What there is.
    pub measured: String,
    /// What helps, if anything is lacking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How the host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// As it must be.
    Met,
    /// It may work; nobody promises it, or nobody could look.
    Doubtful,
    /// It cannot work.
    Unmet,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Doubtful => "doubtful",
            Self::Unmet => "unmet",
        })
    }
}

/// What was measured; each a value, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// Versions of Docker's daemon.
    pub docker: Measured<DockerVersion>,
    /// What the daemon says about its host.
    pub info: Measured<DockerInfo>,
    /// `docker --version`.
    pub docker_command: Measured<String>,
    /// `kind version`.
    pub kind: Measured<String>,
    /// `helm version`.
    pub helm: Measured<String>,
    /// `fs.inotify.max_user_instances`.
    pub inotify_instances: Measured<u64>,
    /// `fs.inotify.max_user_watches`.
    pub inotify_watches: Measured<u64>,
    /// Free bytes where Docker keeps its images.
    pub disk_free: Measured<u64>,
    /// Docker's networks with their subnets, other clusters of ours among them.
    #[serde(default)]
    pub networks: Vec<DockerNetwork>,
    /// Files that the options name and that are not there.
    #[serde(default)]
    pub missing_files: Vec<String>,
    /// Whether the node image is there already.
    #[serde(default)]
    pub node_image_there: bool,
    /// Whether the wanted port of this machine is free.
    #[serde(default = "yes")]
    pub api_port_free: bool,
}

fn yes() -> bool {
    true
}

/// A value, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measured<T> {
    /// The value.
    Is(T),
    /// Why it could not be had, and what helps.
    Unknown {
        /// Why.
        why: String,
        /// What helps.
        #[serde(default)]
        remedy: String,
    },
}

/// Versions of Docker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DockerVersion {
    /// Of the daemon.
    pub server: String,
    /// Of the daemon's API.
    pub api: String,
}

/// What Docker says about its host, which need not be this machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DockerInfo {
    /// `1` or `2`.
    pub cgroup_version: String,
    /// Of the host.
    pub kernel: String,
    /// Memory in bytes.
    pub memory: u64,
}

/// A Docker network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DockerNetwork {
    /// Name.
    pub name: String,
    /// Subnets.
    pub subnets: Vec<String>,
}

/// Everything that a cluster of `recipe` at `site` needs, measured on this machine.
#[must_use]
#[cfg(feature = "live")]
pub fn preflight(
    recipe: &super::recipe::Recipe,
    options: &super::options::Options,
    site: &super::site::Site,
    docker: &super::docker::Docker,
) -> Vec<Need> {
    judge(&measure(recipe, options, docker), recipe, options, site)
}
