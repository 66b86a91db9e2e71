//! Names, labels and annotations of the pods that controllers make for Gateways.

use std::fmt::Write as _;
use std::sync::Arc;

use airtight_manifest::gateway_api::Gateway;
use airtight_manifest::stack::{Stack, at_least};
use airtight_manifest::{Labels, Object};
use sha2::{Digest, Sha256};

use super::gateway_class::{Class, Implementation};
use super::proxy_parameters::Parameters;

/// Label with the Gateway's name on the pods of every implementation and version.
pub const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// Label with the name of the Gateway's class on the pods of most implementations.
pub const GATEWAY_CLASS_NAME: &str = "gateway.networking.k8s.io/gateway-class-name";

const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";

/// A name of at most 63 characters: a longer one is cut to 50 and told apart by a digest.
pub(super) fn short_name(name: &str) -> Arc<str> {
    if name.len() <= 63 {
        return Arc::from(name);
    }
    let digest = Sha256::digest(name.as_bytes());
    let head: String = name.chars().take(50).collect();
    let short = digest.iter().take(6).fold(format!("{head}-"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Arc::from(short)
}

/// Labels of a proxy's pods.
pub(super) fn pod_labels(
    gateway: &Object<Gateway>,
    class: &Class,
    implementation: Implementation,
    name: &str,
    parameters: &Parameters,
    stack: &Stack,
) -> Labels {
    let own = match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint => kgateway_labels(name, stack),
        Implementation::Agentgateway => application_labels(name),
        Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => istio_labels(implementation, name),
    };
    let mut labels = base_labels(gateway, implementation, parameters);
    let infrastructure = infrastructure_labels(gateway, implementation, stack);
    if implementation.is_istio() {
        labels.extend(own);
        labels.extend(infrastructure);
    } else {
        labels.extend(infrastructure);
        labels.extend(parameters.labels.clone());
        labels.extend(own);
    }
    labels.insert(GATEWAY_NAME.to_owned(), name_label(gateway));
    if has_class_label(implementation, stack) {
        labels.insert(GATEWAY_CLASS_NAME.to_owned(), class.name.to_string());
    }
    labels
}

fn name_label(gateway: &Object<Gateway>) -> String {
    short_name(gateway.meta.name()).to_string()
}

fn has_class_label(implementation: Implementation, stack: &Stack) -> bool {
    match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint => at_least(&stack.versions.kgateway, 2, 1),
        Implementation::Agentgateway
        | Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => true,
    }
}

/// Labels that settle how the mesh sees the pods.
fn base_labels(gateway: &Object<Gateway>, implementation: Implementation, parameters: &Parameters) -> Labels {
    let mode = match implementation {
        // Its pod must be captured: ztunnel ends HBONE and hands over with PROXY protocol.
        Implementation::KgatewayWaypoint => Some("ambient"),
        Implementation::Agentgateway if parameters.speaks_hbone => Some("none"),
        Implementation::IstioWaypoint | Implementation::IstioEastWest | Implementation::IstioAgentgatewayWaypoint => {
            Some("none")
        }
        Implementation::IstioGateway | Implementation::IstioAgentgateway
            if !gateway.meta.labels.contains_key(DATAPLANE_MODE) =>
        {
            Some("none")
        }
        Implementation::IstioGateway
        | Implementation::IstioAgentgateway
        | Implementation::Agentgateway
        | Implementation::Kgateway => None,
    };
    mode.map(|mode| (DATAPLANE_MODE.to_owned(), mode.to_owned())).into_iter().collect()
}

fn application_labels(name: &str) -> Labels {
    Labels::from([
        ("app.kubernetes.io/name".to_owned(), name.to_owned()),
        ("app.kubernetes.io/instance".to_owned(), name.to_owned()),
    ])
}

fn kgateway_labels(name: &str, stack: &Stack) -> Labels {
    let mut labels = application_labels(name);
    labels.insert("kgateway".to_owned(), "kube-gateway".to_owned());
    if at_least(&stack.versions.kgateway, 2, 3) {
        labels.insert("app.kubernetes.io/component".to_owned(), "proxy".to_owned());
    }
    labels
}

fn istio_labels(implementation: Implementation, name: &str) -> Labels {
    let controller = match implementation {
        Implementation::IstioWaypoint => "istio.io-mesh-controller",
        Implementation::IstioEastWest => "istio.io-eastwest-controller",
        Implementation::IstioAgentgatewayWaypoint => "istio.io-agentgateway-waypoint-controller",
        Implementation::IstioGateway
        | Implementation::IstioAgentgateway
        | Implementation::Kgateway
        | Implementation::KgatewayWaypoint
        | Implementation::Agentgateway => "istio.io-gateway-controller",
    };
    Labels::from([
        ("sidecar.istio.io/inject".to_owned(), "false".to_owned()),
        ("service.istio.io/canonical-name".to_owned(), name.to_owned()),
        ("service.istio.io/canonical-revision".to_owned(), "latest".to_owned()),
        ("gateway.istio.io/managed".to_owned(), controller.to_owned()),
    ])
}

/// Labels of `spec.infrastructure`; Istio falls back to the Gateway's own and ignores the Gateway API's prefix,
/// Kgateway reads the field since 2.2.
fn infrastructure_labels(gateway: &Object<Gateway>, implementation: Implementation, stack: &Stack) -> Labels {
    let written = gateway.body.spec.infrastructure.as_ref().and_then(|infrastructure| infrastructure.labels.clone());
    infrastructure(written, &gateway.meta.labels, implementation, stack)
}

fn infrastructure(written: Option<Labels>, own: &Labels, implementation: Implementation, stack: &Stack) -> Labels {
    match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint if !at_least(&stack.versions.kgateway, 2, 2) => {
            Labels::new()
        }
        Implementation::Kgateway | Implementation::KgatewayWaypoint | Implementation::Agentgateway => {
            written.unwrap_or_default()
        }
        Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => {
            let mut labels = written.unwrap_or_else(|| own.clone());
            labels.retain(|key, _| !key.starts_with("gateway.networking.k8s.io/"));
            labels
        }
    }
}

/// Annotations of a proxy's pods.
pub(super) fn pod_annotations(
    gateway: &Object<Gateway>,
    implementation: Implementation,
    parameters: &Parameters,
    stack: &Stack,
) -> Labels {
    let written =
        gateway.body.spec.infrastructure.as_ref().and_then(|infrastructure| infrastructure.annotations.clone());
    let mut annotations = infrastructure(written, &gateway.meta.annotations, implementation, stack);
    annotations.extend(parameters.annotations.clone());
    if implementation == Implementation::KgatewayWaypoint {
        annotations.insert("ambient.istio.io/dns-capture".to_owned(), "false".to_owned());
    }
    annotations
}
