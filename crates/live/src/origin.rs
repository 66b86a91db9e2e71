//! Where flows start.

use std::fmt;

use airtight_cluster::Container;

/// Where a flow starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A probe in the cluster.
    Pod(Container),
    /// The machine on which this program runs, which is none of the cluster's.
    Outside,
}

impl Origin {
    /// The container, if it is one.
    #[must_use]
    pub fn pod(&self) -> Option<&Container> {
        match self {
            Self::Pod(container) => Some(container),
            Self::Outside => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(container) => container.fmt(f),
            Self::Outside => f.write_str("this machine"),
        }
    }
}
