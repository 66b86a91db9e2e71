//! An object that a run made: how it is marked, and how it is deleted.

use airtight_cluster::wait::{Look, Patience, until};
use airtight_cluster::{ApiCall, Cluster, Verb, retry};
use airtight_manifest::digest;
use serde_json::{Map, Value, json};

/// By this label everything that a run made is found again; its value is the run's name.
pub const RUN_LABEL: &str = "airtight.dev/run";

/// By this annotation what was made last is removed first.
pub(super) const ORDER: &str = "airtight.dev/order";

/// An object that was made, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Created {
    /// Kind, namespace and name, for the reader.
    pub(super) what: String,
    pub(super) path: String,
    /// Which of all objects that ever had the name; none if nobody knows.
    pub(super) uid: Option<String>,
    /// SHA-256 of the object as it was sent, or read.
    pub(super) digest: String,
}

/// How an object is named to readers.
#[must_use]
pub fn reference(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match (text("/kind"), text("/metadata/namespace"), text("/metadata/name")) {
        (kind, "", name) => format!("{kind} {name}"),
        (kind, namespace, name) => format!("{kind} {namespace}/{name}"),
    }
}

/// The run that made an object.
pub(super) fn run_of(object: &Value) -> Option<&str> {
    object.pointer("/metadata/labels")?.get(RUN_LABEL)?.as_str()
}

/// An object as it is created: with the run's label and owner, and without what only the API server writes.
pub(super) fn dressed(object: &Value, run: &str, owner: &Value, order: usize) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    let is_pod = object["kind"] == "Pod";
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let metadata = &mut object["metadata"];
    if let Some(fields) = metadata.as_object_mut() {
        for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"] {
            fields.remove(field);
        }
    }
    for field in ["labels", "annotations"] {
        if !metadata[field].is_object() {
            metadata[field] = Value::Object(Map::new());
        }
    }
    metadata["labels"][RUN_LABEL] = json!(run);
    metadata["annotations"][ORDER] = json!(order.to_string());
    let mut reference = json!({"apiVersion": "v1", "kind": "Namespace", "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"]});
    if is_pod {
        // A pod that has a controller is adopted by no ReplicaSet, DaemonSet or StatefulSet whose selector it meets
        // (Kubernetes `pkg/controller/controller_ref_manager.go`).
        reference["controller"] = json!(true);
    }
    metadata["ownerReferences"] = json!([reference]);
    object
}

impl Created {
    /// What is known of an object that was read.
    pub(super) fn of(object: &Value, path: String) -> Self {
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
        Self { what: reference(object), path, uid, digest: digest(object) }
    }

    /// Deletes it, again and again while there is patience and an admission webhook refuses: one of a policy that was just
    /// deleted acts for a moment longer. Somebody else's object of the same name stays.
    pub(super) fn delete(&self, cluster: &dyn Cluster, run: &str, patience: Patience) -> Result<(), String> {
        let deleted = until(patience, &|| cluster.is_over(), || match self.delete_once(cluster, run) {
            Deletion::Gone => Ok(Look::Done(())),
            Deletion::Refused(why) => Err(why),
            Deletion::NotYet(why) => Ok(Look::Open(why)),
        })?;
        deleted.map_err(|late| late.last)
    }

    fn delete_once(&self, cluster: &dyn Cluster, run: &str) -> Deletion {
        let uid = match &self.uid {
            Some(uid) => uid.clone(),
            None => match self.own_uid(cluster, run) {
                Ok(Some(uid)) => uid,
                Ok(None) => return Deletion::Gone,
                Err(why) => return Deletion::NotYet(why),
            },
        };
        // Kubernetes answers 409 if the object of this name is another one by now.
        let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid},
            "propagationPolicy": "Background"});
        let call = ApiCall { verb: Verb::Delete, path: &self.path, body: Some(&body), user: None };
        match cluster.send(&call) {
            Ok(answer) if answer.accepted() || matches!(answer.status, 404 | 409) => Deletion::Gone,
            Ok(answer) => {
                let why = answer.words();
                if retry::deletion(&answer) { Deletion::NotYet(why) } else { Deletion::Refused(why) }
            }
            Err(error) => Deletion::NotYet(error.message),
        }
    }

    /// The uid of the object, if there is one that this run made.
    fn own_uid(&self, cluster: &dyn Cluster, run: &str) -> Result<Option<String>, String> {
        let answer = cluster.send(&ApiCall::get(&self.path)).map_err(|error| error.message)?;
        match answer.status {
            404 => Ok(None),
            _ if !answer.accepted() => Err(format!("{} {}", answer.status, answer.message())),
            _ if run_of(&answer.body) != Some(run) => Ok(None),
            _ => match answer.body.pointer("/metadata/uid").and_then(Value::as_str) {
                Some(uid) => Ok(Some(uid.to_owned())),
                None => Err("it has no uid".to_owned()),
            },
        }
    }
}

enum Deletion {
    Gone,
    NotYet(String),
    Refused(String),
}
