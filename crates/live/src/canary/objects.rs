//! What the canary is made of. Everything passes Pod Security `restricted`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::probe_pod::probe_pod;
use crate::temporary::RUN_LABEL;

/// What the server listens on.
pub(super) const PORT: u16 = 8080;

pub(super) fn namespace(name: &str, more: &BTreeMap<String, String>) -> Value {
    let mut labels = json!({RUN_LABEL: name, "pod-security.kubernetes.io/enforce": "restricted"});
    for (key, value) in more {
        labels[key] = json!(value);
    }
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

pub(super) fn client(namespace: &str, image: &str, program: &str) -> Value {
    pod(namespace, "client", image, &json!([program, "pause"]))
}

pub(super) fn server(namespace: &str, image: &str, program: &str) -> Value {
    let listen = format!("http=0.0.0.0:{PORT}");
    let command = json!([program, "serve", "--pod", "server", "--namespace", namespace, "--listen", listen]);
    let mut pod = pod(namespace, "server", image, &command);
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"tcpSocket": {"port": PORT}, "periodSeconds": 1});
    pod
}

fn pod(namespace: &str, name: &str, image: &str, command: &Value) -> Value {
    let labels = json!({RUN_LABEL: namespace, "app": name});
    probe_pod(&json!({"name": name, "namespace": namespace, "labels": labels}), image, command)
}

/// The name of the policy that allows nothing.
pub(super) const DENY_ALL: &str = "deny-all";

pub(super) fn deny_all(namespace: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": DENY_ALL, "namespace": namespace, "labels": {RUN_LABEL: namespace}},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    })
}
