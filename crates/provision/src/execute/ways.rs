//! Ways from a container to the addresses of pods, by the nodes as the cluster has them.

use std::net::Ipv4Addr;

use airtight_cluster::read::{items, text};
use ipnet::Ipv4Net;
use serde_json::Value;

use crate::docker_call::{DockerCall, ToolSpec};
use crate::failure::StepFailure;
use crate::gate::Lookup;
use crate::kubernetes::Kubernetes;
use crate::plan::Ways;
use crate::program::Bounds;

/// The calls that make the ways.
pub(super) fn calls(wanted: &Ways, cluster: &Kubernetes, bounds: Bounds<'_>) -> Result<Vec<DockerCall>, StepFailure> {
    let lookup = Lookup { resource: "nodes".to_owned(), namespace: None, name: None };
    let nodes = cluster.get(&lookup, bounds)?.unwrap_or_default();
    Ok(items(&nodes, "/items").iter().flat_map(ranges).map(|(range, node)| call(wanted, range, node)).collect())
}

/// A node's ranges of pods, each with the node's address (Kubernetes `core/v1`, `NodeSpec.podCIDRs`).
fn ranges(node: &Value) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let mut internal = items(node, "/status/addresses").iter().filter(|address| text(address, "/type") == "InternalIP");
    let Some(address) = internal.find_map(|address| text(address, "/address").parse().ok()) else { return Vec::new() };
    let ranges = items(node, "/spec/podCIDRs").iter().filter_map(|range| range.as_str()?.parse().ok());
    ranges.map(|range| (range, address)).collect()
}

fn call(wanted: &Ways, range: Ipv4Net, node: Ipv4Addr) -> DockerCall {
    let (range, node) = (range.to_string(), node.to_string());
    let command = ["ip", "route", "replace", &range, "via", &node].map(str::to_owned).to_vec();
    DockerCall::Tool(ToolSpec {
        beside: wanted.container.clone(),
        image: wanted.image.clone(),
        command,
        label: wanted.label.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_node_leads_to_its_own_pods() {
        let node = json!({"spec": {"podCIDRs": ["10.244.1.0/24", "fd00:10:244:1::/64"]}, "status": {"addresses":
            [{"type": "Hostname", "address": "w"}, {"type": "InternalIP", "address": "172.18.0.3"}]}});
        let wanted =
            Ways { container: "outside".to_owned(), image: "node".to_owned(), label: (String::new(), String::new()) };
        let calls: Vec<DockerCall> =
            ranges(&node).into_iter().map(|(range, node)| call(&wanted, range, node)).collect();
        let [DockerCall::Tool(tool)] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!(tool.command, ["ip", "route", "replace", "10.244.1.0/24", "via", "172.18.0.3"]);
        assert_eq!(ranges(&json!({"spec": {"podCIDRs": ["10.244.1.0/24"]}})), []);
    }
}
