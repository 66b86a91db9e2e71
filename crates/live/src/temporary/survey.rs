//! What is on a cluster before anything is made.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::ApiCall;
use airtight_cluster::pod::Pod;
use airtight_cluster::read::list;
use airtight_cluster::wait::{Look, Patience, until};
use airtight_manifest::Failure;
use serde_json::Value;

use super::created::{RUN_LABEL, reference, run_of};
use super::resources::{PREFIX, TemporaryResources};

/// What is on a cluster before anything is made.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// All namespaces, with their labels.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Of the objects that were asked for, those that exist, with the run that made them if one did.
    pub existing: BTreeMap<String, Option<String>>,
    /// Workloads that have pods, by namespace and name.
    pub workloads: BTreeSet<(String, String)>,
    /// Selectors of Services.
    services: Vec<Selector>,
}

/// A workload's place among those of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workload {
    /// Nothing speaks against a stand-in.
    Free,
    /// It has pods.
    Exists,
    /// A Service would send a stand-in what is meant for the real workload.
    Selected(String),
}

#[derive(Debug, Clone)]
struct Selector {
    namespace: String,
    name: String,
    labels: BTreeMap<String, String>,
}

impl Survey {
    /// Whether a stand-in with these labels may be put into a namespace.
    #[must_use]
    pub fn place(&self, namespace: &str, workload: &str, labels: &BTreeMap<String, String>) -> Workload {
        if self.workloads.contains(&(namespace.to_owned(), workload.to_owned())) {
            return Workload::Exists;
        }
        let selects = |service: &&Selector| {
            service.namespace == namespace
                && !service.labels.is_empty()
                && service.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        match self.services.iter().find(selects) {
            Some(service) => Workload::Selected(service.name.clone()),
            None => Workload::Free,
        }
    }
}

pub(super) fn survey(resources: &mut TemporaryResources<'_>, objects: &[Value]) -> Result<Survey, Failure> {
    let mut found = Survey { namespaces: namespaces(resources)?, ..Survey::default() };
    for object in objects {
        let (_, path) = resources.places(object)?;
        if let Some(there) = settled(resources, &path)? {
            found.existing.insert(reference(object), run_of(&there).map(str::to_owned));
        }
    }
    for pod in list(resources.cluster, "/api/v1/pods")?.iter().filter_map(|pod| Pod::read(pod, "")) {
        found.workloads.insert((pod.namespace, pod.workload));
    }
    found.services = list(resources.cluster, "/api/v1/services")?.iter().filter_map(selector).collect();
    Ok(found)
}

fn namespaces(resources: &TemporaryResources<'_>) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
    let waited = until(steady(resources), &|| resources.cluster.is_over(), || {
        let all = list(resources.cluster, "/api/v1/namespaces")?;
        let of_runs = all.iter().filter(|each| run_of(each).is_some());
        let (going, there): (Vec<&Value>, Vec<&Value>) = of_runs.partition(|each| is_going(each));
        if let Some(other) = there.iter().find(|each| name(each).starts_with(PREFIX)) {
            let message = format!("temporary resources of another run are on the cluster (namespace {})", name(other));
            return Err(Failure::new("other-run", message)
                .hint("let that run end; if it has crashed, `airtight clean` removes what it made"));
        }
        if going.is_empty() {
            let labelled = all.iter().map(|each| (name(each).to_owned(), labels(each, "/metadata/labels")));
            return Ok(Look::Done(labelled.collect()));
        }
        Ok(Look::Open(going.iter().map(|each| name(each)).collect::<Vec<_>>().join(", ")))
    })?;
    waited.map_err(|late| {
        Failure::new("other-run", format!("namespaces of an earlier run do not go away: {}", late.last))
            .hint("`kubectl describe namespace` says what they wait for")
    })
}

fn steady(resources: &TemporaryResources<'_>) -> Patience {
    Patience::steady(resources.patience.within, resources.patience.first_pause)
}

fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// An object as it is, once it is not being deleted any more.
fn settled(resources: &TemporaryResources<'_>, path: &str) -> Result<Option<Value>, Failure> {
    let waited = until(steady(resources), &|| resources.cluster.is_over(), || {
        let answer = resources.cluster.send(&ApiCall::get(path))?;
        match answer.status {
            404 => Ok(Look::Done(None)),
            _ if !answer.accepted() => {
                let message = format!("cannot tell whether {path} exists: {}", answer.words());
                Err(Failure::new("unread", message)
                    .hint("`airtight rbac` with the same flags prints the role that this takes"))
            }
            _ if is_going(&answer.body) => Ok(Look::Open(Some(answer.body))),
            _ => Ok(Look::Done(Some(answer.body))),
        }
    })?;
    Ok(waited.unwrap_or_else(|late| late.last))
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

fn labels(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let labels = object.pointer(pointer).and_then(Value::as_object);
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    labels.map(|labels| labels.iter().filter_map(text).collect()).unwrap_or_default()
}

fn selector(service: &Value) -> Option<Selector> {
    let namespace = service.pointer("/metadata/namespace")?.as_str()?.to_owned();
    Some(Selector { namespace, name: name(service).to_owned(), labels: labels(service, "/spec/selector") })
}

/// Labels of a namespace's manifest that the namespace on the cluster does not have.
#[must_use]
pub fn lacking(wanted: &Value, there: &BTreeMap<String, String>) -> Vec<String> {
    labels(wanted, "/metadata/labels")
        .into_iter()
        .filter(|(name, value)| there.get(name) != Some(value) && name != RUN_LABEL)
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}
