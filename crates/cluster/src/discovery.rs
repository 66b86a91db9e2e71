//! Where the API server serves the objects of a kind.
//!
//! By hand, and not with kube's `discovery`: that asks for every group before it answers the first question, so that
//! one aggregated API that does not answer hides all kinds, and it takes kube's own client, before which nothing of ours
//! can stand.

use std::collections::BTreeMap;

use airtight_manifest::{Failure, ObjectRef};
use serde_json::Value;

use crate::read::{items, text};
use crate::refusal::code_of;
use crate::{ApiCall, Cluster};

/// The kinds of a cluster.
pub struct Kinds<'c> {
    cluster: &'c dyn Cluster,
}

/// Kinds that were found before. One that was not served is asked for again: it may be by then.
#[derive(Debug, Clone, Default)]
pub struct Known(BTreeMap<(String, String), Served>);

/// A kind as the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// `/api/v1`, or `/apis/GROUP/VERSION`.
    root: String,
    plural: String,
    kind: String,
    namespaced: bool,
    deletable: bool,
}

impl<'c> Kinds<'c> {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(cluster: &'c dyn Cluster) -> Self {
        Self { cluster }
    }

    /// The resource of a kind: of the `apiVersion` that is named, else of the core group, else of Kubernetes' own group
    /// that has it (a `Gateway` is the Gateway API's and not Istio's), else of the only one.
    ///
    /// # Errors
    /// `not-served` if nobody or more than one serves it, and when the API server does not tell.
    pub fn resource(&self, kind: &str, version: Option<&str>) -> Result<Served, Failure> {
        if let Some(version) = version {
            return self.find(version, kind)?.ok_or_else(|| nowhere(kind));
        }
        if let Some(core) = self.find("v1", kind)? {
            return Ok(core);
        }
        let mut found = Vec::new();
        for version in self.groups()? {
            found.extend(self.find(&version, kind)?);
        }
        let mut own = found.iter().filter(|served| served.is_kubernetes());
        match (own.next(), own.next(), found.as_slice()) {
            (Some(own), None, _) => Ok(own.clone()),
            (_, _, []) => Err(nowhere(kind)),
            (_, _, [only]) => Ok(only.clone()),
            (_, _, several) => Err(ambiguous(kind, several)),
        }
    }

    /// The resource of a kind in an `apiVersion`; none if it is not served.
    ///
    /// # Errors
    /// When the API server does not tell.
    pub fn find(&self, version: &str, kind: &str) -> Result<Option<Served>, Failure> {
        Ok(self.in_version(version)?.into_iter().find(|served| served.kind == kind))
    }

    /// All resources of an `apiVersion`; none if it is not served.
    ///
    /// # Errors
    /// When the API server does not tell.
    pub fn in_version(&self, version: &str) -> Result<Vec<Served>, Failure> {
        let root = root(version);
        let Some(body) = self.get(&root, "resources")? else { return Ok(Vec::new()) };
        Ok(items(&body, "/resources").iter().filter_map(|resource| served(&root, resource)).collect())
    }

    /// The `apiVersion`s of a group, the preferred one first; none if it is not served.
    ///
    /// # Errors
    /// When the API server does not tell.
    pub fn versions(&self, group: &str) -> Result<Vec<String>, Failure> {
        if group.is_empty() {
            return Ok(vec!["v1".to_owned()]);
        }
        let Some(body) = self.get(&format!("/apis/{group}"), "versions")? else { return Ok(Vec::new()) };
        Ok(versions_of(&body))
    }

    /// The path of a resource by its name with its group, such as `deployments.apps`, in the version that the API
    /// server prefers; none if it does not serve the group.
    ///
    /// # Errors
    /// When the API server does not tell.
    pub fn collection(&self, resource: &str, namespace: Option<&str>) -> Result<Option<String>, Failure> {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let versions = self.versions(group)?;
        Ok(versions.first().map(|version| collection(&root(version), plural, namespace)))
    }

    /// The `apiVersion`s of every group but the core one, the preferred one first.
    ///
    /// # Errors
    /// When the API server does not tell.
    pub fn all_versions(&self) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let body = self.get("/apis", "groups")?.unwrap_or_default();
        let named = items(&body, "/groups").iter().map(|group| (text(group, "/name").to_owned(), versions_of(group)));
        Ok(named.collect())
    }

    fn groups(&self) -> Result<Vec<String>, Failure> {
        let body = self.get("/apis", "groups")?.unwrap_or_default();
        let preferred = |group| text(group, "/preferredVersion/groupVersion").to_owned();
        Ok(items(&body, "/groups").iter().map(preferred).filter(|version| !version.is_empty()).collect())
    }

    /// A document of discovery, which has a list of this name; none if it is not served.
    fn get(&self, path: &str, list: &str) -> Result<Option<Value>, Failure> {
        let answer = self.cluster.send(&ApiCall::get(path))?;
        let (code, why) = match answer.status {
            404 => return Ok(None),
            status if !answer.accepted() => (code_of(status), answer.message().to_owned()),
            _ if answer.body.get(list).is_some_and(Value::is_array) => return Ok(Some(answer.body)),
            _ => ("discovery", format!("there are no {list} in it")),
        };
        Err(Failure::new(code, format!("the API server says {} to `GET {path}`: {why}", answer.status))
            .hint(remedy(answer.status)))
    }
}

/// What helps where discovery is answered with a status.
fn remedy(status: u16) -> &'static str {
    match status {
        401 => "the API server does not take these credentials: log in again, or name another context",
        403 => "every authenticated user may usually read it (role system:discovery)",
        429 | 500..=599 => "the API server is busy, or not well: try again in a while",
        _ => "see that the address is an API server's, and not a proxy's or another program's",
    }
}

impl Known {
    /// The resource of a kind in an `apiVersion`.
    ///
    /// # Errors
    /// As [`Kinds::resource`].
    pub fn resource(&mut self, cluster: &dyn Cluster, version: &str, kind: &str) -> Result<Served, Failure> {
        let key = (version.to_owned(), kind.to_owned());
        if let Some(served) = self.0.get(&key) {
            return Ok(served.clone());
        }
        let served = Kinds::new(cluster).resource(kind, Some(version))?;
        Ok(self.0.entry(key).or_insert(served).clone())
    }
}

/// The versions of a group, the preferred one first.
fn versions_of(group: &Value) -> Vec<String> {
    let preferred = text(group, "/preferredVersion/groupVersion");
    let others = items(group, "/versions").iter().map(|version| text(version, "/groupVersion"));
    let all = std::iter::once(preferred).chain(others.filter(|version| *version != preferred));
    all.filter(|version| !version.is_empty()).map(str::to_owned).collect()
}

fn nowhere(kind: &str) -> Failure {
    Failure::new("not-served", format!("the cluster serves no kind {kind}: is its component installed?"))
        .hint("install the component, or leave the object out")
}

fn ambiguous(kind: &str, several: &[Served]) -> Failure {
    let groups: Vec<_> = several.iter().map(|served| served.root.as_str()).collect();
    let groups = groups.join(" and ");
    let message = format!("the kind {kind} is served by {groups}: the case must say which is meant, by an apiVersion");
    Failure::new("not-served", message).hint("name the group")
}

fn root(version: &str) -> String {
    if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") }
}

fn collection(root: &str, plural: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

fn served(root: &str, resource: &Value) -> Option<Served> {
    let plural = resource.get("name")?.as_str()?;
    // `deployments/status` has the same kind.
    let whole = !plural.contains('/');
    let deletable = items(resource, "/verbs").iter().any(|verb| verb == "delete");
    let (kind, namespaced) = (resource.get("kind")?.as_str()?.to_owned(), resource.get("namespaced")?.as_bool()?);
    whole.then(|| Served { root: root.to_owned(), plural: plural.to_owned(), kind, namespaced, deletable })
}

impl Served {
    fn is_kubernetes(&self) -> bool {
        let group = self.root.trim_start_matches("/apis/").split('/').next().unwrap_or_default();
        group.ends_with(".k8s.io") || !group.contains('.')
    }

    /// The group, empty for the core's.
    #[must_use]
    pub fn group(&self) -> &str {
        self.root.strip_prefix("/apis/").and_then(|version| version.split('/').next()).unwrap_or_default()
    }

    /// The resource's name, such as `pods`.
    #[must_use]
    pub fn plural(&self) -> &str {
        &self.plural
    }

    /// The kind, such as `Pod`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.root.strip_prefix("/apis/").or_else(|| self.root.strip_prefix("/api/")).unwrap_or(&self.root)
    }

    /// Whether its objects are in namespaces.
    #[must_use]
    pub fn is_namespaced(&self) -> bool {
        self.namespaced
    }

    /// Whether its objects can be deleted.
    #[must_use]
    pub fn is_deletable(&self) -> bool {
        self.deletable
    }

    /// The path of all objects, of a namespace if the kind has namespaces.
    #[must_use]
    pub fn collection(&self, namespace: Option<&str>) -> String {
        collection(&self.root, &self.plural, namespace.filter(|_| self.namespaced))
    }

    /// The path of one object.
    #[must_use]
    pub fn path(&self, object: &ObjectRef) -> String {
        self.at(object.namespace.as_deref(), &object.name)
    }

    /// The path of the object of this name.
    #[must_use]
    pub fn at(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{name}", self.collection(namespace))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scripted::Scripted;

    #[test]
    fn an_answer_without_resources_does_not_say_that_nothing_is_served() {
        for body in [json!({}), json!({"resources": null}), json!(null)] {
            let failure = Kinds::new(&Scripted::answering(&[(200, body)])).find("v1", "Pod").unwrap_err();
            assert_eq!(failure.code, "discovery");
        }
    }

    #[test]
    fn what_helps_follows_from_the_status() {
        let refusals = [
            (401, "unauthenticated", "log in again"),
            (403, "forbidden", "system:discovery"),
            (429, "api-failing", "try again in a while"),
            (503, "api-failing", "try again in a while"),
            (418, "api-refused", "not a proxy's"),
        ];
        for (status, code, helps) in refusals {
            let refusing = Scripted::answering(&[(status, json!({"message": "no"}))]);
            let failure = Kinds::new(&refusing).find("v1", "Pod").unwrap_err();
            let hint = failure.hint.unwrap_or_default();
            assert!(failure.code == code && hint.contains(helps), "{status}: {}: {hint}", failure.code);
        }
    }

    #[test]
    fn what_was_found_is_not_asked_for_again_and_what_was_not_is() {
        let pods = json!({"resources": [{"name": "pods", "kind": "Pod", "namespaced": true, "verbs": ["delete"]}]});
        let cluster = Scripted::answering(&[(404, json!({})), (200, pods)]);
        let mut known = Known::default();
        assert_eq!(known.resource(&cluster, "v1", "Pod").unwrap_err().code, "not-served");
        for _ in 0..2 {
            let served = known.resource(&cluster, "v1", "Pod").unwrap();
            assert_eq!(served.at(Some("shop"), "web"), "/api/v1/namespaces/shop/pods/web");
        }
        assert_eq!(cluster.asked().len(), 2);
    }

    #[test]
    fn the_preferred_version_goes_first() {
        let group = json!({"versions": [{"groupVersion": "x.io/v1"}, {"groupVersion": "x.io/v2"}],
            "preferredVersion": {"groupVersion": "x.io/v2"}});
        let cluster = Scripted::answering(&[(200, group)]);
        assert_eq!(Kinds::new(&cluster).versions("x.io").unwrap(), ["x.io/v2", "x.io/v1"]);
        let path = Kinds::new(&cluster).collection("things.x.io", Some("a")).unwrap();
        assert_eq!(path.as_deref(), Some("/apis/x.io/v2/namespaces/a/things"));
    }
}
