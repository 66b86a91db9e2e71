//! Which objects are held against the cluster's, and which of their fields.

use airtight_cluster::read::text;
use serde_json::{Map, Value, json};

use crate::deploy::is_policy;

/// Labels of namespaces by which the mesh is switched, whoever writes them.
const SWITCHES: [&str; 4] = ["istio.io/dataplane-mode", "istio.io/use-waypoint", "istio-injection", "istio.io/rev"];

/// What is compared of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// A policy or route: everything but its status, and of its labels and annotations those that are written.
    Policy,
    /// A namespace: the labels that are written, and those that switch the mesh.
    Namespace,
    /// A Service: what is written of it, since the API server gives it addresses and ports.
    Service,
}

impl Compared {
    /// None of kinds that decide about no traffic by themselves, or whose stand-ins are meant to differ.
    pub(super) fn of(object: &Value) -> Option<Self> {
        match (text(object, "/apiVersion"), text(object, "/kind")) {
            ("v1", "Namespace") => Some(Self::Namespace),
            ("v1", "Service") => Some(Self::Service),
            _ if is_policy(object) => Some(Self::Policy),
            _ => None,
        }
    }

    /// What of an object is compared with no more said than is written.
    pub(super) fn written(self, object: &Value) -> Value {
        let labels = object.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        match self {
            Self::Policy => json!({"metadata": {"labels": labels, "annotations": annotations(object)}}),
            Self::Namespace => json!({"metadata": {"labels": labels}}),
            Self::Service => json!({"metadata": {"labels": labels}, "spec": object.get("spec")}),
        }
    }

    /// What of an object is compared to the last field.
    pub(super) fn whole(self, object: &Value) -> Value {
        match self {
            Self::Policy => content(object),
            Self::Namespace => json!({"metadata": {"labels": switches(object)}}),
            Self::Service => Value::Null,
        }
    }
}

/// The fields beside kind, metadata and status.
fn content(object: &Value) -> Value {
    let fields = object.as_object().into_iter().flatten();
    let kept = fields.filter(|(name, _)| !["apiVersion", "kind", "metadata", "status"].contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Annotations that are not a client's own bookkeeping.
fn annotations(object: &Value) -> Value {
    let all = object.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
    let kept = all.filter(|(name, _)| !name.starts_with("kubectl.kubernetes.io/"));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn switches(object: &Value) -> Value {
    let labels = object.pointer("/metadata/labels");
    let set = SWITCHES.iter().filter_map(|name| Some(((*name).to_owned(), labels?.get(*name)?.clone())));
    Value::Object(set.collect::<Map<_, _>>())
}
