//! What Docker has.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::{ContainerSummary, Network};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};

use super::Docker;
use crate::docker_call::DockerThing;
use crate::failure::StepFailure;
use crate::preflight::{DockerInfo, DockerVersion};
use crate::program::Bounds;
use crate::site::{KIND_LABEL, LABEL};

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFound {
    /// Name.
    pub name: String,
    /// The cluster of ours that it is of.
    pub cluster: Option<String>,
    /// Its addresses.
    pub subnets: Vec<String>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFound {
    /// Name.
    pub name: String,
    /// `running`, `exited`, …
    pub state: String,
    /// Names of its networks.
    pub networks: Vec<String>,
}

impl Docker {
    /// Versions of the daemon and of its API.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn version(&self, bounds: Bounds<'_>) -> Result<DockerVersion, StepFailure> {
        let version = self.with("docker version", bounds, async |docker| docker.version().await)?;
        Ok(DockerVersion { server: version.version.unwrap_or_default(), api: version.api_version.unwrap_or_default() })
    }

    /// What the daemon says about its host, and where it keeps its images.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn info(&self, bounds: Bounds<'_>) -> Result<(DockerInfo, Option<String>), StepFailure> {
        let info = self.with("docker info", bounds, async |docker| docker.info().await)?;
        let host = DockerInfo {
            cgroup_version: info.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
            kernel: info.kernel_version.unwrap_or_default(),
            memory: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
        };
        Ok((host, info.docker_root_dir))
    }

    /// Networks with a label such as `name` or `name=value`; without one, all networks.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn networks(&self, label: Option<&str>, bounds: Bounds<'_>) -> Result<Vec<NetworkFound>, StepFailure> {
        let filters = filters(label);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let found = self.with("docker network ls", bounds, async |docker| docker.list_networks(Some(options)).await)?;
        let network = |network: Network| NetworkFound {
            name: network.name.unwrap_or_default(),
            cluster: network.labels.unwrap_or_default().remove(LABEL),
            subnets: network
                .ipam
                .and_then(|ipam| ipam.config)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|range| range.subnet)
                .collect(),
        };
        Ok(found.into_iter().map(network).collect())
    }

    /// Containers with a label such as `name=value`, running or not.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn containers(&self, label: &str, bounds: Bounds<'_>) -> Result<Vec<ContainerFound>, StepFailure> {
        let filters = filters(Some(label));
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let call = format!("docker ps --all --filter label={label}");
        let found = self.with(&call, bounds, async |docker| docker.list_containers(Some(options)).await)?;
        Ok(found.into_iter().map(container).collect())
    }

    /// What a thing looks like, one line for each part of it; none if it is not there.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn look(&self, thing: &DockerThing, bounds: Bounds<'_>) -> Result<Option<String>, StepFailure> {
        let call = thing.to_string();
        match thing {
            DockerThing::Network(name) => {
                let found = self.with(&call, bounds, async |docker| some(docker.inspect_network(name, None).await))?;
                Ok(found.map(|network| {
                    let label = network.labels.unwrap_or_default().remove(LABEL).unwrap_or_default();
                    let ranges = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
                    let subnets: Vec<String> = ranges.into_iter().filter_map(|range| range.subnet).collect();
                    format!("{label} {}", subnets.join(" "))
                }))
            }
            DockerThing::Image(image) => {
                let found = self.with(&call, bounds, async |docker| some(docker.inspect_image(image).await))?;
                Ok(found.and_then(|image| image.id))
            }
            DockerThing::Nodes(cluster) => {
                let nodes = self.containers(&format!("{KIND_LABEL}={cluster}"), bounds)?;
                let line = |node: &ContainerFound| format!("{} {} {}", node.name, node.networks.join(","), node.state);
                Ok(Some(nodes.iter().map(line).collect::<Vec<_>>().join("\n")))
            }
            DockerThing::Container(name) => {
                let found =
                    self.with(&call, bounds, async |docker| some(docker.inspect_container(name, None).await))?;
                Ok(found.map(|container| {
                    let labels = container.config.and_then(|config| config.labels);
                    let label = labels.unwrap_or_default().remove(LABEL).unwrap_or_default();
                    let running = container.state.and_then(|state| state.running).unwrap_or_default();
                    format!("{label} {running}")
                }))
            }
        }
    }
}

fn filters(label: Option<&str>) -> HashMap<String, Vec<String>> {
    label.map(|label| ("label".to_owned(), vec![label.to_owned()])).into_iter().collect()
}

fn container(found: ContainerSummary) -> ContainerFound {
    let name = found.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    ContainerFound {
        name: name.trim_start_matches('/').to_owned(),
        state: found.state.map(|state| state.to_string()).unwrap_or_default(),
        networks: networks.into_keys().collect(),
    }
}

/// What is not there is none.
fn some<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
