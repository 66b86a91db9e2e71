//! Objects without what bears on no verdict: secrets, tokens, the environment of containers, and who wrote which field.

use airtight_manifest::Reads;
use serde_json::{Map, Value, json};

use crate::raw::redact;

/// Fields of `metadata` that a verdict may depend on.
const METADATA: &[&str] =
    &["name", "namespace", "uid", "labels", "annotations", "ownerReferences", "deletionTimestamp"];

/// Annotations with whole objects in them.
const COPIES: &[&str] = &["kubectl.kubernetes.io/last-applied-configuration", "objectset.rio.cattle.io/applied"];

/// Fields of a pod that runs.
const POD: &[&str] = &["nodeName", "hostNetwork", "serviceAccountName", "containers", "initContainers"];

/// Fields of a container of it.
const CONTAINER: &[&str] =
    &["name", "image", "ports", "restartPolicy", "startupProbe", "readinessProbe", "livenessProbe"];

/// Fields of a pod's status.
const POD_STATUS: &[&str] = &["phase", "podIP", "podIPs", "hostIP", "conditions"];

/// Groups in whose objects keys of other services may stand.
const WITH_KEYS: &[&str] = &["agentgateway.dev", "gateway.kgateway.dev"];

/// An object as it is kept: with the version and kind under which it was listed.
pub(super) fn cleaned(mut object: Value, (version, kind): (&str, &str), how: Reads) -> Value {
    keep(&mut object["metadata"], METADATA);
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !COPIES.contains(&key.as_str()));
    }
    let status = object.as_object_mut().and_then(|fields| fields.remove("status")).unwrap_or_default();
    match kind {
        "Pod" => pod(&mut object["spec"]),
        "Secret" => secret(&mut object),
        _ => workload(&mut object),
    }
    if matches!(how, Reads::Touching(_)) {
        redact(&mut object);
    }
    if WITH_KEYS.iter().any(|group| version.starts_with(&format!("{group}/"))) {
        without_keys(&mut object);
    }
    headed(object, (version, kind), kept_status(status, kind))
}

/// The object with its kind first and its status last.
fn headed(object: Value, (version, kind): (&str, &str), status: Option<Value>) -> Value {
    let mut headed = Map::new();
    headed.insert("apiVersion".to_owned(), json!(version));
    headed.insert("kind".to_owned(), json!(kind));
    if let Value::Object(fields) = object {
        headed.extend(fields.into_iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind")));
    }
    headed.extend(status.map(|status| ("status".to_owned(), status)));
    Value::Object(headed)
}

/// What tells whether a pod or a Job runs, and how a Service is reached.
fn kept_status(mut status: Value, kind: &str) -> Option<Value> {
    match kind {
        "Pod" => keep(&mut status, POD_STATUS),
        "Job" => keep(&mut status, &["conditions"]),
        "Service" => return addresses_of_balancer(&status),
        _ => return None,
    }
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        keep(condition, &["type", "status"]);
    }
    status.is_object().then_some(status)
}

/// The addresses by which clients reach a Service through its load balancer.
fn addresses_of_balancer(status: &Value) -> Option<Value> {
    let mut ingress = status.pointer("/loadBalancer/ingress")?.clone();
    ingress.as_array_mut()?.iter_mut().for_each(|each| keep(each, &["ip", "ipMode", "hostname"]));
    Some(json!({"loadBalancer": {"ingress": ingress}}))
}

fn keep(object: &mut Value, fields: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|key, _| fields.contains(&key.as_str()));
    }
}

fn pod(spec: &mut Value) {
    keep(spec, POD);
    for container in containers(spec) {
        keep(container, CONTAINER);
        without_values(container);
    }
}

/// A workload keeps all of its pods' template that admission may ask for.
fn workload(object: &mut Value) {
    for template in ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"] {
        let Some(spec) = object.pointer_mut(template) else { continue };
        containers(spec).into_iter().for_each(without_values);
    }
}

fn containers(spec: &mut Value) -> Vec<&mut Value> {
    let Some(fields) = spec.as_object_mut() else { return Vec::new() };
    let lists = fields
        .iter_mut()
        .filter(|(key, _)| matches!(key.as_str(), "containers" | "initContainers" | "ephemeralContainers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().collect()
}

/// Takes out of a container what people put tokens into.
fn without_values(container: &mut Value) {
    if let Some(fields) = container.as_object_mut() {
        fields.retain(|key, _| !matches!(key.as_str(), "args" | "command" | "lifecycle"));
    }
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = variable.as_object_mut() {
            fields.remove("value");
        }
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let Some(probe) = container.get_mut(probe).and_then(Value::as_object_mut) else { continue };
        probe.remove("exec");
        let headers = probe.get_mut("httpGet").and_then(|http| http.get_mut("httpHeaders"));
        for header in headers.and_then(Value::as_array_mut).into_iter().flatten() {
            header["value"] = json!("");
        }
        if probe.keys().all(|key| !matches!(key.as_str(), "httpGet" | "tcpSocket" | "grpc")) {
            // A probe without a handler would be refused, and one that runs a program is no flow.
            probe.clear();
        }
    }
    if let Some(fields) = container.as_object_mut() {
        fields.retain(|key, value| !(key.ends_with("Probe") && value.as_object().is_some_and(Map::is_empty)));
    }
}

/// Name, type and keys.
fn secret(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|key, _| matches!(key.as_str(), "metadata" | "type" | "data"));
    }
    for (_, value) in object.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten() {
        *value = json!("");
    }
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.clear();
    }
}

/// Keys of other services that are written in place, such as an LLM provider's.
fn without_keys(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields.iter_mut() {
                let keyed = match name.as_str() {
                    "auth" => inner.get_mut("key"),
                    "authToken" => inner.get_mut("inline"),
                    _ => None,
                };
                if let Some(key) = keyed.filter(|key| key.is_string()) {
                    *key = json!("redacted");
                }
                without_keys(inner);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use airtight_manifest::reads;

    use super::*;

    fn kept(object: Value) -> Value {
        let (version, kind) = (object["apiVersion"].as_str().unwrap().to_owned(), object["kind"].as_str().unwrap());
        let (group, kind) = (version.rsplit_once('/').map_or("", |(group, _)| group), kind.to_owned());
        cleaned(object, (&version, &kind), reads(&kind, group).unwrap())
    }

    #[test]
    fn no_secret_is_kept() {
        let container = json!({"name": "a", "image": "a", "command": ["s3cret"], "args": ["--token=s3cret"],
            "env": [{"name": "TOKEN", "value": "s3cret"}], "lifecycle": {"postStart": {"exec": {"command": ["s3cret"]}}},
            "livenessProbe": {"exec": {"command": ["s3cret"]}},
            "readinessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "Authorization", "value": "s3cret"}]}}});
        let metadata = json!({"name": "a", "namespace": "a", "managedFields": ["s3cret"],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "s3cret", "kept": "kept"}});
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container.clone()]}});
        for object in [
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container.clone()],
                "initContainers": [container]}, "status": {"phase": "Running", "message": "s3cret"}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}),
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata,
                "spec": {"jobTemplate": {"spec": {"template": template}}}}),
            json!({"apiVersion": "agentgateway.dev/v1alpha1", "kind": "AgentgatewayBackend", "metadata": metadata,
                "spec": {"policies": {"auth": {"key": "s3cret"}}}}),
            json!({"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": metadata,
                "spec": {"pluginConfig": {"password": "s3cret"}}}),
        ] {
            let kept = kept(object).to_string();
            assert!(!kept.contains("s3cret") && kept.contains(r#""kept":"kept""#), "{kept}");
        }
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata,
            "data": {"tls.key": "s3cret", "tls.crt": "s3cret"}, "stringData": {"a": "s3cret"}});
        let kept = kept(secret);
        assert_eq!(kept["data"], json!({"tls.key": "", "tls.crt": ""}));
        assert_eq!((&kept["type"], kept.to_string().contains("s3cret")), (&json!("kubernetes.io/tls"), false));
    }

    #[test]
    fn what_policies_ask_for_is_kept() {
        let policy = json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "a", "namespace": "a"},
            "spec": {"rules": [{"when": [{"key": "request.headers[x-api-key]", "values": ["a"]}]}]}});
        assert_eq!(kept(policy.clone()), policy);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "a", "uid": "u",
            "labels": {"a": "b"}}, "spec": {"nodeName": "n", "containers": [{"name": "a", "image": "a",
            "ports": [{"name": "web", "containerPort": 80}], "readinessProbe": {"tcpSocket": {"port": "web"}}}]},
            "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}],
                "conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(kept(pod.clone()), pod);
    }
}
