//! Probes on the network of nodes from which cases start.

use std::collections::BTreeSet;

use airtight_cluster::Cluster;
use airtight_manifest::Failure;
use airtight_model::path::Source;
use serde_json::{Value, json};

use super::plan::DeployPlan;
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

/// It listens nowhere: a port of its own would be one of the node's.
fn pod(namespace: &str, node: &str, plan: &DeployPlan<'_>) -> Value {
    let name = format!("node-{node}");
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {NODE_PROBE: "true"}},
        "spec": {
            "nodeName": node,
            "hostNetwork": true,
            // Names of Services are resolved as pods do; the node's own resolver does not know them.
            "dnsPolicy": "ClusterFirstWithHostNet",
            "tolerations": [{"operator": "Exists"}],
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe",
                "image": plan.options.image,
                "command": [plan.options.program, "pause"],
                "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}
