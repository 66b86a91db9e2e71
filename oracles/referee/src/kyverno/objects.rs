//! Generated objects, and what somebody asks of the API server with them.

use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

/// Namespaces, each with the value of its label `team`.
pub(super) const NAMESPACES: [(&str, &str); 3] = [("shop", "red"), ("bank", "blue"), ("shop-test", "red")];

/// What somebody asks.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Asked {
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub(super) operation: &'static str,
    /// The object as it shall be.
    pub(super) object: Option<Value>,
    /// The object as it is.
    pub(super) old: Option<Value>,
}

pub(super) fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["red", "blue", "web", "api", "web-1", ""])
}

/// The name of a namespace.
pub(super) fn namespace() -> impl Strategy<Value = &'static str> {
    (0..NAMESPACES.len()).prop_map(|index| NAMESPACES[index].0)
}

fn labels() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["app", "team", "app.kubernetes.io/name"]);
    prop::collection::btree_map(key, word(), 0..3).prop_map(|labels| json!(labels))
}

fn containers() -> impl Strategy<Value = Value> {
    let image = prop::sample::select(vec![
        "nginx",
        "nginx:latest",
        "ghcr.io/acme/web:1.2",
        "registry.example.org:5000/a/b:2",
        "docker.io/library/nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ]);
    let context = prop::sample::select(vec![
        json!({}),
        json!({"securityContext": {"runAsNonRoot": true}}),
        json!({"securityContext": {"privileged": true, "runAsUser": 0}}),
        json!({"securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}}}),
        json!({"securityContext": {"capabilities": {"add": ["NET_ADMIN", "CHOWN"], "drop": ["all"]}}}),
        json!({"resources": {"limits": {"memory": "1Gi", "cpu": "500m"}}}),
        json!({"resources": {"requests": {"memory": "100Mi"}, "limits": {"memory": "2048Mi"}}}),
        json!({"ports": [{"containerPort": 80}, {"containerPort": 8443, "hostPort": 8443}]}),
        json!({"env": [{"name": "MODE", "value": "red"}, {"name": "SIZE", "value": "3"}]}),
    ]);
    prop::collection::vec((image, context), 1..3).prop_map(|list| {
        let named = list.into_iter().enumerate().map(|(index, (image, mut container))| {
            container["name"] = json!(format!("c{index}"));
            container["image"] = json!(image);
            container
        });
        Value::Array(named.collect())
    })
}

fn metadata() -> impl Strategy<Value = Value> {
    let annotations = prop::option::weighted(0.2, Just(json!({"owner": "web", "until": "2027-01-01"})));
    (prop::sample::select(vec!["web", "api-7", "db"]), namespace(), labels(), annotations).prop_map(
        |(name, namespace, labels, annotations)| {
            let mut metadata = json!({"name": name, "namespace": namespace, "labels": labels});
            if let Some(annotations) = annotations {
                metadata["annotations"] = annotations;
            }
            metadata
        },
    )
}

fn pod_spec() -> impl Strategy<Value = Value> {
    (containers(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(containers, host, account, volume)| {
            let mut spec = json!({"containers": containers});
            if host {
                spec["hostNetwork"] = json!(true);
            }
            if account {
                spec["serviceAccountName"] = json!("robot");
            }
            if volume {
                spec["volumes"] = json!([{"name": "root", "hostPath": {"path": "/"}}]);
            }
            spec
        },
    )
}

const KINDS: [&str; 8] = ["Pod", "Pod", "Pod", "Deployment", "CronJob", "ConfigMap", "Service", "Namespace"];

/// An object of one kind.
fn object(kind: &'static str) -> impl Strategy<Value = Value> {
    let data = prop::collection::btree_map(prop::sample::select(vec!["mode", "size", "list"]), word(), 0..3);
    (metadata(), pod_spec(), data).prop_map(move |(mut metadata, spec, data)| {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": spec});
        match kind {
            "Pod" => json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}),
            "Deployment" => json!({
                "apiVersion": "apps/v1", "kind": kind, "metadata": metadata,
                "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
            }),
            "CronJob" => json!({
                "apiVersion": "batch/v1", "kind": kind, "metadata": metadata,
                "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}},
            }),
            "ConfigMap" => json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}),
            "Namespace" => {
                metadata["name"] = metadata["namespace"].take();
                if let Some(fields) = metadata.as_object_mut() {
                    fields.remove("namespace");
                }
                json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})
            }
            _ => json!({
                "apiVersion": "v1", "kind": kind, "metadata": metadata,
                "spec": {"type": "NodePort", "ports": [{"port": 80}]},
            }),
        }
    })
}

/// The same object as it was before somebody changed it.
fn before(object: &Value, mut other: Value) -> Value {
    for field in ["name", "namespace"] {
        if let Some(value) = object["metadata"].get(field) {
            other["metadata"][field] = value.clone();
        }
    }
    other
}

/// One request.
pub(super) fn asked() -> impl Strategy<Value = Asked> {
    let pair = prop::sample::select(KINDS.to_vec()).prop_flat_map(|kind| (object(kind), object(kind)));
    (pair, prop::sample::select(vec!["CREATE", "CREATE", "CREATE", "UPDATE", "DELETE"])).prop_map(
        |((object, other), operation)| match operation {
            "UPDATE" => Asked { operation, old: Some(before(&object, other)), object: Some(object) },
            "DELETE" => Asked { operation, old: Some(object), object: None },
            _ => Asked { operation, old: None, object: Some(object) },
        },
    )
}
