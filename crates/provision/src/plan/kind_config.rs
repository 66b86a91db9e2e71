//! kind's configuration: three nodes without a CNI, kube-proxy kept.

use airtight_manifest::yaml;
use serde_json::{Value, json};

use super::cluster;
use super::mirror;
use crate::options::Options;
use crate::recipe::Recipe;
use crate::site::{Site, WORKERS};

/// Pods' addresses, as Cilium's `ipv4NativeRoutingCIDR` in the stacks has them.
pub(super) const POD_SUBNET: &str = "10.244.0.0/16";
const SERVICE_SUBNET: &str = "10.96.0.0/16";

/// etcd on a disk in memory, and no leader election: what Istio's own CI does for speed
/// (Istio `prow/config/default.yaml`). Lists in v1beta4, maps before; each version reads its own.
const KUBEADM_BEFORE_1_36: &str = "kind: ClusterConfiguration\napiVersion: kubeadm.k8s.io/v1beta3\n\
etcd: {local: {dataDir: /tmp/etcd}}\n\
controllerManager: {extraArgs: {leader-elect: \"false\"}}\nscheduler: {extraArgs: {leader-elect: \"false\"}}\n";
const KUBEADM: &str = "kind: ClusterConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\n\
etcd: {local: {dataDir: /tmp/etcd}}\n\
controllerManager: {extraArgs: [{name: leader-elect, value: \"false\"}]}\nscheduler: {extraArgs: [{name: leader-elect, value: \"false\"}]}\n";

pub(super) fn render(recipe: &Recipe, options: &Options, site: &Site) -> String {
    let config = json!({
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": networking(options),
        "kubeadmConfigPatches": [patch(recipe)],
        "nodes": nodes(recipe, options, site),
    });
    yaml::to_string(&config).unwrap_or_default()
}

/// kind renders kubeadm's v1beta4 from Kubernetes 1.36 on (kind `pkg/cluster/internal/kubeadm/config.go`), and a patch
/// of another version is not applied.
fn patch(recipe: &Recipe) -> &'static str {
    if airtight_manifest::stack::at_least(&recipe.stack.versions.kubernetes, 1, 36) {
        KUBEADM
    } else {
        KUBEADM_BEFORE_1_36
    }
}

fn networking(options: &Options) -> Value {
    let mut networking = json!({
        "disableDefaultCNI": true,
        "kubeProxyMode": "iptables",
        "podSubnet": POD_SUBNET,
        "serviceSubnet": SERVICE_SUBNET,
        "apiServerAddress": "127.0.0.1",
    });
    if let Some(port) = options.api_port {
        networking["apiServerPort"] = json!(port);
    }
    networking
}

fn nodes(recipe: &Recipe, options: &Options, site: &Site) -> Vec<Value> {
    let image = cluster::node(recipe, options).to_string();
    let roles = std::iter::once("control-plane").chain(std::iter::repeat_n("worker", WORKERS));
    roles
        .map(|role| {
            let mut node = json!({"role": role, "image": image});
            if options.mirror.is_some() {
                let path = mirror::folder(site).display().to_string();
                node["extraMounts"] =
                    json!([{"hostPath": path, "containerPath": "/etc/containerd/certs.d", "readOnly": true}]);
            }
            node
        })
        .collect()
}
