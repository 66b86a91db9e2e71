//! Pods of the run's own on the network of a node.

use serde_json::{Value, json};

use crate::options::Options;
use crate::probe_pod::probe_pod;

/// Where such a pod is.
pub(super) struct NodePlace<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) node: &'a str,
}

/// A pod that is known by `label`. It listens nowhere, a port of its own would be one of the node's, and needs neither
/// an address nor a policy.
pub(super) fn node_pod(place: &NodePlace<'_>, label: &str, options: &Options) -> Value {
    let metadata = json!({"name": place.name, "namespace": place.namespace, "labels": {label: "true"}});
    let mut pod = probe_pod(&metadata, &options.image, &json!([options.program, "pause"]));
    let spec = &mut pod["spec"];
    spec["nodeName"] = json!(place.node);
    spec["hostNetwork"] = json!(true);
    // Names of Services are resolved as pods do; the node's own resolver does not know them.
    spec["dnsPolicy"] = json!("ClusterFirstWithHostNet");
    spec["tolerations"] = json!([{"operator": "Exists"}]);
    pod
}
