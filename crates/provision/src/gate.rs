//! What must hold before the next step, and how far it is.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What must hold before the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Gate {
    /// The API server says that it is ready.
    ApiReady,
    /// All pods of a workload run its newest template and are ready.
    Rollout(Workload),
    /// The API server serves these CustomResourceDefinitions.
    Established(Vec<String>),
    /// An object has a condition.
    Condition(Condition),
    /// So many nodes are ready.
    NodesReady(u64),
    /// A validating webhook configuration has webhooks with a certificate to trust.
    Webhook(String),
    /// A file on every node has a text in it.
    NodeFile(NodeFile),
}

/// A workload that is rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Deployment, DaemonSet or StatefulSet.
    pub kind: WorkloadKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Workloads that are rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadKind {
    /// Deployment.
    Deployment,
    /// DaemonSet.
    Daemonset,
    /// StatefulSet.
    Statefulset,
}

/// A condition in an object's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Resource with its group, such as `gateways.gateway.networking.k8s.io`.
    pub resource: String,
    /// Namespace; none for a cluster-scoped object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Type of the condition, which must be `True`.
    #[serde(rename = "type")]
    pub condition: String,
}

/// A text in a file on every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFile {
    /// Path on the node.
    pub path: String,
    /// Text that must be in it.
    pub contains: String,
}

/// How far a gate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// It holds.
    Met,
    /// It does not hold yet; this is missing.
    Waiting(String),
}

/// Which objects to read from the API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lookup {
    /// Resource, with its group where it has one.
    pub resource: String,
    /// Namespace.
    pub namespace: Option<String>,
    /// Name; none for all of them.
    pub name: Option<String>,
}

impl Gate {
    /// What to read from the API server to judge the gate; empty where the API server's readiness or a node is asked.
    #[must_use]
    pub fn lookups(&self) -> Vec<Lookup> {
        let object = |resource: &str, namespace: Option<&str>, name: &str| Lookup {
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
        };
        match self {
            Self::ApiReady | Self::NodeFile(_) => Vec::new(),
            Self::Rollout(workload) => {
                vec![object(workload.kind.resource(), Some(&workload.namespace), &workload.name)]
            }
            Self::Established(names) => {
                let crd = "customresourcedefinitions.apiextensions.k8s.io";
                names.iter().map(|name| object(crd, None, name)).collect()
            }
            Self::Condition(wanted) => vec![object(&wanted.resource, wanted.namespace.as_deref(), &wanted.name)],
            Self::NodesReady(_) => vec![Lookup { resource: "nodes".to_owned(), namespace: None, name: None }],
            Self::Webhook(name) => {
                vec![object("validatingwebhookconfigurations.admissionregistration.k8s.io", None, name)]
            }
        }
    }

    /// Judges the gate by the objects that [`Gate::lookups`] names, in their order; none where one does not exist.
    #[must_use]
    pub fn judge(&self, found: &[Option<Value>]) -> GateState {
        let one = found.first().and_then(Option::as_ref);
        match self {
            Self::ApiReady | Self::NodeFile(_) => GateState::Met,
            Self::Rollout(workload) => one.map_or_else(|| absent(&workload.name), |object| workload.rollout(object)),
            Self::Established(names) => established(names, found),
            Self::Condition(wanted) => one.map_or_else(|| absent(&wanted.name), |object| wanted.judge(object)),
            Self::NodesReady(count) => nodes_ready(*count, one),
            Self::Webhook(name) => one.map_or_else(|| absent(name), webhooks),
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiReady => f.write_str("the API server to be ready"),
            Self::Rollout(Workload { kind, namespace, name }) => {
                write!(f, "{} {namespace}/{name} to be rolled out", kind.resource())
            }
            Self::Established(names) => write!(f, "{} to be served", names.join(", ")),
            Self::Condition(Condition { resource, namespace, name, condition }) => {
                let namespace = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
                write!(f, "{resource} {namespace}{name} to be {condition}")
            }
            Self::NodesReady(count) => write!(f, "{count} nodes to be ready"),
            Self::Webhook(name) => write!(f, "webhooks of {name}"),
            Self::NodeFile(NodeFile { path, contains }) => write!(f, "{contains} in {path} on every node"),
        }
    }
}

impl WorkloadKind {
    fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployments.apps",
            Self::Daemonset => "daemonsets.apps",
            Self::Statefulset => "statefulsets.apps",
        }
    }
}

impl Workload {
    /// What `kubectl rollout status` checks (kubectl `pkg/polymorphichelpers/rollout_status.go`).
    fn rollout(&self, object: &Value) -> GateState {
        let status = |field: &str| object["status"][field].as_u64().unwrap_or_default();
        let generation = object["metadata"]["generation"].as_u64().unwrap_or_default();
        if status("observedGeneration") < generation {
            return GateState::Waiting(format!("{}: its controller has not seen it yet", self.name));
        }
        let (wanted, updated, ready) = match self.kind {
            WorkloadKind::Daemonset => {
                (status("desiredNumberScheduled"), status("updatedNumberScheduled"), status("numberAvailable"))
            }
            WorkloadKind::Deployment => (
                object["spec"]["replicas"].as_u64().unwrap_or(1),
                status("updatedReplicas"),
                status("availableReplicas"),
            ),
            WorkloadKind::Statefulset => {
                (object["spec"]["replicas"].as_u64().unwrap_or(1), status("updatedReplicas"), status("readyReplicas"))
            }
        };
        // A DaemonSet that no node wants yet is no success: the nodes are still to come.
        if wanted > 0 && updated >= wanted && ready >= wanted {
            return GateState::Met;
        }
        GateState::Waiting(format!("{}: {} of {wanted} pods ready", self.name, ready.min(updated)))
    }
}

impl Condition {
    fn judge(&self, object: &Value) -> GateState {
        let Some(found) = condition(object, &self.condition) else {
            return GateState::Waiting(format!("{}: no condition {} yet", self.name, self.condition));
        };
        if found["status"] == "True" {
            return GateState::Met;
        }
        let text = |field: &str| found[field].as_str().unwrap_or_default();
        GateState::Waiting(format!("{}: {} is {} ({})", self.name, self.condition, text("status"), text("message")))
    }
}

fn absent(name: &str) -> GateState {
    GateState::Waiting(format!("{name}: not there yet"))
}

fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}

fn is_true(object: &Value, name: &str) -> bool {
    condition(object, name).is_some_and(|condition| condition["status"] == "True")
}

fn established(names: &[String], found: &[Option<Value>]) -> GateState {
    let served = |object: Option<&Option<Value>>| {
        object.and_then(Option::as_ref).is_some_and(|object| is_true(object, "Established"))
    };
    let missing: Vec<&str> = names
        .iter()
        .enumerate()
        .filter(|(index, _)| !served(found.get(*index)))
        .map(|(_, name)| name.as_str())
        .collect();
    match missing.as_slice() {
        [] => GateState::Met,
        [first, ..] => {
            GateState::Waiting(format!("{} of {} CRDs not served, {first} among them", missing.len(), names.len()))
        }
    }
}

fn nodes_ready(count: u64, list: Option<&Value>) -> GateState {
    let nodes = list.and_then(|list| list["items"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let ready = nodes.iter().filter(|node| is_true(node, "Ready")).count() as u64;
    if ready >= count { GateState::Met } else { GateState::Waiting(format!("{ready} of {count} nodes ready")) }
}

fn webhooks(object: &Value) -> GateState {
    let webhooks = object["webhooks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let trusted =
        |webhook: &Value| webhook["clientConfig"]["caBundle"].as_str().is_some_and(|bundle| !bundle.is_empty());
    match webhooks {
        [] => GateState::Waiting("no webhooks registered yet".to_owned()),
        some if some.iter().all(trusted) => GateState::Met,
        _ => GateState::Waiting("webhooks without a certificate to trust".to_owned()),
    }
}
