//! Who owns whom among objects that were read from a cluster: a pod that runs already is not made a second time by its
//! workload.

use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::{Document, Node, NodeValue, ObjectRef};

use super::intake::Item;
use super::proxy_labels::GATEWAY_NAME;

/// The label by which a Deployment tells its ReplicaSets apart; their names end in its value.
const HASH: &str = "pod-template-hash";

/// How long a chain of owners may be: none is longer than CronJob, Job, Pod.
const DEPTH: usize = 8;

/// Objects with their controllers.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// Objects by their controller, which may be there or not.
    controllers: BTreeMap<ObjectRef, ObjectRef>,
    /// What is there.
    present: BTreeSet<ObjectRef>,
    /// Controllers, at the end of a chain, of pods that are there.
    with_pods: BTreeSet<ObjectRef>,
}

impl Owners {
    pub(super) fn of(items: &[Item]) -> Self {
        let owned = items.iter().filter_map(|item| {
            let object = item.resource.object();
            Some((object.clone(), controller(&item.document, object.namespace.as_deref())?))
        });
        let controllers: BTreeMap<ObjectRef, ObjectRef> = owned.collect();
        if controllers.is_empty() {
            return Self::default();
        }
        let present = items.iter().map(|item| item.resource.object().clone()).collect();
        let mut owners = Self { controllers, present, with_pods: BTreeSet::new() };
        let pods = owners.controllers.keys().filter(|object| &*object.kind == "Pod");
        owners.with_pods = pods.map(|pod| owners.root(pod)).collect();
        owners
    }

    /// Whether pods are to be made of an object: nobody else makes them, and none is there.
    pub(super) fn makes_pods(&self, object: &ObjectRef) -> bool {
        let made_by_owner = self.controllers.get(object).is_some_and(|owner| self.present.contains(owner));
        &*object.kind == "Pod" || !(made_by_owner || self.with_pods.contains(&self.root(object)))
    }

    /// The name by which people know the workload of a pod or a ReplicaSet that has an owner.
    pub(super) fn workload(&self, item: &Item) -> Option<String> {
        let object = item.resource.object();
        self.controllers.get(object)?;
        let root = self.root(object);
        let hash = label(&item.document, HASH).filter(|_| &*root.kind == "ReplicaSet");
        let bare = hash.and_then(|hash| root.name.strip_suffix(hash)?.strip_suffix('-').map(str::to_owned));
        Some(bare.unwrap_or_else(|| root.name.to_string()))
    }

    fn root(&self, object: &ObjectRef) -> ObjectRef {
        let mut root = object;
        for _ in 0..DEPTH {
            match self.controllers.get(root) {
                Some(owner) => root = owner,
                None => break,
            }
        }
        root.clone()
    }
}

/// Whether a pod or a Job has done its work: it has no network any more.
pub(super) fn has_ended(document: &Document) -> bool {
    let phase = document.root.get("status").and_then(|status| status.get("phase")).and_then(Node::as_str);
    matches!(phase, Some("Succeeded" | "Failed"))
        || ["Complete", "Failed"].iter().any(|end| condition(document, end) == Some("True"))
}

/// Whether a Service may send to a pod: one that was read from a cluster says so itself, and is going if it is being
/// deleted (Kubernetes `staging/src/k8s.io/endpointslice/utils.go`); any other will be ready.
pub(super) fn is_ready(document: &Document) -> bool {
    let is_going = document.root.get("metadata").is_some_and(|metadata| metadata.get("deletionTimestamp").is_some());
    let runs = document.root.get("status").is_some_and(|status| status.get("phase").is_some());
    match condition(document, "Ready") {
        Some("True") => !is_going,
        Some(_) => false,
        None => !is_live(document) || !runs,
    }
}

/// The `status` of a condition.
fn condition<'d>(document: &'d Document, kind: &str) -> Option<&'d str> {
    let conditions = document.root.get("status")?.get("conditions")?.as_list()?;
    let text = |condition: &'d Node, key: &str| condition.get(key).and_then(Node::as_str);
    conditions.iter().find(|each| text(each, "type") == Some(kind)).and_then(|each| text(each, "status"))
}

/// The Gateway for whose proxy a controller made an object that was read from a cluster, by the label that every
/// controller sets on all that it makes.
pub(super) fn gateway_of(document: &Document) -> Option<&str> {
    label(document, GATEWAY_NAME).filter(|_| is_live(document))
}

/// Whether an object was read from a cluster, where all that it needs was there.
pub(super) fn is_live(document: &Document) -> bool {
    document.root.get("metadata").is_some_and(|metadata| metadata.get("uid").is_some())
}

fn controller(document: &Document, namespace: Option<&str>) -> Option<ObjectRef> {
    let owners = document.root.get("metadata")?.get("ownerReferences")?.as_list()?;
    let is_controller = |owner: &&Node| owner.get("controller").is_some_and(|node| node.value == NodeValue::Bool(true));
    let owner = owners.iter().find(is_controller)?;
    let text = |key: &str| owner.get(key).and_then(Node::as_str);
    Some(ObjectRef::new(text("kind")?, namespace, text("name")?))
}

fn label<'d>(document: &'d Document, key: &str) -> Option<&'d str> {
    document.root.get("metadata")?.get("labels")?.get(key)?.as_str()
}
