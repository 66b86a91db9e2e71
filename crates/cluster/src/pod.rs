//! Pods as the API server describes them.

use std::net::IpAddr;

use serde_json::Value;

use crate::Container;
use crate::read::items;

/// A pod: where it is, whose it is, and whether a probe runs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The workload that scenarios name.
    pub workload: String,
    /// Its own address.
    pub address: Option<IpAddr>,
    /// The address of its node.
    pub host: Option<IpAddr>,
    /// The container in which the probe runs, if one does.
    pub probe: Option<Container>,
    /// Why it cannot be used; none if it is ready.
    pub unready: Option<String>,
}

impl Pod {
    /// Reads a pod; `image` is the probe's, by which its container is known.
    #[must_use]
    pub fn read(pod: &Value, image: &str) -> Option<Self> {
        let metadata = pod.get("metadata")?;
        let namespace = metadata.get("namespace")?.as_str()?.to_owned();
        let name = metadata.get("name")?.as_str()?.to_owned();
        let address = |path: &str| pod.pointer(path).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let container = probe_container(pod, image).map(|container| Container {
            namespace: namespace.clone(),
            pod: name.clone(),
            container,
        });
        Some(Self {
            workload: workload(metadata, &name),
            address: address("/status/podIP"),
            host: address("/status/hostIP"),
            unready: unready(pod, container.as_ref()),
            probe: container,
            namespace,
            name,
        })
    }
}

/// The Gateway whose proxy it is, the workload whose controller made it, or the pod itself.
///
/// A ReplicaSet is named after its Deployment and the hash of the pod's template (Kubernetes
/// `pkg/controller/deployment/sync.go`), a CronJob's Job after it and the minute of its schedule
/// (`pkg/controller/cronjob/utils.go`). Gateway controllers label their proxies (GEP-1762).
fn workload(metadata: &Value, name: &str) -> String {
    let label = |key: &str| metadata.get("labels").and_then(|labels| labels.get(key)).and_then(Value::as_str);
    if let Some(gateway) = label("gateway.networking.k8s.io/gateway-name") {
        return gateway.to_owned();
    }
    let owners = metadata.get("ownerReferences").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // A stand-in belongs to the namespace of its run.
    let controller = owners.iter().find(|owner| owner["controller"] == true && owner["kind"] != "Namespace");
    let Some(controller) = controller else { return name.to_owned() };
    let owned = controller["name"].as_str().unwrap_or(name);
    let base = match controller["kind"].as_str() {
        Some("ReplicaSet") => label("pod-template-hash").and_then(|hash| owned.strip_suffix(hash)?.strip_suffix('-')),
        Some("Job") => owned.rsplit_once('-').filter(|(_, minute)| scheduled(minute)).map(|(base, _)| base),
        Some(_) | None => None,
    };
    base.unwrap_or(owned).to_owned()
}

/// Minutes since 1970 have had eight digits since 1989, and will until 2160.
fn scheduled(minute: &str) -> bool {
    minute.len() == 8 && minute.bytes().all(|digit| digit.is_ascii_digit())
}

/// A container of the pod's own, or an ephemeral one that runs: one that has ended never runs again.
fn probe_container(pod: &Value, image: &str) -> Option<String> {
    let wanted = repository(image);
    let is_probe = |container: &&Value| container["image"].as_str().is_some_and(|image| repository(image) == wanted);
    let own = items(pod, "/spec/containers").iter().find(is_probe);
    let names = |container: &Value| container["name"].as_str().map(str::to_owned);
    own.and_then(names).or_else(|| {
        let ephemeral = items(pod, "/spec/ephemeralContainers").iter().filter(is_probe).filter_map(names);
        ephemeral.into_iter().find(|name| ephemeral_probe(pod, name))
    })
}

/// Whether an ephemeral container runs.
#[must_use]
pub fn ephemeral_probe(pod: &Value, name: &str) -> bool {
    let statuses = items(pod, "/status/ephemeralContainerStatuses").iter();
    statuses.filter(|status| status["name"] == name).any(|status| status.pointer("/state/running").is_some())
}

/// The last part of an image's name, without tag and digest: mirrors change what stands before it.
#[must_use]
pub fn repository(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(['@', ':']).next().unwrap_or(last)
}

fn unready(pod: &Value, probe: Option<&Container>) -> Option<String> {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return Some("it is being deleted".to_owned());
    }
    let status = &pod["status"];
    let phase = status["phase"].as_str().unwrap_or("Unknown");
    let containers = status["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(waiting) = containers.iter().find_map(waiting) {
        return Some(waiting);
    }
    if phase != "Running" {
        let why = status["reason"].as_str().or_else(|| unscheduled(status)).unwrap_or_default();
        return Some(format!("it is {phase} {why}").trim_end().to_owned());
    }
    let ready = |name: &str| {
        let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == name && condition["status"] == "True")
    };
    let running = probe.is_none_or(|probe| {
        let ephemeral = ephemeral_probe(pod, &probe.container);
        ephemeral
            || containers.iter().any(|container| {
                container["name"] == probe.container.as_str() && container.pointer("/state/running").is_some()
            })
    });
    match (ready("Ready"), running) {
        (true, true) => None,
        (_, false) => Some("its probe is not running".to_owned()),
        (false, true) => Some("it is not ready".to_owned()),
    }
}

/// Reasons of a waiting container that only a person can remove (Kubernetes `pkg/kubelet/images/types.go`,
/// `pkg/kubelet/kuberuntime/kuberuntime_container.go`).
const HOPELESS: &[&str] = &[
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ImageInspectError",
];

/// Whether a pod or container that is not ready for this reason never will be by itself.
#[must_use]
pub fn is_hopeless(reason: &str) -> bool {
    HOPELESS.iter().any(|known| reason.contains(known))
}

/// Why a container does not start, such as `ImagePullBackOff`.
fn waiting(container: &Value) -> Option<String> {
    let waiting = container.pointer("/state/waiting")?;
    let (name, reason) = (container["name"].as_str()?, waiting["reason"].as_str()?);
    let message = waiting["message"].as_str().map(|message| format!(": {message}")).unwrap_or_default();
    Some(format!("its container {name} waits ({reason}{message})"))
}

fn unscheduled(status: &Value) -> Option<&str> {
    let conditions = status["conditions"].as_array()?;
    let scheduled = conditions.iter().find(|condition| condition["type"] == "PodScheduled")?;
    scheduled["message"].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned(kind: &str, owner: &str, labels: &Value) -> String {
        let owners = json!([{"kind": kind, "name": owner, "controller": true}]);
        workload(&json!({"labels": labels, "ownerReferences": owners}), "the-pod")
    }

    #[test]
    fn a_pod_belongs_to_the_workload_that_scenarios_name() {
        let none = json!({});
        assert_eq!(owned("ReplicaSet", "api-7c9d", &json!({"pod-template-hash": "7c9d"})), "api");
        assert_eq!(owned("ReplicaSet", "bare", &none), "bare");
        assert_eq!(owned("StatefulSet", "db", &none), "db");
        assert_eq!(owned("Job", "backup-29384756", &none), "backup");
        assert_eq!(owned("Job", "import-2", &none), "import-2");
        let waypoint = json!({"gateway.networking.k8s.io/gateway-name": "waypoint", "pod-template-hash": "x"});
        assert_eq!(owned("ReplicaSet", "waypoint-istio-x", &waypoint), "waypoint");
        assert_eq!(workload(&json!({"name": "alone"}), "alone"), "alone");
    }

    #[test]
    fn a_mirror_does_not_hide_the_probe() {
        for image in ["airtight-probe:dev", "mirror.example:5000/x/airtight-probe@sha256:00", "airtight-probe"] {
            assert_eq!(repository(image), "airtight-probe", "{image}");
        }
        assert_ne!(repository("airtight-probe-old:1"), "airtight-probe");
    }

    #[test]
    fn a_pod_that_does_not_run_says_why() {
        let mut pod = json!({
            "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"containers": [{"name": "web", "image": "airtight-probe:dev"}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "web", "state": {"running": {}}}]},
        });
        let read = |pod: &Value| Pod::read(pod, "airtight-probe:dev").unwrap().unready;
        assert_eq!(read(&pod), None);
        pod["status"]["containerStatuses"][0]["state"] = json!({"waiting": {"reason": "ErrImageNeverPull"}});
        assert_eq!(read(&pod).unwrap(), "its container web waits (ErrImageNeverPull)");
        assert!(is_hopeless(&read(&pod).unwrap()) && !is_hopeless("its container web waits (ImagePullBackOff)"));
        pod["status"]["containerStatuses"][0]["state"] = json!({"terminated": {}});
        assert_eq!(read(&pod).unwrap(), "its probe is not running");
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(read(&pod).unwrap(), "it is being deleted");
    }
}
