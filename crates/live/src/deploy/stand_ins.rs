//! Which workloads of the manifests stand-ins are made of, and which of their accounts and Services come with them.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::read::text;
use airtight_manifest::Diagnostic;
use airtight_probe::image::PROGRAM;
use serde_json::Value;

use super::plan::{DeployPlan, Place};
use crate::temporary::{StandIn, Survey, Workload, account, reference, stand_in};

/// Namespaces of the platform, in which nothing stands in for anything.
const PLATFORM: &[&str] =
    &["istio-system", "kgateway-system", "agentgateway-system", "kyverno", "cilium", "cilium-system"];

/// The stand-ins of all workloads; a workload that nothing stands in for is a finding.
pub(super) fn stand_ins(plan: &DeployPlan<'_>, findings: &mut Vec<Diagnostic>) -> Vec<StandIn> {
    let services: Vec<Value> = plan.objects.iter().filter(|object| is(object, "v1", "Service")).cloned().collect();
    let mut made: BTreeMap<(String, String), StandIn> = BTreeMap::new();
    for object in plan.objects {
        match stand_in(object, &services, &plan.options.image, PROGRAM) {
            Some(Ok(stand_in)) if is_platform(&stand_in.namespace) => {}
            Some(Ok(stand_in)) => {
                made.entry((stand_in.namespace.clone(), stand_in.workload.clone())).or_insert(stand_in);
            }
            Some(Err(left_out)) => findings.push(left_out_of(&left_out.what, &left_out.why)),
            None => {}
        }
    }
    made.into_values().collect()
}

fn is_platform(namespace: &str) -> bool {
    namespace.starts_with("kube-") || PLATFORM.contains(&namespace)
}

/// The service accounts that stand-ins run as.
pub(super) fn accounts(plan: &DeployPlan<'_>, stand_ins: &[StandIn]) -> Vec<Value> {
    let names: BTreeSet<(&str, &str)> =
        stand_ins.iter().map(|each| (each.namespace.as_str(), each.service_account.as_str())).collect();
    let manifest = |namespace: &str, name: &str| {
        plan.objects.iter().find(|object| {
            is(object, "v1", "ServiceAccount")
                && text(object, "/metadata/name") == name
                && text(object, "/metadata/namespace") == namespace
        })
    };
    let own = names.into_iter().filter(|(_, name)| *name != "default");
    own.map(|(namespace, name)| account(namespace, name, manifest(namespace, name))).collect()
}

/// Whether a stand-in runs as an account.
pub(super) fn uses(stand_ins: &[StandIn], account: &Value) -> bool {
    let key = (text(account, "/metadata/namespace"), text(account, "/metadata/name"));
    stand_ins.iter().any(|each| (each.namespace.as_str(), each.service_account.as_str()) == key)
}

/// Whether a stand-in may be put where its manifest says; if not, that is a finding.
pub(super) fn fits(stand_in: &StandIn, place: Place, survey: &Survey, findings: &mut Vec<Diagnostic>) -> bool {
    let StandIn { namespace, workload, labels, .. } = stand_in;
    let is_foreign = place == Place::New && survey.namespaces.contains_key(namespace);
    let why = match survey.place(namespace, workload, labels) {
        Workload::Exists => "it has pods, which were left alone".to_owned(),
        Workload::Selected(service) => format!(
            "Service {service} selects its labels, and would send it real traffic; --as-deployed starts in what is there"
        ),
        Workload::Free if is_foreign => {
            format!("namespace {namespace} is not this run's; --stand-ins=anywhere uses it all the same")
        }
        Workload::Free => return true,
    };
    findings.push(left_out_of(&format!("{namespace}/{workload}"), &why));
    false
}

/// A Service is made if it is not there: in a namespace of this run's, or for a stand-in that it selects.
pub(super) fn belongs(service: &Value, stand_ins: &[StandIn], survey: &Survey) -> bool {
    let namespace = text(service, "/metadata/namespace");
    if survey.existing.contains_key(&reference(service)) {
        return false;
    }
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    let selects = |each: &StandIn| {
        each.namespace == namespace
            && selector.is_some_and(|selector| {
                !selector.is_empty()
                    && selector.iter().all(|(name, value)| each.labels.get(name).map(String::as_str) == value.as_str())
            })
    };
    let own = !survey.namespaces.contains_key(namespace) && stand_ins.iter().any(|each| each.namespace == namespace);
    own || stand_ins.iter().any(selects)
}

fn left_out_of(what: &str, why: &str) -> Diagnostic {
    Diagnostic::warning("no-stand-in", format!("nothing stands in for {what}: {why}"))
}

/// Whether an object is of a kind.
pub(super) fn is(object: &Value, version: &str, kind: &str) -> bool {
    text(object, "/apiVersion") == version && text(object, "/kind") == kind
}
