//! Where the API server serves the objects of a kind.

use airtight_manifest::Failure;
use airtight_manifest::ObjectRef;
use serde_json::Value;

use crate::{ApiCall, Cluster, Verb};

/// The kinds of a cluster.
pub struct Kinds<'c> {
    cluster: &'c dyn Cluster,
}

/// A kind that has no path of its own.
#[derive(Debug, thiserror::Error)]
pub enum Unserved {
    /// The API server did not tell.
    #[error(transparent)]
    Call(#[from] Failure),
    /// Nobody serves it.
    #[error("the cluster serves no kind {0}: is its component installed?")]
    Nowhere(String),
    /// Several groups serve a kind of this name.
    #[error("the kind {kind} is served by {groups}: the case must say which is meant, by an apiVersion")]
    Ambiguous {
        /// The kind.
        kind: String,
        /// The groups, with commas between them.
        groups: String,
    },
}

/// A kind as the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// `/api/v1`, or `/apis/GROUP/VERSION`.
    root: String,
    plural: String,
    namespaced: bool,
}

impl<'c> Kinds<'c> {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(cluster: &'c dyn Cluster) -> Self {
        Self { cluster }
    }

    /// The resource of a kind: of the group that is named, else of the core group, else of Kubernetes' own group that
    /// has it (a `Gateway` is the Gateway API's and not Istio's), else of the only one.
    pub fn resource(&self, kind: &str, version: Option<&str>) -> Result<Served, Unserved> {
        let nowhere = || Unserved::Nowhere(kind.to_owned());
        if let Some(version) = version {
            return self.in_group(&root(version), kind)?.ok_or_else(nowhere);
        }
        if let Some(core) = self.in_group("/api/v1", kind)? {
            return Ok(core);
        }
        let mut found = Vec::new();
        for root in self.groups()? {
            found.extend(self.in_group(&root, kind)?);
        }
        let mut own = found.iter().filter(|served| served.is_kubernetes());
        match (own.next(), own.next(), found.as_slice()) {
            (Some(own), None, _) => Ok(own.clone()),
            (_, _, []) => Err(nowhere()),
            (_, _, [only]) => Ok(only.clone()),
            (_, _, several) => {
                let groups: Vec<_> = several.iter().map(|served| served.root.as_str()).collect();
                Err(Unserved::Ambiguous { kind: kind.to_owned(), groups: groups.join(" and ") })
            }
        }
    }

    fn groups(&self) -> Result<Vec<String>, Failure> {
        let body = self.get("/apis")?.unwrap_or_default();
        let groups = body.get("groups").and_then(Value::as_array).cloned().unwrap_or_default();
        let preferred = groups.iter().filter_map(|group| group.pointer("/preferredVersion/groupVersion")?.as_str());
        Ok(preferred.map(root).collect())
    }

    fn in_group(&self, root: &str, kind: &str) -> Result<Option<Served>, Failure> {
        let Some(body) = self.get(root)? else { return Ok(None) };
        let resources = body.get("resources").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(resources.iter().find_map(|resource| served(root, kind, resource)))
    }

    fn get(&self, path: &str) -> Result<Option<Value>, Failure> {
        let answer = self.cluster.send(&ApiCall { verb: Verb::Get, path, body: None, user: None })?;
        match answer.status {
            404 => Ok(None),
            _ if answer.accepted() => Ok(Some(answer.body)),
            status => Err(Failure {
                code: "discovery",
                message: format!("the API server says {status} to `GET {path}`: {}", answer.message()),
                hint: Some("every authenticated user may usually read it (role system:discovery)".to_owned()),
            }),
        }
    }
}

fn root(version: &str) -> String {
    if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") }
}

fn served(root: &str, kind: &str, resource: &Value) -> Option<Served> {
    let plural = resource.get("name")?.as_str()?;
    let is_it = resource.get("kind")?.as_str()? == kind && !plural.contains('/');
    let namespaced = resource.get("namespaced")?.as_bool()?;
    is_it.then(|| Served { root: root.to_owned(), plural: plural.to_owned(), namespaced })
}

impl Served {
    fn is_kubernetes(&self) -> bool {
        let group = self.root.trim_start_matches("/apis/").split('/').next().unwrap_or_default();
        group.ends_with(".k8s.io") || !group.contains('.')
    }

    /// The path of all objects, of a namespace if the kind has namespaces.
    pub fn collection(&self, namespace: Option<&str>) -> String {
        let Self { root, plural, .. } = self;
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
            None => format!("{root}/{plural}"),
        }
    }

    /// The path of one object.
    pub fn path(&self, object: &ObjectRef) -> String {
        format!("{}/{}", self.collection(object.namespace.as_deref()), object.name)
    }
}
