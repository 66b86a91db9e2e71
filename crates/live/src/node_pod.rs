//! Pods of the run's own on the network of a node.

use serde_json::{Value, json};

use crate::options::Options;

/// Where such a pod is.
pub(super) struct NodePlace<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) node: &'a str,
}

/// A pod that is known by `label`. It listens nowhere, a port of its own would be one of the node's, and needs neither
/// an address nor a policy.
pub(super) fn node_pod(place: &NodePlace<'_>, label: &str, options: &Options) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": place.name, "namespace": place.namespace, "labels": {label: "true"}},
        "spec": {
            "nodeName": place.node,
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
                "image": options.image,
                "command": [options.program, "pause"],
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
