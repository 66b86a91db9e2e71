//! What the API server's own admission adds to a pod before any webhook sees it
//! (Kubernetes `plugin/pkg/admission/serviceaccount`, `defaulttolerationseconds`, `priority`).

use serde_json::{Value, json};

use super::existing::Existing;

/// Where the token of a service account is mounted.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The volume of the token; on a cluster five random characters follow.
const TOKEN_VOLUME: &str = "kube-api-access-00000";
/// Annotation of a pod that a kubelet made of a file; nothing is added to it.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Adds service account, token, tolerations and priority.
pub(super) fn admitted(pod: &mut Value, existing: &Existing) {
    if pod["metadata"]["annotations"].get(MIRROR).is_some() || !pod["spec"].is_object() {
        return;
    }
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
    let spec = &mut pod["spec"];
    let name = spec["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or("default").to_owned();
    spec["serviceAccountName"] = Value::from(name.as_str());
    spec["serviceAccount"] = Value::from(name.as_str());
    let account = existing.named("ServiceAccount", &namespace, &name).find(|object| object["apiVersion"] == "v1");
    if let Some(secrets) = account.map(|account| &account["imagePullSecrets"]).filter(|secrets| secrets.is_array()) {
        add(spec, "imagePullSecrets", secrets.clone());
    }
    let wanted = [Some(&*spec), account.map(|account| &**account)]
        .into_iter()
        .flatten()
        .find_map(|holder| holder["automountServiceAccountToken"].as_bool());
    if wanted != Some(false) {
        mount_token(spec);
    }
    tolerate(spec);
    prioritise(spec, existing);
}

fn add(spec: &mut Value, key: &str, value: Value) {
    if spec[key].is_null() {
        spec[key] = value;
    }
}

/// Mounts the token in every container that has nothing mounted there.
fn mount_token(spec: &mut Value) {
    let mount = json!({"name": TOKEN_VOLUME, "readOnly": true, "mountPath": TOKEN_PATH});
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if !container.is_object() || mounts.iter().any(|mount| mount["mountPath"] == TOKEN_PATH) {
                continue;
            }
            container["volumeMounts"] = mounts.into_iter().chain([mount.clone()]).collect();
            mounted = true;
        }
    }
    if mounted {
        append(spec, "volumes", token_volume());
    }
}

fn append(spec: &mut Value, key: &str, value: Value) {
    let list = spec[key].as_array().cloned().unwrap_or_default();
    spec[key] = list.into_iter().chain([value]).collect();
}

fn token_volume() -> Value {
    json!({
        "name": TOKEN_VOLUME,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]}},
            ],
        },
    })
}

/// Pods stay five minutes on nodes that are not ready or not reachable, unless they say something of their own.
fn tolerate(spec: &mut Value) {
    for taint in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = spec["tolerations"].as_array().into_iter().flatten().any(|toleration| {
            let key = toleration["key"].as_str().unwrap_or_default();
            let effect = toleration["effect"].as_str().unwrap_or_default();
            (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        });
        if !tolerated {
            let toleration =
                json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            append(spec, "tolerations", toleration);
        }
    }
}

fn prioritise(spec: &mut Value, existing: &Existing) {
    let name = spec["priorityClassName"].as_str().unwrap_or_default().to_owned();
    let classes = || existing.of_kind("PriorityClass");
    let class = if name.is_empty() {
        classes().find(|class| class["globalDefault"] == true)
    } else {
        classes().find(|class| class["metadata"]["name"] == name.as_str())
    };
    let (value, policy) = match (name.as_str(), class) {
        ("system-cluster-critical", _) => (json!(2_000_000_000), Value::Null),
        ("system-node-critical", _) => (json!(2_000_001_000), Value::Null),
        (_, Some(class)) => (class["value"].clone(), class["preemptionPolicy"].clone()),
        ("", None) => (json!(0), Value::Null),
        (_, None) => return,
    };
    if let Some(class) = class.filter(|_| name.is_empty()) {
        spec["priorityClassName"] = class["metadata"]["name"].clone();
    }
    add(spec, "priority", value);
    add(spec, "preemptionPolicy", if policy.is_null() { json!("PreemptLowerPriority") } else { policy });
}
