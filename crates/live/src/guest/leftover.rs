//! What earlier runs left on a cluster, when nobody could remove it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use airtight_cluster::read::{escaped, items, list_if_served, text};
use airtight_cluster::{ApiCall, Cluster, Verb};
use airtight_manifest::Failure;
use serde_json::Value;

use super::made::{Made, run_of};
use super::{ORDER, RUN_LABEL, reference};

/// Groups of which a run makes objects, and of which resources; none: all.
const GROUPS: &[(&str, Option<&[&str]>)] = &[
    ("", Some(&["pods", "services", "serviceaccounts", "namespaces"])),
    ("networking.k8s.io", Some(&["networkpolicies"])),
    ("policy.networking.k8s.io", None),
    ("cilium.io", None),
    ("security.istio.io", None),
    ("networking.istio.io", None),
    ("gateway.networking.k8s.io", None),
    ("gateway.kgateway.dev", None),
    ("agentgateway.dev", None),
    ("kyverno.io", None),
    ("policies.kyverno.io", None),
];

/// An object that a run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Kind, namespace and name, for the reader.
    pub what: String,
    /// The run.
    pub run: String,
    made: Made,
    rank: (bool, std::cmp::Reverse<usize>),
}

impl Leftover {
    /// Deletes it; if somebody has put another object in its place, that stays.
    ///
    /// # Errors
    /// In the API server's words, why it is still there after `within`.
    pub fn delete(&self, cluster: &dyn Cluster, within: Duration) -> Result<(), String> {
        self.made.delete(cluster, &self.run, Duration::from_millis(500), Instant::now() + within)
    }
}

/// Everything that carries the label of a run, in the order in which it is to be removed: the last that a run made
/// first, namespaces at the end. Resources that cannot be listed are named beside it.
///
/// # Errors
/// When the API server does not tell what it serves.
pub fn leftovers(cluster: &dyn Cluster) -> Result<(Vec<Leftover>, Vec<String>), Failure> {
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for (group, wanted) in GROUPS {
        for root in roots(cluster, group)? {
            for (plural, kind) in resources(cluster, &root)? {
                let is_wanted = wanted.is_none_or(|wanted| wanted.contains(&plural.as_str()));
                if !is_wanted || !seen.insert((*group, plural.clone())) {
                    continue;
                }
                match list_if_served(cluster, &format!("{root}/{plural}?labelSelector={}", escaped(RUN_LABEL))) {
                    Ok(objects) => {
                        found.extend(objects.iter().filter_map(|each| leftover(&root, &plural, &kind, each)));
                    }
                    Err(error) => unread.push(error.to_string()),
                }
            }
        }
    }
    found.sort_by(|one, other| (one.rank, &one.what).cmp(&(other.rank, &other.what)));
    Ok((found, unread))
}

fn leftover(root: &str, plural: &str, kind: &str, object: &Value) -> Option<Leftover> {
    let run = run_of(object)?.to_owned();
    let mut object = object.clone();
    // Objects of a list do not name their kind.
    object["kind"] = kind.into();
    let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
    let path = match namespace {
        "" => format!("{root}/{plural}/{name}"),
        namespace => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
    };
    let order = object.pointer("/metadata/annotations").and_then(|all| all.get(ORDER)?.as_str()?.parse().ok());
    let rank = (kind == "Namespace", std::cmp::Reverse(order.unwrap_or(0)));
    Some(Leftover { what: reference(&object), run, made: Made::of(&object, path), rank })
}

/// The versions of a group, the preferred one first.
fn roots(cluster: &dyn Cluster, group: &str) -> Result<Vec<String>, Failure> {
    if group.is_empty() {
        return Ok(vec!["/api/v1".to_owned()]);
    }
    let Some(body) = get(cluster, &format!("/apis/{group}"))? else { return Ok(Vec::new()) };
    let preferred = text(&body, "/preferredVersion/groupVersion").to_owned();
    let versions = items(&body, "/versions").iter().map(|version| text(version, "/groupVersion").to_owned());
    let mut all: Vec<String> = versions.filter(|version| *version != preferred).collect();
    all.insert(0, preferred);
    Ok(all.into_iter().filter(|version| !version.is_empty()).map(|version| format!("/apis/{version}")).collect())
}

/// Plural and kind of the resources that can be deleted.
fn resources(cluster: &dyn Cluster, root: &str) -> Result<Vec<(String, String)>, Failure> {
    let Some(body) = get(cluster, root)? else { return Ok(Vec::new()) };
    let deletable = |resource: &&Value| {
        let name = text(resource, "/name");
        !name.contains('/') && items(resource, "/verbs").iter().any(|verb| verb == "delete")
    };
    let all = items(&body, "/resources").iter().filter(deletable);
    Ok(all.map(|resource| (text(resource, "/name").to_owned(), text(resource, "/kind").to_owned())).collect())
}

fn get(cluster: &dyn Cluster, path: &str) -> Result<Option<Value>, Failure> {
    let answer = cluster.send(&ApiCall { verb: Verb::Get, path, body: None, user: None })?;
    match answer.status {
        404 => Ok(None),
        _ if answer.accepted() => Ok(Some(answer.body)),
        status => Err(Failure::new("discovery", format!("GET {path}: {status} {}", answer.message()))
            .hint("every authenticated user may usually read it (role system:discovery)")),
    }
}
