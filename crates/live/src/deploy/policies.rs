//! The policies of the manifests: which are made, and that none of somebody else's is overwritten.

use std::collections::BTreeSet;

use airtight_cluster::Cluster;
use airtight_cluster::discovery::Kinds;
use airtight_cluster::order::turn;
use airtight_cluster::read::text;
use airtight_cluster::wait::Revisions;
use airtight_manifest::{Diagnostic, Failure};
use serde_json::Value;

use super::plan::DeployPlan;
use crate::temporary::{Survey, reference};

/// API groups whose objects decide about traffic or objects.
const GROUPS: &[&str] = &[
    "cilium.io",
    "policy.networking.k8s.io",
    "security.istio.io",
    "networking.istio.io",
    "gateway.networking.k8s.io",
    "gateway.kgateway.dev",
    "agentgateway.dev",
    "kyverno.io",
    "policies.kyverno.io",
];

/// Policies in the order in which a roll-out under traffic cuts nothing that is meant to work. Those of kinds that the
/// cluster does not serve are findings.
pub(super) fn policies(
    plan: &DeployPlan<'_>,
    cluster: &dyn Cluster,
    findings: &mut Vec<Diagnostic>,
) -> Result<Vec<Value>, Failure> {
    let mut all: Vec<Value> = plan.objects.iter().filter(|object| is_policy(object)).cloned().collect();
    let missing = unserved(cluster, &all)?;
    for (version, kind) in &missing {
        findings.push(Diagnostic::warning(
            "not-served",
            format!("the cluster does not serve {kind} of {version}: those of the manifests were not applied"),
        ));
    }
    all.retain(|object| !missing.contains(&kind_of(object)));
    all.sort_by_key(turn);
    Ok(all)
}

/// Whether an object decides about traffic or objects.
pub(crate) fn is_policy(object: &Value) -> bool {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    GROUPS.contains(&group) || (group == "networking.k8s.io" && text(object, "/kind") == "NetworkPolicy")
}

/// `apiVersion` and kind.
fn kind_of(object: &Value) -> (String, String) {
    (text(object, "/apiVersion").to_owned(), text(object, "/kind").to_owned())
}

/// Kinds of which a cluster lacks the resource, of those that objects have.
fn unserved(cluster: &dyn Cluster, objects: &[Value]) -> Result<BTreeSet<(String, String)>, Failure> {
    let kinds = Kinds::new(cluster);
    let mut missing = BTreeSet::new();
    for (version, kind) in objects.iter().map(kind_of).collect::<BTreeSet<_>>() {
        if kinds.find(&version, &kind)?.is_none() {
            missing.insert((version, kind));
        }
    }
    Ok(missing)
}

/// Whether Cilium's agents count it: each such policy makes a new revision (Cilium `pkg/policy/repository.go`).
pub(super) fn counts_for_cilium(policy: &Value) -> bool {
    let counted = ["NetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"];
    let group = text(policy, "/apiVersion").split('/').next().unwrap_or_default();
    counted.contains(&text(policy, "/kind")) && matches!(group, "networking.k8s.io" | "cilium.io")
}

/// Cilium's agents count policies: what they had before says when they have the new ones.
pub(super) fn revisions(cluster: &dyn Cluster) -> Result<Revisions, Failure> {
    Revisions::now(cluster).map_err(|error| {
        Failure::new("revision", format!("nobody could tell when the policies are in force: {error}"))
            .hint("it takes `exec` in Cilium's agents; `airtight rbac` prints the role")
    })
}

/// An error if one of the policies is there.
pub(super) fn refuse_to_overwrite(policies: &[Value], survey: &Survey) -> Result<(), Failure> {
    let mut there = policies.iter().filter_map(|policy| survey.existing.get_key_value(&reference(policy)));
    let Some((first, run)) = there.next() else { return Ok(()) };
    let more = match there.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let error = |message: String, hint: &str| Err(Failure::new("exists", message).hint(hint));
    match run {
        Some(run) => error(
            format!("{first}{more} of the manifests is on the cluster, left there by {run}; nothing was made"),
            "`airtight clean` removes what earlier runs left",
        ),
        None => error(
            format!("{first}{more} of the manifests is on the cluster already; nothing was made"),
            "what is in force already needs no --apply-policies; or take it out of --manifests, or delete it",
        ),
    }
}
