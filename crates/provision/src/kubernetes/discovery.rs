//! Where the API server serves the objects of a kind.

use serde_json::Value;

use super::objects::Object;

/// A kind as the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    root: String,
    plural: String,
    namespaced: bool,
}

impl Served {
    pub(super) fn path(&self, object: &Object) -> String {
        let namespace = object.namespace.as_deref().unwrap_or("default");
        let collection = collection(&self.root, &self.plural, self.namespaced.then_some(namespace));
        format!("{collection}/{}", object.name)
    }
}

/// The path of an `apiVersion`.
pub(super) fn root(api_version: &str) -> String {
    let api = if api_version.contains('/') { "apis" } else { "api" };
    format!("/{api}/{api_version}")
}

/// The path of all objects of a resource, of a namespace if one is named.
pub(super) fn collection(root: &str, plural: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// The path of the version of a group (an `APIGroup`) that the API server prefers.
pub(super) fn preferred(group: &Value) -> Option<String> {
    group["preferredVersion"]["groupVersion"].as_str().map(root)
}

/// The resource of a kind among those of a version (an `APIResourceList`).
pub(super) fn of_kind(root: &str, kind: &str, resources: &Value) -> Option<Served> {
    let resources = resources["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    resources.iter().find_map(|resource| {
        let plural = resource["name"].as_str()?;
        // `deployments/status` has the same kind.
        let is_it = resource["kind"] == kind && !plural.contains('/');
        let namespaced = resource["namespaced"].as_bool()?;
        is_it.then(|| Served { root: root.to_owned(), plural: plural.to_owned(), namespaced })
    })
}
