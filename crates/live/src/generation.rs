//! What Kyverno generates: for which kinds, and what came of one object.
//!
//! Rules generate some time after the answer (Kyverno `pkg/background/generate`): a request waits for it, and goes away
//! when it is done (`UpdateRequest`).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use airtight_cluster::Cluster;
use airtight_cluster::discovery::{Kinds, Served};
use airtight_cluster::read::{items, list, list_if_served, text};
use airtight_cluster::wait::{Look, Patience, until};
use airtight_manifest::{Failure, ObjectRef};
use serde_json::Value;

/// Kyverno's labels on what it generated (`api/kyverno/constants.go`).
const TRIGGER: &str = "generate.kyverno.io/trigger-uid";

/// Where Kyverno keeps requests for what is to be generated.
const REQUESTS: &str = "/apis/kyverno.io/v2/updaterequests";

/// How soon a request stands there at the latest.
const BEGUN: Duration = Duration::from_secs(2);

/// How long one may take.
const WITHIN: Duration = Duration::from_secs(20);

/// An object that a rule generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generated {
    pub(super) target: ObjectRef,
    /// The uid of what made it so.
    pub(super) trigger: String,
    pub(super) served: Served,
}

/// The rules of a cluster that generate.
#[derive(Debug, Clone, Default)]
pub(super) struct Generation {
    /// Kinds of objects that make them generate.
    triggers: BTreeSet<String>,
    /// Version and kind of what they generate.
    targets: BTreeSet<(String, String)>,
}

impl Generation {
    /// Reads the policies; a cluster without Kyverno has none.
    pub(super) fn read(cluster: &dyn Cluster) -> Result<Self, Failure> {
        let mut read = Self::default();
        for path in ["/apis/kyverno.io/v1/clusterpolicies", "/apis/kyverno.io/v1/policies"] {
            for policy in list_if_served(cluster, path)?.unwrap_or_default() {
                items(&policy, "/spec/rules")
                    .iter()
                    .filter(|rule| rule.get("generate").is_some())
                    .for_each(|rule| read.take(rule));
            }
        }
        Ok(read)
    }

    fn take(&mut self, rule: &Value) {
        let filters = ["/match/any", "/match/all"].iter().flat_map(|list| items(rule, list)).chain(rule.get("match"));
        let kinds = filters.flat_map(|filter| items(filter, "/resources/kinds")).filter_map(Value::as_str);
        // `group/version/Kind` and `Kind` alike.
        self.triggers.extend(kinds.map(|kind| kind.rsplit('/').next().unwrap_or(kind).to_owned()));
        let generate = &rule["generate"];
        let target = |version: &str, kind: &str| (version.to_owned(), kind.to_owned());
        if !text(generate, "/kind").is_empty() {
            self.targets.insert(target(text(generate, "/apiVersion"), text(generate, "/kind")));
        }
        let cloned = items(generate, "/cloneList/kinds").iter().filter_map(Value::as_str);
        self.targets.extend(cloned.map(|kind| {
            kind.rsplit_once('/').map_or_else(|| target("v1", kind), |(version, kind)| target(version, kind))
        }));
    }

    /// Whether an object of a kind may make a rule generate.
    pub(super) fn is_triggered_by(&self, kind: &str) -> bool {
        self.triggers.contains(kind) || self.triggers.contains("*")
    }

    /// What there is now that was generated.
    pub(super) fn generated(&self, cluster: &dyn Cluster) -> Result<Vec<Generated>, Failure> {
        let kinds = Kinds::new(cluster);
        let mut found = Vec::new();
        for (version, kind) in &self.targets {
            let Some(served) = kinds.find(version, kind)? else { continue };
            for object in list(cluster, &served.collection(None))? {
                let Some(trigger) = object.pointer("/metadata/labels").and_then(|labels| labels.get(TRIGGER)?.as_str())
                else {
                    continue;
                };
                let namespace = Some(text(&object, "/metadata/namespace")).filter(|namespace| !namespace.is_empty());
                found.push(Generated {
                    target: ObjectRef::new(kind, namespace, text(&object, "/metadata/name")),
                    trigger: trigger.to_owned(),
                    served: served.clone(),
                });
            }
        }
        Ok(found)
    }

    /// Waits until Kyverno has done what is to be generated.
    pub(super) fn settle(&self, cluster: &dyn Cluster) -> Result<(), Failure> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let settled = until(Patience::steady(WITHIN, Duration::from_millis(400)), &|| cluster.is_over(), || {
            let open = list_if_served(cluster, REQUESTS)?.unwrap_or_default();
            let open = open.iter().filter(|request| !matches!(text(request, "/status/state"), "Completed" | "Skip"));
            let count = open.count();
            let is_done = count == 0 && begun.elapsed() >= BEGUN;
            Ok::<_, Failure>(if is_done { Look::Done(()) } else { Look::Open(count) })
        })?;
        settled.map_err(|late| {
            let message =
                format!("{} requests to generate objects are still open after {} s", late.last, late.after.as_secs());
            Failure::new("generation", message).hint("does Kyverno's background controller run?")
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_of_rules_that_generate_are_read_in_all_their_forms() {
        let mut read = Generation::default();
        read.take(&json!({"match": {"any": [{"resources": {"kinds": ["Namespace", "apps/v1/Deployment"]}}]},
            "generate": {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "name": "deny"}}));
        read.take(
            &json!({"match": {"resources": {"kinds": ["Pod"]}}, "generate": {"cloneList": {"kinds": ["v1/Secret"]}}}),
        );
        for kind in ["Namespace", "Deployment", "Pod"] {
            assert!(read.is_triggered_by(kind), "{kind}");
        }
        assert!(!read.is_triggered_by("NetworkPolicy"));
        let targets = [("networking.k8s.io/v1", "NetworkPolicy"), ("v1", "Secret")];
        assert_eq!(read.targets, targets.map(|(version, kind)| (version.to_owned(), kind.to_owned())).into());
    }
}
