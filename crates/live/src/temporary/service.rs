//! Services and service accounts of stand-ins: what policies see of them, and nothing that reaches out of the cluster.

use serde_json::{Value, json};

/// Fields of a Service that would take ports of nodes, addresses of others, or a load balancer from somewhere.
const REACHING_OUT: &[&str] = &[
    "externalIPs",
    "loadBalancerIP",
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "healthCheckNodePort",
    "externalTrafficPolicy",
    "allocateLoadBalancerNodePorts",
    "clusterIPs",
];

/// A manifest's Service as it is made for stand-ins: inside of the cluster only.
#[must_use]
pub fn service(manifest: &Value) -> Value {
    let mut made = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "namespace": namespace(manifest),
            "name": manifest["metadata"]["name"],
            "labels": labels(manifest),
            "annotations": mesh_annotations(manifest),
        },
        "spec": manifest["spec"],
    });
    let Some(spec) = made["spec"].as_object_mut() else { return made };
    for field in REACHING_OUT {
        spec.remove(*field);
    }
    if spec.get("clusterIP").is_some_and(|address| address != "None") {
        spec.remove("clusterIP");
    }
    if spec.get("type").is_some_and(|kind| kind == "LoadBalancer" || kind == "NodePort") {
        spec.insert("type".to_owned(), json!("ClusterIP"));
    }
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("nodePort");
    }
    made
}

/// The service account of a stand-in, with the labels of its manifest if there is one.
#[must_use]
pub fn account(namespace: &str, name: &str, manifest: Option<&Value>) -> Value {
    let labels = manifest.map_or_else(|| json!({}), labels);
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "automountServiceAccountToken": false,
    })
}

fn namespace(manifest: &Value) -> Value {
    manifest.pointer("/metadata/namespace").cloned().unwrap_or_else(|| json!("default"))
}

fn labels(manifest: &Value) -> Value {
    manifest.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}))
}

/// Others may ask a cloud for a load balancer.
fn mesh_annotations(manifest: &Value) -> Value {
    let all = manifest.pointer("/metadata/annotations").and_then(Value::as_object);
    let kept = all.into_iter().flatten().filter(|(name, _)| {
        name.split('/').next().is_some_and(|owner| owner.ends_with("istio.io") || owner.ends_with("cilium.io"))
    });
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_out_of_the_cluster() {
        let made = service(&json!({"metadata": {"name": "web", "namespace": "shop",
            "labels": {"istio.io/use-waypoint": "w"},
            "annotations": {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb", "networking.istio.io/traffic-distribution": "PreferClose"}},
            "spec": {"type": "LoadBalancer", "externalIPs": ["1.1.1.1"], "clusterIP": "10.0.0.1", "selector": {"app": "web"},
                "ports": [{"port": 80, "nodePort": 30080}]}}));
        assert_eq!(made["spec"], json!({"type": "ClusterIP", "selector": {"app": "web"}, "ports": [{"port": 80}]}));
        assert_eq!(made["metadata"]["labels"]["istio.io/use-waypoint"], "w");
        assert_eq!(made["metadata"]["annotations"], json!({"networking.istio.io/traffic-distribution": "PreferClose"}));
        let headless = service(&json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "None"}}));
        assert_eq!(headless["spec"]["clusterIP"], "None");
    }
}
