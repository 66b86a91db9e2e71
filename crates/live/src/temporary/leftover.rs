//! What earlier runs left on a cluster, when nobody could remove it.

use std::collections::BTreeSet;
use std::time::Duration;

use airtight_cluster::Cluster;
use airtight_cluster::discovery::{Kinds, Served};
use airtight_cluster::read::{escaped, list_if_served, text};
use airtight_cluster::wait::Patience;
use airtight_manifest::Failure;
use serde_json::Value;

use super::created::{Created, ORDER, RUN_LABEL, reference, run_of};

/// Groups of which a run makes objects, and of which resources; none: all.
const GROUPS: &[(&str, Option<&[&str]>)] = &[
    ("", Some(&["pods", "services", "serviceaccounts", "namespaces"])),
    ("networking.k8s.io", Some(&["networkpolicies"])),
    ("policy.networking.k8s.io", None),
    // Cilium copies the labels of pods to the identities and endpoints that it makes of them.
    ("cilium.io", Some(&["ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies", "ciliumcidrgroups"])),
    ("rbac.authorization.k8s.io", Some(&["clusterroles", "clusterrolebindings"])),
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
    made: Created,
    rank: (bool, std::cmp::Reverse<usize>),
}

impl Leftover {
    /// Deletes it; if somebody has put another object in its place, that stays.
    ///
    /// # Errors
    /// In the API server's words, why it is still there after `within`.
    pub fn delete(&self, cluster: &dyn Cluster, within: Duration) -> Result<(), String> {
        self.made.delete(cluster, &self.run, Patience::steady(within, Duration::from_millis(500)))
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
    let kinds = Kinds::new(cluster);
    for (group, wanted) in GROUPS {
        for version in kinds.versions(group)? {
            for served in kinds.in_version(&version)?.iter().filter(|served| served.is_deletable()) {
                let is_wanted = wanted.is_none_or(|wanted| wanted.contains(&served.plural()));
                if !is_wanted || !seen.insert((*group, served.plural().to_owned())) {
                    continue;
                }
                let path = format!("{}?labelSelector={}", served.collection(None), escaped(RUN_LABEL));
                match list_if_served(cluster, &path) {
                    Ok(objects) => {
                        found.extend(objects.iter().flatten().filter_map(|each| leftover(served, each)));
                    }
                    Err(error) => unread.push(error.to_string()),
                }
            }
        }
    }
    found.sort_by(|one, other| (one.rank, &one.what).cmp(&(other.rank, &other.what)));
    Ok((found, unread))
}

fn leftover(served: &Served, object: &Value) -> Option<Leftover> {
    let run = run_of(object)?.to_owned();
    let mut object = object.clone();
    // Objects of a list do not name their kind.
    object["kind"] = served.kind().into();
    let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
    let path = served.at(Some(namespace).filter(|namespace| !namespace.is_empty()), name);
    let order = object.pointer("/metadata/annotations").and_then(|all| all.get(ORDER)?.as_str()?.parse().ok());
    let rank = (served.kind() == "Namespace", std::cmp::Reverse(order.unwrap_or(0)));
    Some(Leftover { what: reference(&object), run, made: Created::of(&object, path), rank })
}
