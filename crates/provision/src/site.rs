//! One cluster: its name, addresses and folder, and the names and labels of everything that belongs to it.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::docker_call::Label;
use super::state::Folder;

/// The label that every Docker object of ours carries; its value is the cluster's name.
pub const LABEL: &str = "dev.airtight.cluster";

/// The label by which kind finds the nodes of a cluster.
pub const KIND_LABEL: &str = "io.x-k8s.kind.cluster";

/// How many nodes run beside the control plane.
pub const WORKERS: usize = 2;

/// A cluster's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ClusterName(String);

/// A text that is no name of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no cluster name: it takes 1 to 40 lower-case letters, digits and `-`, with a letter or digit at both ends"
)]
pub struct ClusterNameError(String);

impl FromStr for ClusterName {
    type Err = ClusterNameError;

    fn from_str(text: &str) -> Result<Self, ClusterNameError> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if (1..=40).contains(&text.len()) && text.chars().all(legal) && ends {
            Ok(Self(text.to_owned()))
        } else {
            Err(ClusterNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ClusterName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name, which is also kind's.
    pub name: ClusterName,
    /// Its addresses on the Docker network.
    pub subnet: Ipv4Net,
    /// Its folder.
    pub folder: Folder,
}

impl Site {
    /// The Docker network.
    #[must_use]
    pub fn network(&self) -> String {
        network_of(&self.name)
    }

    /// The label of a Docker object of ours.
    #[must_use]
    pub fn label(&self) -> Label {
        (LABEL.to_owned(), self.name.to_string())
    }

    /// Names of the nodes as kind gives them, the control plane first.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        let workers = (1..=WORKERS).map(|index| match index {
            1 => format!("{}-worker", self.name),
            more => format!("{}-worker{more}", self.name),
        });
        std::iter::once(format!("{}-control-plane", self.name)).chain(workers).collect()
    }

    /// The container of a stand-in.
    #[must_use]
    pub fn container(&self, stand_in: &str) -> String {
        format!("{}-{}", self.network(), stand_in.replace('.', "-"))
    }

    /// The container of a client outside of the cluster.
    #[must_use]
    pub fn outside(&self) -> String {
        outside_of(&self.name)
    }

    /// The addresses that Docker gives away by itself: the first 256 of the subnet.
    #[must_use]
    pub fn dynamic_range(&self) -> Ipv4Net {
        Ipv4Net::new(self.subnet.network(), 24).unwrap_or(self.subnet)
    }

    /// The fixed address of the n-th stand-in, beyond those that Docker gives away.
    #[must_use]
    pub fn fixed_address(&self, index: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.subnet.network()) + 256 + 10 + index)
    }
}

/// The container of a client outside of a cluster.
#[must_use]
pub fn outside_of(name: &ClusterName) -> String {
    format!("{}-outside", network_of(name))
}

/// The Docker network of a cluster.
#[must_use]
pub fn network_of(name: &ClusterName) -> String {
    format!("airtight-{name}")
}
