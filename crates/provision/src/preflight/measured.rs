//! What was measured of the host.

use serde::Deserialize;

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
