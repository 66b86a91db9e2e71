//! Which objects are new, gone or changed, whatever file they stand in.

use std::collections::BTreeMap;

use airtight_manifest::{Document, Enforcer, ObjectRef, RuleRef, decode_resource, digest};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Objects that are new, gone or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ObjectChanges {
    /// Only the later set has them.
    pub added: Vec<RuleRef>,
    /// Only the earlier set has them.
    pub removed: Vec<RuleRef>,
    /// Both have them, with another content; the place is that of the later one.
    pub changed: Vec<RuleRef>,
}

/// What an object says, and where.
struct Known {
    place: RuleRef,
    digest: String,
}

/// The objects of one set.
pub(super) struct Objects(BTreeMap<ObjectRef, Known>);

/// Metadata that says something; the rest is a server's bookkeeping.
const TELLING: &[&str] = &["name", "namespace", "labels", "annotations"];

/// An annotation with the whole object in it, as it was once applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Objects {
    pub(super) fn of(documents: &[Document]) -> Self {
        let known = documents.iter().filter_map(|document| {
            let resource = decode_resource(document).ok()?;
            let place = resource.meta()?.whole();
            Some((place.object.as_ref().clone(), Known { place, digest: digest(&content(document)) }))
        });
        Self(known.collect())
    }

    /// How many of them decide about flows.
    pub(super) fn policies(&self) -> usize {
        self.0.keys().filter(|object| is_policy(object)).count()
    }

    /// Whether both have the object, with the same content; what is no object of either set has not changed.
    pub(super) fn has_same(&self, other: &Self, object: &ObjectRef) -> bool {
        self.digest(object) == other.digest(object)
    }

    fn digest(&self, object: &ObjectRef) -> Option<&str> {
        self.0.get(object).map(|known| known.digest.as_str())
    }

    /// What changed of policies and routes, and of the other objects.
    pub(super) fn changes(&self, later: &Self) -> (ObjectChanges, ObjectChanges) {
        let (mut policies, mut others) = (ObjectChanges::default(), ObjectChanges::default());
        let mut of = |object: &ObjectRef, place: &RuleRef, list: fn(&mut ObjectChanges) -> &mut Vec<RuleRef>| {
            list(if is_policy(object) { &mut policies } else { &mut others }).push(place.clone());
        };
        for (object, known) in &later.0 {
            match self.0.get(object) {
                None => of(object, &known.place, |changes| &mut changes.added),
                Some(before) if !before.same(known) => {
                    of(object, &known.place, |changes| &mut changes.changed);
                }
                Some(_) => {}
            }
        }
        for (object, known) in self.0.iter().filter(|(object, _)| !later.0.contains_key(object)) {
            of(object, &known.place, |changes| &mut changes.removed);
        }
        (policies, others)
    }
}

impl ObjectChanges {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Known {
    fn same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

fn is_policy(object: &ObjectRef) -> bool {
    Enforcer::of(object).is_some_and(Enforcer::judges_flows)
}

/// What somebody wrote.
fn content(document: &Document) -> Value {
    let mut root = document.root.to_json();
    if let Some(fields) = root.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| TELLING.contains(&key.as_str()));
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove(LAST_APPLIED);
            }
        }
    }
    root
}
