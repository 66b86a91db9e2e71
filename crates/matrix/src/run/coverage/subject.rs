//! What can be mutated: the objects that decide, and the fields of others by which they are bound.

use std::collections::BTreeSet;

use airtight_manifest::{Document, Enforcer, Meta, Node, NodeValue, ObjectRef, Resource, decode_resource};
use airtight_model::policy::Layer;

/// A document that coverage looks at.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    /// Index of the document.
    pub(super) index: usize,
    pub(super) document: &'a Document,
    pub(super) resource: Resource,
    pub(super) standing: Standing,
}

/// How an object stands to what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is a policy of a layer.
    Policy(Layer),
    /// It is no policy, but some of its fields bind others.
    Binding,
    /// It looks like a policy, and nothing that the model knows depends on it.
    WithoutBearing,
}

impl Subject<'_> {
    pub(super) fn object(&self) -> &ObjectRef {
        self.resource.object()
    }

    /// Whether its removal is a mutant too.
    pub(super) fn is_policy(&self) -> bool {
        matches!(self.standing, Standing::Policy(_))
    }
}

/// The documents to look at.
pub(super) fn subjects(documents: &[Document]) -> Vec<Subject<'_>> {
    let subject = |(index, document)| {
        let resource = decode_resource(document).ok()?;
        let standing = standing(&resource)?;
        Some(Subject { index, document, resource, standing })
    };
    documents.iter().enumerate().filter_map(subject).collect()
}

fn standing(resource: &Resource) -> Option<Standing> {
    let layer = match resource.enforcer() {
        Some(Enforcer::Cluster) => return is_binding(resource).then_some(Standing::Binding),
        None => return is_policy_by_name(resource.object()).then_some(Standing::WithoutBearing),
        Some(Enforcer::Admission) => Layer::Admission,
        Some(Enforcer::Cni) => Layer::Cni,
        Some(Enforcer::Ztunnel) => Layer::Ztunnel,
        Some(Enforcer::Waypoint) => Layer::Waypoint,
        Some(Enforcer::Gateway | Enforcer::ProxyController) => Layer::Gateway,
    };
    Some(Standing::Policy(layer))
}

fn is_binding(resource: &Resource) -> bool {
    matches!(resource, Resource::Namespace(_) | Resource::Service(_))
}

fn is_policy_by_name(object: &ObjectRef) -> bool {
    object.kind.ends_with("Policy")
}

/// Keys of labels that selectors of any document ask for.
pub(super) fn selected_labels(documents: &[Document]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for document in documents {
        collect(&document.root, &mut keys);
    }
    keys
}

fn collect(node: &Node, keys: &mut BTreeSet<String>) {
    match &node.value {
        NodeValue::Map(entries) => {
            for (key, value) in entries {
                match (key.name.as_str(), &value.value) {
                    ("matchLabels", NodeValue::Map(labels)) => {
                        keys.extend(labels.iter().map(|(label, _)| bare(&label.name)));
                    }
                    ("key", NodeValue::String(label)) => drop(keys.insert(bare(label))),
                    _ => {}
                }
                collect(value, keys);
            }
        }
        NodeValue::List(items) => items.iter().for_each(|item| collect(item, keys)),
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::String(_) => {}
    }
}

/// A label without Cilium's prefixes for its source and for namespaces.
fn bare(key: &str) -> String {
    let own = key.split_once(':').map_or(key, |(_, own)| own);
    own.strip_prefix("io.cilium.k8s.namespace.labels.").unwrap_or(own).to_owned()
}

/// Whether a label of an object binds it to something.
pub(super) fn binds(key: &str, selected: &BTreeSet<String>) -> bool {
    key.starts_with("istio.io/") || key.starts_with("ambient.istio.io/") || selected.contains(key)
}

/// The layer of an object in words.
pub(super) fn layer(standing: Standing) -> String {
    match standing {
        Standing::Policy(layer) => layer.to_string(),
        Standing::Binding => "binding".to_owned(),
        Standing::WithoutBearing => "none".to_owned(),
    }
}

/// The metadata of what is no policy but looks like one has no type: its place is that of its document.
pub(super) fn place(subject: &Subject<'_>) -> airtight_manifest::Location {
    let root = || subject.document.location(subject.document.root.at);
    subject.resource.meta().map_or_else(root, |meta: &Meta| meta.at.clone())
}
