//! Probes on the network of nodes from which cases start.

use std::collections::BTreeSet;

use airtight_cluster::Cluster;
use airtight_manifest::Failure;
use airtight_model::path::Source;
use serde_json::{Value, json};

use super::plan::DeployPlan;
use crate::node_pod::{NodePlace, node_pod};
use crate::nodes::Nodes;
use crate::places::NODE_PROBE;

/// The namespace of a run's pods on the network of nodes.
pub(crate) fn node_namespace(run: &str) -> String {
    format!("{run}-nodes")
}

/// A namespace in which pods may be on their node's network, and a pod on each node from which a case starts; where
/// kubelets are asked, the namespace. A node that the cluster does not have gets none, and its cases say so.
///
/// # Errors
/// When the nodes cannot be listed.
pub(super) fn node_probes(plan: &DeployPlan<'_>, cluster: &dyn Cluster, run: &str) -> Result<Vec<Value>, Failure> {
    let wanted: BTreeSet<&str> = plan.plan.cases.iter().filter_map(|planned| node(&planned.case.flow.from)).collect();
    if wanted.is_empty() && !plan.plan.cases.iter().any(|planned| matches!(planned.case.flow.from, Source::Kubelet)) {
        return Ok(Vec::new());
    }
    let nodes = Nodes::read(cluster)?;
    let there: BTreeSet<&str> = wanted.iter().filter_map(|name| nodes.named(name).ok().map(|(name, _)| name)).collect();
    let namespace = node_namespace(run);
    let pods = there.iter().map(|node| pod(&namespace, node, plan));
    Ok(std::iter::once(self::namespace(&namespace)).chain(pods).collect())
}

fn node(from: &Source) -> Option<&str> {
    match from {
        Source::Node(name) => Some(name),
        Source::Workload(..) | Source::Outside | Source::Kubelet | Source::User(_) => None,
    }
}

/// The level of Pod Security that lets pods use their node's network stands here alone.
fn namespace(name: &str) -> Value {
    let labels = json!({"pod-security.kubernetes.io/enforce": "privileged", "zt.example.com/isolate": "false"});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn pod(namespace: &str, node: &str, plan: &DeployPlan<'_>) -> Value {
    let name = format!("node-{node}");
    node_pod(&NodePlace { namespace, name: &name, node }, NODE_PROBE, plan.options)
}
