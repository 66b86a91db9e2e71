//! Which pods the mesh captures (Istio `cni/pkg/util/enablement_selector.go`, `podutil.go`,
//! `pilot/pkg/serviceregistry/ambient/workloads.go`, `setTunnelProtocol`).

use airtight_manifest::Labels;
use airtight_manifest::istio::go_bool;
use airtight_manifest::stack::{Component, Stack, at_least};

use super::Enrolment;

const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
const SIDECAR_STATUS: &str = "sidecar.istio.io/status";
const INJECT: &str = "sidecar.istio.io/inject";
const INJECTION: &str = "istio-injection";
const REVISION: &str = "istio.io/rev";
const BYPASS_INBOUND: &str = "ambient.istio.io/bypass-inbound-capture";
const TUNNEL: &str = "networking.istio.io/tunnel";

/// How the mesh sees a pod: its own label beats its namespace's; sidecars, the host network, excluded namespaces and
/// ztunnel itself are never captured.
///
/// A pod that is labelled counts as captured: that istio-cni has done so is for a live testbed to find out.
#[must_use]
pub fn enrolment(
    pod_labels: &Labels,
    pod_annotations: &Labels,
    namespace_labels: &Labels,
    namespace: &str,
    host_network: bool,
    stack: &Stack,
) -> Enrolment {
    if host_network || stack.lacks(Component::Istio) {
        return Enrolment::None;
    }
    if pod_annotations.contains_key(SIDECAR_STATUS)
        || injected(pod_labels, pod_annotations, namespace_labels, namespace)
    {
        return Enrolment::Sidecar;
    }
    let ztunnel = namespace == stack.istio.root_namespace && pod_labels.get("app").is_some_and(|app| app == "ztunnel");
    if wants_ambient(pod_labels, namespace_labels) && !excluded(namespace, stack) && !ztunnel {
        return captured(pod_annotations);
    }
    let tunnels = pod_labels.get(TUNNEL).is_some_and(|kinds| kinds.split(',').any(|kind| kind == "http"));
    if tunnels { Enrolment::Native } else { Enrolment::None }
}

/// Whether istio-cni leaves a namespace alone by its setting. Up to 1.29 only its plugin reads that, and its agent takes the
/// pod in a moment later (Istio `cni/pkg/nodeagent/informers.go`, istio/istio#59295).
fn excluded(namespace: &str, stack: &Stack) -> bool {
    at_least(&stack.versions.istio, 1, 30) && stack.istio.exclude_namespaces.iter().any(|one| one == namespace)
}

/// Namespaces in which nothing is injected (Istio `pkg/kube/inject/inject.go`, `IgnoredNamespaces`).
const NEVER_INJECTED: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Whether the injector gives a pod a sidecar: one of its webhooks must ask it, and then the pod may have the last word
/// (Istio `manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml`, `pkg/kube/inject/inject.go`,
/// `injectRequired`). Ambient has no say in it, and a revision is taken for one that is installed.
fn injected(pod_labels: &Labels, pod_annotations: &Labels, namespace_labels: &Labels, namespace: &str) -> bool {
    let own = pod_labels.get(INJECT).map(String::as_str);
    let asked = match namespace_labels.get(INJECTION).map(String::as_str) {
        Some("enabled") => own != Some("false"),
        Some(_) => false,
        None if namespace_labels.contains_key(REVISION) || pod_labels.contains_key(REVISION) => own != Some("false"),
        None => own == Some("true"),
    };
    let word = own.or_else(|| pod_annotations.get(INJECT).map(String::as_str)).unwrap_or_default();
    let wanted = ["", "y", "yes", "true", "on"].contains(&word.to_ascii_lowercase().as_str());
    asked && wanted && !NEVER_INJECTED.contains(&namespace)
}

fn wants_ambient(pod_labels: &Labels, namespace_labels: &Labels) -> bool {
    match pod_labels.get(DATAPLANE_MODE).map(String::as_str) {
        Some("ambient") => true,
        Some("none") => false,
        Some(_) | None => namespace_labels.get(DATAPLANE_MODE).is_some_and(|mode| mode == "ambient"),
    }
}

fn captured(annotations: &Labels) -> Enrolment {
    match annotations.get(BYPASS_INBOUND).and_then(|value| go_bool(value)) {
        Some(true) => Enrolment::AmbientOutbound,
        Some(false) | None => Enrolment::Ambient,
    }
}
