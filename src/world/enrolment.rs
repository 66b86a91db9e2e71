//! Which pods the mesh captures (Istio `cni/pkg/util/enablement_selector.go`, `podutil.go`).

use super::{Enrolment, Stack};
use crate::manifest::Labels;

/// How the mesh sees a pod.
#[must_use]
pub fn enrolment(
    pod_labels: &Labels,
    pod_annotations: &Labels,
    namespace_labels: &Labels,
    namespace: &str,
    host_network: bool,
    _stack: &Stack,
) -> Enrolment {
    if pod_annotations.contains_key("sidecar.istio.io/status") {
        return Enrolment::Sidecar;
    }
    let mode = |labels: &Labels| labels.get("istio.io/dataplane-mode").cloned();
    let wanted = match mode(pod_labels).as_deref() {
        Some("ambient") => true,
        Some("none") => false,
        _ => mode(namespace_labels).as_deref() == Some("ambient"),
    };
    if host_network || namespace == "kube-system" || !wanted {
        return Enrolment::None;
    }
    match pod_annotations.get("ambient.istio.io/bypass-inbound-capture").map(String::as_str) {
        Some("true") => Enrolment::AmbientOutbound,
        _ => Enrolment::Ambient,
    }
}
