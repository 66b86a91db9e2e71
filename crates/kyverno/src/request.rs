//! One request to the API server, as admission sees it.

use airtight_manifest::{Document, Labels};
use serde_json::Value;

use super::existing::Existing;
use super::{default, kind, pod};

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// The object is made.
    Create,
    /// The object is changed.
    Update,
    /// The object is deleted.
    Delete,
}

impl Operation {
    /// The API's name, such as `CREATE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    pub(super) fn is_delete(self) -> bool {
        match self {
            Self::Delete => true,
            Self::Create | Self::Update => false,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User name, such as `system:serviceaccount:kyverno:kyverno-background-controller`.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles bound to the user, as `namespace:name`; none if they are not known.
    pub roles: Option<Vec<String>>,
    /// Cluster roles bound to the user; none if they are not known.
    pub cluster_roles: Option<Vec<String>>,
}

impl User {
    /// A user whose roles are not known.
    #[must_use]
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            roles: None,
            cluster_roles: None,
        }
    }

    /// The cluster administrator of `kubectl`: `kubernetes-admin` with the role `cluster-admin`.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            roles: Some(Vec::new()),
            cluster_roles: Some(vec!["cluster-admin".to_owned()]),
            ..Self::new("kubernetes-admin", &["kubeadm:cluster-admins", "system:authenticated"])
        }
    }

    /// A service account with the groups that it has by nature.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let of_namespace = format!("system:serviceaccounts:{namespace}");
        Self::new(
            &format!("system:serviceaccount:{namespace}:{name}"),
            &["system:serviceaccounts", &of_namespace, "system:authenticated"],
        )
    }
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionRequest<'a> {
    /// What is done.
    pub operation: Operation,
    /// The object as it shall be; none for a deletion.
    pub object: Option<&'a Document>,
    /// The object as it is; none for a creation.
    pub old: Option<&'a Document>,
    /// Who asks.
    pub user: &'a User,
    /// Labels of the object's namespace; for a Namespace they are its own and this is not read.
    pub namespace_labels: &'a Labels,
    /// Objects that exist, for clones, ConfigMap variables and lookups.
    pub existing: &'a Existing,
}

/// The object of a request with what the API server adds before admission.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    /// Plural name.
    pub(super) resource: String,
    pub(super) name: String,
    /// None for a cluster-scoped object.
    pub(super) namespace: Option<String>,
    pub(super) object: Option<Value>,
    pub(super) old: Option<Value>,
}

impl Subject {
    /// None when the request has no object at all.
    pub(super) fn of(request: &AdmissionRequest<'_>) -> Option<Self> {
        let object = request.object.map(|document| completed(document, request.existing));
        let old = request.old.map(|document| completed(document, request.existing));
        let shown = object.as_ref().or(old.as_ref())?;
        let (group, version) = kind::group_version(shown["apiVersion"].as_str().unwrap_or_default());
        let kind = shown["kind"].as_str().unwrap_or_default();
        let metadata = &shown["metadata"];
        let name = metadata["name"].as_str().or_else(|| metadata["generateName"].as_str()).unwrap_or_default();
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            resource: kind::plural(kind),
            name: name.to_owned(),
            namespace: metadata["namespace"].as_str().map(str::to_owned),
            object: if request.operation.is_delete() { None } else { object },
            old,
        })
    }

    /// The object as it shall be, or the one that goes.
    pub(super) fn shown(&self) -> &Value {
        self.object.as_ref().or(self.old.as_ref()).unwrap_or(&Value::Null)
    }

    /// The namespace that counts for `namespaces`: for a Namespace its own name.
    pub(super) fn namespace_or_own_name(&self) -> &str {
        if self.is_namespace() { &self.name } else { self.namespace.as_deref().unwrap_or_default() }
    }

    pub(super) fn is_namespace(&self) -> bool {
        self.kind == "Namespace" && self.group.is_empty()
    }
}

/// The object with what the API server fills in before admission: defaults, its namespace, a Namespace's own label.
#[must_use]
pub fn completed(document: &Document, existing: &Existing) -> Value {
    let mut object = document.root.to_json();
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let (group, _) = kind::group_version(object["apiVersion"].as_str().unwrap_or_default());
    let namespaced = kind::is_namespaced(group, &kind);
    default::fill(&mut object);
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return object };
    if namespaced && !metadata.contains_key("namespace") {
        metadata.insert("namespace".to_owned(), Value::from("default"));
    }
    if kind == "Pod" && group_is_core(&object) {
        pod::admitted(&mut object, existing);
    }
    if kind == "Namespace"
        && group_is_core(&object)
        && let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned)
    {
        if !object["metadata"]["labels"].is_object() {
            object["metadata"]["labels"] = Value::Object(serde_json::Map::new());
        }
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = Value::from(name);
    }
    object
}

fn group_is_core(object: &Value) -> bool {
    object["apiVersion"] == "v1"
}

/// Labels or annotations of an object; what is no text is left out.
pub(super) fn text_map(object: &Value, key: &str) -> Labels {
    object["metadata"][key]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
