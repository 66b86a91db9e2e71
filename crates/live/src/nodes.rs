//! Which nodes of a cluster scenarios mean, and where they are.

use std::collections::BTreeMap;
use std::net::IpAddr;

use airtight_cluster::Cluster;
use airtight_cluster::read::{list, text};
use airtight_manifest::Failure;
use serde_json::Value;

use crate::places::Unavailable;

/// The label of nodes on which the control plane runs (Kubernetes "Well-Known Labels").
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// A cluster's nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes(BTreeMap<String, Node>);

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Its internal address, at which other nodes find it.
    pub(super) address: IpAddr,
    is_control_plane: bool,
}

impl Nodes {
    /// Lists the nodes that have an internal address.
    pub(super) fn read(cluster: &dyn Cluster) -> Result<Self, Failure> {
        Ok(Self(list(cluster, "/api/v1/nodes")?.iter().filter_map(node).collect()))
    }

    /// The node that a scenario means: the one of this name, or the one of this role and number in the order of names.
    /// `control-plane` and `worker-1` are the first ones, `worker-2` is the second worker.
    pub(super) fn named(&self, wanted: &str) -> Result<(&str, &Node), Unavailable> {
        if let Some((name, node)) = self.0.get_key_value(wanted) {
            return Ok((name, node));
        }
        let found = role(wanted).and_then(|(is_control_plane, number)| {
            let mut own: Vec<_> = self.0.iter().filter(|(_, node)| node.is_control_plane == is_control_plane).collect();
            // `worker10` stands behind `worker9`.
            own.sort_by_key(|(name, _)| (name.len(), name.as_str()));
            own.get(number.checked_sub(1)?).map(|(name, node)| (name.as_str(), *node))
        });
        found.ok_or_else(|| {
            let known = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            Unavailable::Permanently(format!(
                "the cluster has no node {wanted} with an internal address; there are: {known}"
            ))
        })
    }

    /// The name of the node that has an address.
    pub(super) fn at(&self, address: IpAddr) -> Option<&str> {
        self.0.iter().find(|(_, node)| node.address == address).map(|(name, _)| name.as_str())
    }

    /// Any node's address.
    pub(super) fn any(&self) -> Option<IpAddr> {
        self.0.values().next().map(|node| node.address)
    }
}

/// Whether a name means a node of the control plane, and which.
fn role(wanted: &str) -> Option<(bool, usize)> {
    [("control-plane", true), ("worker", false)].into_iter().find_map(|(role, is_control_plane)| {
        let number = match wanted.strip_prefix(role)? {
            "" => 1,
            rest => rest.strip_prefix('-')?.parse().ok()?,
        };
        Some((is_control_plane, number))
    })
}

fn node(object: &Value) -> Option<(String, Node)> {
    let addresses = object.pointer("/status/addresses")?.as_array()?;
    let internal = addresses.iter().find(|address| address["type"] == "InternalIP")?;
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let is_control_plane = labels.is_some_and(|labels| labels.contains_key(CONTROL_PLANE));
    let address = internal["address"].as_str()?.parse().ok()?;
    Some((text(object, "/metadata/name").to_owned(), Node { address, is_control_plane }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nodes(names: &[&str]) -> Nodes {
        let each = names.iter().zip(1..).map(|(name, number)| {
            let labels = if name.contains("control") { json!({CONTROL_PLANE: ""}) } else { json!({}) };
            json!({"metadata": {"name": name, "labels": labels}, "status": {"addresses":
                [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": format!("172.18.0.{number}")}]}})
        });
        Nodes(each.filter_map(|object| node(&object)).collect())
    }

    #[test]
    fn scenarios_name_nodes_by_role_and_number_or_by_their_own_names() {
        let kind = nodes(&["zt-control-plane", "zt-worker", "zt-worker10", "zt-worker2"]);
        for (wanted, name) in [
            ("control-plane", "zt-control-plane"),
            ("control-plane-1", "zt-control-plane"),
            ("worker", "zt-worker"),
            ("worker-1", "zt-worker"),
            ("worker-2", "zt-worker2"),
            ("worker-3", "zt-worker10"),
            ("zt-worker2", "zt-worker2"),
        ] {
            assert_eq!(kind.named(wanted).unwrap().0, name, "{wanted}");
        }
        for wanted in ["worker-4", "worker-0", "control-plane-2", "workers", "worker-", "worker-x"] {
            let Err(Unavailable::Permanently(why)) = kind.named(wanted) else { panic!("{wanted}") };
            assert!(why.contains("there are: zt-control-plane, zt-worker, zt-worker10, zt-worker2"), "{why}");
        }
    }

    #[test]
    fn a_node_of_that_very_name_goes_first() {
        let own = nodes(&["a-worker", "worker-1"]);
        assert_eq!(own.named("worker-1").unwrap().0, "worker-1");
        assert_eq!(own.named("worker-2").unwrap().0, "worker-1");
    }
}
