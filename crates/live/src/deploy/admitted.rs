//! Which objects of the manifests exist by the model's account.

use std::collections::BTreeSet;

use airtight_cluster::read::text;
use airtight_manifest::ObjectRef;
use airtight_model::world::{AdmissionEvent, Built};
use serde_json::Value;

/// The manifests' objects without those that the model's admission refuses: they would be refused, or be in force
/// against the model's account.
#[must_use]
pub fn admitted(documents: impl Iterator<Item = Value>, built: &Built) -> Vec<Value> {
    let refused: BTreeSet<&ObjectRef> = built
        .world
        .admission
        .iter()
        .filter_map(|event| match event {
            AdmissionEvent::Rejected { object, .. } => Some(object),
            AdmissionEvent::Generated { .. } | AdmissionEvent::Mutated { .. } => None,
        })
        .collect();
    documents.filter(|object| !refused.contains(&object_ref(object))).collect()
}

fn object_ref(object: &Value) -> ObjectRef {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
    ObjectRef::new(text(object, "/kind"), namespace, text(object, "/metadata/name"))
}
