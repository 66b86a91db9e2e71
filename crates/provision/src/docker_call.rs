//! What Docker's daemon is asked for, as a plan shows and compares it. Pure.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::program::quoted;

/// A label and its value.
pub type Label = (String, String);

/// A request that changes something. It is shown as the docker command that does the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DockerCall {
    /// Makes a bridge network.
    CreateNetwork(NetworkSpec),
    /// Removes a network.
    RemoveNetwork(String),
    /// Makes a container and starts it.
    Start(Box<ContainerSpec>),
    /// Runs a tool to its end in the network of a container, and removes it.
    Tool(ToolSpec),
    /// Removes containers with their anonymous volumes, running or not.
    RemoveContainers(Vec<String>),
    /// Loads the images of an archive.
    Load(PathBuf),
    /// Runs a program in a container that is there.
    Exec {
        /// The container.
        container: String,
        /// The program with its arguments.
        command: Vec<String>,
    },
}

/// A bridge network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkSpec {
    /// Name.
    pub name: String,
    /// Its addresses.
    pub subnet: Ipv4Net,
    /// The addresses that Docker gives away by itself.
    pub dynamic_range: Ipv4Net,
    /// Whose it is.
    pub label: Label,
}

/// A container that serves. It has no capability, and no image is pulled for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSpec {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// Arguments of the image's program.
    pub arguments: Vec<String>,
    /// Network.
    pub network: String,
    /// Its address on the network.
    pub address: Ipv4Addr,
    /// Whose it is.
    pub label: Label,
    /// Kernel parameters of its network.
    pub sysctls: Vec<(String, String)>,
    /// A folder of this machine, and where the container has it, read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<(PathBuf, String)>,
}

/// A tool in the network of a container, with the right to change that network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    /// The container whose network it is.
    pub beside: String,
    /// Image that has the tool.
    pub image: String,
    /// The tool with its arguments.
    pub command: Vec<String>,
    /// Whose it is.
    pub label: Label,
}

/// What Docker is asked about, without changing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DockerThing {
    /// A network, by name: its label of ours and its subnet.
    Network(String),
    /// An image, by reference: its id.
    Image(String),
    /// The nodes of a kind cluster, by its name: name, networks and state of each.
    Nodes(String),
    /// A container, by name: its label of ours, and whether it runs.
    Container(String),
}

impl DockerCall {
    /// The program and arguments of a docker command that does the same.
    fn words(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match self {
            Self::CreateNetwork(NetworkSpec { name, subnet, dynamic_range, label }) => {
                let (subnet, range) = (subnet.to_string(), dynamic_range.to_string());
                let label = labelled(label);
                let options =
                    ["--driver", "bridge", "--subnet", &subnet, "--ip-range", &range, "--label", &label, name];
                [words(&["network", "create"]), words(&options)].concat()
            }
            Self::RemoveNetwork(name) => words(&["network", "rm", name]),
            Self::Start(spec) => spec.words(),
            Self::Tool(ToolSpec { beside, image, command, label }) => {
                let (network, label) = (format!("container:{beside}"), labelled(label));
                let (program, arguments) = command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
                let mut tool = words(&["run", "--rm", "--network", &network, "--label", &label]);
                tool.extend(words(&["--cap-add", "NET_ADMIN", "--entrypoint", program, image]));
                tool.extend(arguments.iter().cloned());
                tool
            }
            Self::RemoveContainers(names) => {
                words(&["rm", "--force", "--volumes"]).into_iter().chain(names.iter().cloned()).collect()
            }
            Self::Load(archive) => words(&["load", "--input", &archive.display().to_string()]),
            Self::Exec { container, command } => {
                words(&["exec", container]).into_iter().chain(command.iter().cloned()).collect()
            }
        }
    }
}

impl ContainerSpec {
    fn words(&self) -> Vec<String> {
        let option = |name: &str, value: String| [name.to_owned(), value];
        let mut words = vec!["run".to_owned(), "--detach".to_owned()];
        words.extend(option("--name", self.name.clone()));
        words.extend(option("--network", self.network.clone()));
        words.extend(option("--ip", self.address.to_string()));
        words.extend(option("--label", labelled(&self.label)));
        words.extend(["--pull=never", "--cap-drop", "ALL"].map(str::to_owned));
        for (name, value) in &self.sysctls {
            words.extend(option("--sysctl", format!("{name}={value}")));
        }
        if let Some((source, target)) = &self.mount {
            words.extend(option("--mount", format!("type=bind,source={},target={target},readonly", source.display())));
        }
        words.push(self.image.clone());
        words.extend(self.arguments.iter().cloned());
        words
    }
}

fn labelled((name, value): &Label) -> String {
    format!("{name}={value}")
}

/// As one would type it into a shell.
impl fmt::Display for DockerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("docker")?;
        self.words().iter().try_for_each(|word| write!(f, " {}", quoted(word)))
    }
}

impl fmt::Display for DockerThing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(name) => write!(f, "docker network inspect {name}"),
            Self::Image(image) => write!(f, "docker image inspect {image}"),
            Self::Nodes(cluster) => {
                write!(f, "docker ps --all --filter label={}={cluster}", super::site::KIND_LABEL)
            }
            Self::Container(name) => write!(f, "docker container inspect {name}"),
        }
    }
}
