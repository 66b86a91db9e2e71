//! Access logs of waypoints and gateways, whichever program runs them.

use std::net::IpAddr;

use airtight_model::policy::Checkpoint;
use serde::Serialize;

use super::record::Line;
use super::{agentgateway, envoy};

/// A pod of a waypoint or gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProxyPod {
    /// The Gateway's namespace and name.
    pub gateway: (String, String),
    /// Waypoint or gateway.
    pub checkpoint: Checkpoint,
    /// The pod's address.
    pub ip: IpAddr,
}

/// Reads one line of a proxy's output.
#[must_use]
pub fn read(line: &str, pod: &ProxyPod) -> Line {
    match agentgateway::read(line, pod) {
        Line::Other => envoy::read(line, pod),
        known @ (Line::Record(_) | Line::Lost(_)) => known,
    }
}
