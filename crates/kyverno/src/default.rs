//! What the API server fills in before admission sees an object, as far as rules commonly look at it
//! (Kubernetes `pkg/apis/core/v1/defaults.go`, `pkg/apis/apps/v1/defaults.go`, `pkg/apis/networking/v1/defaults.go`).

use serde_json::{Map, Value, json};

/// Keys that the API server fills in and [`fill`] leaves alone: their absence in a manifest says nothing.
const LEFT_ALONE: &[&str] = &[
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "nodePort",
    "nodeName",
    "finalizers",
    "status",
    "uid",
    "creationTimestamp",
    "resourceVersion",
    "generation",
    "managedFields",
    "selfLink",
];

/// Whether the API server sets a key that a manifest lacks.
pub(super) fn is_set_by_server(key: &str) -> bool {
    LEFT_ALONE.contains(&key)
}

/// Fills in the defaults of the kinds that matter here.
pub(super) fn fill(object: &mut Value) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let group =
        object["apiVersion"].as_str().unwrap_or_default().rsplit_once('/').map_or("", |(group, _)| group).to_owned();
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    match (group.as_str(), kind.as_str()) {
        ("", "Pod") => {
            pod(spec);
            set(spec, "enableServiceLinks", json!(true));
            requests(spec);
        }
        ("", "Service") => service(spec),
        ("networking.k8s.io", "NetworkPolicy") => network_policy(spec),
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet") => {
            controller(spec, &kind);
            template(spec);
        }
        ("batch", "Job") => {
            job(spec);
            template(spec);
        }
        ("batch", "CronJob") => {
            set_all(
                spec,
                [
                    ("concurrencyPolicy", json!("Allow")),
                    ("suspend", json!(false)),
                    ("successfulJobsHistoryLimit", json!(3)),
                    ("failedJobsHistoryLimit", json!(1)),
                ],
            );
            template(&mut spec["jobTemplate"]["spec"]);
        }
        _ => {}
    }
}

/// Defaults of `apps/v1` (Kubernetes `pkg/apis/apps/v1/defaults.go`).
fn controller(spec: &mut Value, kind: &str) {
    if kind != "DaemonSet" {
        set(spec, "replicas", json!(1));
    }
    if kind != "ReplicaSet" {
        set(spec, "revisionHistoryLimit", json!(10));
    }
    match kind {
        "Deployment" => {
            set(spec, "progressDeadlineSeconds", json!(600));
            set(spec, "strategy", json!({}));
            rolling(&mut spec["strategy"], json!({"maxUnavailable": "25%", "maxSurge": "25%"}));
        }
        "StatefulSet" => {
            set(spec, "podManagementPolicy", json!("OrderedReady"));
            set(spec, "updateStrategy", json!({}));
            rolling(&mut spec["updateStrategy"], json!({"partition": 0}));
        }
        "DaemonSet" => {
            set(spec, "updateStrategy", json!({}));
            rolling(&mut spec["updateStrategy"], json!({"maxUnavailable": 1, "maxSurge": 0}));
        }
        _ => {}
    }
}

fn rolling(strategy: &mut Value, parts: Value) {
    set(strategy, "type", json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        set(strategy, "rollingUpdate", parts);
    }
}

/// Defaults of a Job (Kubernetes `pkg/apis/batch/v1/defaults.go`).
fn job(spec: &mut Value) {
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        set(spec, "completions", json!(1));
    }
    set_all(
        spec,
        [
            ("parallelism", json!(1)),
            ("backoffLimit", json!(6)),
            ("completionMode", json!("NonIndexed")),
            ("suspend", json!(false)),
        ],
    );
}

/// A pod's requests are its limits where it names none (Kubernetes `pkg/apis/core/v1/defaults.go`, `SetDefaults_Pod`).
fn requests(spec: &mut Value) {
    for list in ["initContainers", "containers"] {
        for container in each(spec, list) {
            let limits = container["resources"]["limits"].as_object().cloned().unwrap_or_default();
            for (resource, quantity) in limits {
                set(&mut container["resources"], "requests", json!({}));
                set(&mut container["resources"]["requests"], &resource, quantity);
            }
        }
    }
}

fn set(map: &mut Value, key: &str, value: Value) {
    if let Some(map) = map.as_object_mut() {
        map.entry(key).or_insert(value);
    }
}

fn set_all<const N: usize>(map: &mut Value, entries: [(&str, Value); N]) {
    for (key, value) in entries {
        set(map, key, value);
    }
}

fn template(spec: &mut Value) {
    if let Some(inner) = spec.get_mut("template").and_then(|template| template.get_mut("spec")) {
        pod(inner);
    }
}

fn each<'v>(spec: &'v mut Value, key: &str) -> impl Iterator<Item = &'v mut Value> {
    spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

fn pod(spec: &mut Value) {
    let host_network = spec["hostNetwork"] == true;
    let account = spec["serviceAccountName"].clone();
    if !account.is_null() {
        set(spec, "serviceAccount", account);
    }
    set_all(
        spec,
        [
            ("restartPolicy", json!("Always")),
            ("dnsPolicy", json!("ClusterFirst")),
            ("terminationGracePeriodSeconds", json!(30)),
            ("securityContext", json!({})),
            ("schedulerName", json!("default-scheduler")),
        ],
    );
    for volume in each(spec, "volumes") {
        volume_defaults(volume);
    }
    for list in ["initContainers", "containers"] {
        for container in each(spec, list) {
            container_defaults(container, host_network);
        }
    }
}

fn volume_defaults(volume: &mut Value) {
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if volume[source].is_object() {
            set(&mut volume[source], "defaultMode", json!(0o644));
        }
    }
    if volume["hostPath"].is_object() {
        set(&mut volume["hostPath"], "type", json!(""));
    }
}

fn probe_defaults(probe: &mut Value) {
    set_all(
        probe,
        [
            ("timeoutSeconds", json!(1)),
            ("periodSeconds", json!(10)),
            ("successThreshold", json!(1)),
            ("failureThreshold", json!(3)),
        ],
    );
    if probe["httpGet"].is_object() {
        set(&mut probe["httpGet"], "path", json!("/"));
        set(&mut probe["httpGet"], "scheme", json!("HTTP"));
    }
}

fn container_defaults(container: &mut Value, host_network: bool) {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && (tag.ends_with(":latest") || !tag.contains(':'));
    set(container, "imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" }));
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));
    set(container, "resources", json!({}));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            probe_defaults(&mut container[probe]);
        }
    }
    for port in each(container, "ports") {
        set(port, "protocol", json!("TCP"));
        if host_network {
            let number = port["containerPort"].clone();
            set(port, "hostPort", number);
        }
    }
}

fn service(spec: &mut Value) {
    set(spec, "type", json!("ClusterIP"));
    set(spec, "sessionAffinity", json!("None"));
    if spec["type"] != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if spec["type"] == "NodePort" || spec["type"] == "LoadBalancer" {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    for port in each(spec, "ports") {
        set(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        set(port, "targetPort", number);
    }
}

/// Ingress is always among the types, Egress if there are egress rules.
fn network_policy(spec: &mut Value) {
    let egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
    set(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
}

/// `changed` without what was only filled in: what `filled` has, `written` lacks and nobody changed.
pub(super) fn without_filled(changed: &Value, filled: &Value, written: &Value) -> Value {
    match (changed, filled, written) {
        (Value::Object(changed), Value::Object(filled), Value::Object(written)) => {
            let mut kept = Map::new();
            for (key, value) in changed {
                match (filled.get(key), written.get(key)) {
                    (Some(filled), None) if filled == value => {}
                    (Some(Value::Object(filled)), None) if value.is_object() => {
                        let empty = Value::Object(Map::new());
                        kept.insert(key.clone(), without_filled(value, &Value::Object(filled.clone()), &empty));
                    }
                    (Some(filled), Some(written)) => {
                        kept.insert(key.clone(), without_filled(value, filled, written));
                    }
                    (Some(_) | None, _) => {
                        kept.insert(key.clone(), value.clone());
                    }
                }
            }
            Value::Object(kept)
        }
        // What is appended to a list, and nobody changed, goes with the rest.
        (Value::Array(changed), Value::Array(filled), Value::Array(written))
            if changed.len() == filled.len() && filled.len() >= written.len() =>
        {
            let items = changed.iter().zip(filled).enumerate();
            items
                .filter_map(|(index, (changed, filled))| match written.get(index) {
                    Some(written) => Some(without_filled(changed, filled, written)),
                    None => (changed != filled).then(|| changed.clone()),
                })
                .collect()
        }
        _ => changed.clone(),
    }
}
