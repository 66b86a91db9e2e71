//! What every cluster has and manifests seldom hold: the resolver behind `kube-system/kube-dns`.
//!
//! Without it no name would resolve in the model, and a policy that forgets to let DNS through would do no harm.
//! Installers put CoreDNS there under the labels and names of its predecessor (kubeadm
//! `cmd/kubeadm/app/phases/addons/dns/manifests.go`).

use std::sync::Arc;

use airtight_manifest::{Diagnostic, Document, Object, ObjectRef, RuleRef, Severity, decode_object, kubernetes, yaml};

use super::admission::AdmissionEvent;
use super::pod::Pod;

/// Where the stand-ins say that they were written.
pub(super) const FILE: &str = "built-in/kube-dns.yaml";

const TEXT: &str = include_str!("kube-dns.yaml");
const NAMESPACE: &str = "kube-system";
const SERVICE: &str = "kube-dns";
const LABEL: (&str, &str) = ("k8s-app", "kube-dns");

/// Names under which a manifest set may bring the resolver's workload itself.
const WORKLOADS: &[&str] = &["coredns", "kube-dns"];

/// The parts of the resolver that manifests lack.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    pub(super) service: Option<Object<kubernetes::Service>>,
    pub(super) pod: Option<Object<kubernetes::Pod>>,
    /// The note that tells the reader of them.
    pub(super) note: Option<Diagnostic>,
}

impl Resolver {
    /// What stands in for the resolver beside the Services and pods of the manifests. What admission refused is not
    /// replaced: in the cluster it would be missing too.
    pub(super) fn missing(services: &[Object<kubernetes::Service>], pods: &[Pod], events: &[AdmissionEvent]) -> Self {
        let wants_service =
            !services.iter().any(|service| is_service(&service.meta.object)) && !refused(events, SERVICE);
        let wants_pod = !pods.iter().any(is_server) && !WORKLOADS.iter().any(|name| refused(events, name));
        let documents = yaml::parse(&Arc::from(FILE), TEXT).unwrap_or_default();
        let [service, pod] = documents.as_slice() else { return Self::default() };
        let mut found = Self {
            service: Some(service).filter(|_| wants_service).and_then(|document| decode_object(document).ok()),
            pod: Some(pod).filter(|_| wants_pod).and_then(|document| decode_object(document).ok()),
            note: None,
        };
        found.note = found.told(service);
        found
    }

    fn told(&self, at: &Document) -> Option<Diagnostic> {
        let what = match (&self.service, &self.pod) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                "the manifests have no kube-system/kube-dns: a Service and a CoreDNS pod stand in for it"
            }
            (Some(_), None) => "the manifests have no Service kube-system/kube-dns: one stands in for it",
            (None, Some(_)) => "the manifests have no pod behind kube-system/kube-dns: a CoreDNS pod stands in for it",
        };
        let note = Diagnostic::new(Severity::Note, "assumed-resolver", what).at(at.location(at.root.at));
        Some(note.hint("add your cluster's own, if it has other labels, names or ports"))
    }
}

/// Where a stand-in was written.
pub(super) fn origin(pod: &Object<kubernetes::Pod>) -> RuleRef {
    pod.meta.whole()
}

fn is_service(object: &ObjectRef) -> bool {
    object.namespace.as_deref() == Some(NAMESPACE) && &*object.name == SERVICE
}

fn is_server(pod: &Pod) -> bool {
    &*pod.namespace == NAMESPACE && pod.labels.get(LABEL.0).is_some_and(|value| value == LABEL.1)
}

fn refused(events: &[AdmissionEvent], name: &str) -> bool {
    events.iter().any(|event| match event {
        AdmissionEvent::Rejected { object, .. } => {
            object.namespace.as_deref() == Some(NAMESPACE) && object.name.starts_with(name)
        }
        AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => false,
    })
}
