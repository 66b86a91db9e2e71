//! What GatewayParameters and AgentgatewayParameters change about a proxy.

use airtight_manifest::gateway_api::Gateway;
use airtight_manifest::kgateway::{AGENTGATEWAY_GROUP, AgentgatewayParameters, GROUP, GatewayParameters};
use airtight_manifest::{Diagnostic, Labels, Object, RuleRef};

use super::gateway_class::{Class, Implementation};
use super::objects::Objects;
use super::proxy::ServiceType;
use super::service::ExternalTraffic;

/// What the parameters of a Gateway and of its class add up to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Parameters {
    /// Further labels of the pods.
    pub(super) labels: Labels,
    /// Further annotations of the pods.
    pub(super) annotations: Labels,
    /// Type of the Service, if written.
    pub(super) service_type: Option<ServiceType>,
    /// How the Service treats clients from outside, if written.
    pub(super) external_traffic: Option<ExternalTraffic>,
    /// Whether the controller makes no proxy.
    pub(super) self_managed: bool,
    /// Whether agentgateway takes part in Istio's mesh by itself.
    pub(super) speaks_hbone: bool,
    /// Constructs that the engine does not model.
    pub(super) unmodelled: Vec<RuleRef>,
}

/// The parameters of the class, then those of the Gateway, which win.
///
/// # Errors
/// If a named parameters object does not exist: the controller then makes no proxy.
pub(super) fn parameters(
    gateway: &Object<Gateway>,
    class: &Class,
    implementation: Implementation,
    objects: &Objects,
) -> Result<Parameters, Diagnostic> {
    let mut merged = Parameters::default();
    if let Some(reference) = &class.parameters {
        let namespace = reference.namespace.as_deref().unwrap_or_default();
        let origin = class.origin.clone();
        merge(&mut merged, (&reference.group, &reference.kind), (namespace, &reference.name), origin, objects)?;
    }
    let own =
        gateway.body.spec.infrastructure.as_ref().and_then(|infrastructure| infrastructure.parameters_ref.as_ref());
    if let Some(reference) = own {
        let origin = gateway.meta.rule("spec.infrastructure.parametersRef", reference.at);
        let name = (gateway.meta.namespace(), reference.name.as_str());
        merge(&mut merged, (&reference.group, &reference.kind), name, Some(origin), objects)?;
    }
    if !implementation.is_agentgateway() {
        merged.speaks_hbone = false;
    }
    Ok(merged)
}

fn merge(
    merged: &mut Parameters,
    (group, kind): (&str, &str),
    (namespace, name): (&str, &str),
    origin: Option<RuleRef>,
    objects: &Objects,
) -> Result<(), Diagnostic> {
    match (group, kind) {
        (GROUP, "GatewayParameters") => {
            let object = find(&objects.gateway_parameters, kind, namespace, name)?;
            apply_kgateway(merged, object);
        }
        (AGENTGATEWAY_GROUP, "AgentgatewayParameters") => {
            let object = find(&objects.agentgateway_parameters, kind, namespace, name)?;
            apply_agentgateway(merged, object);
        }
        // Istio reads a ConfigMap of patches, which the engine does not.
        _ => merged.unmodelled.extend(origin),
    }
    Ok(())
}

fn find<'a, T>(objects: &'a [Object<T>], kind: &str, namespace: &str, name: &str) -> Result<&'a Object<T>, Diagnostic> {
    objects.iter().find(|object| object.meta.namespace() == namespace && object.meta.name() == name).ok_or_else(|| {
        Diagnostic::error("missing-parameters", format!("{kind} {namespace}/{name} does not exist"))
            .hint("the controller makes no proxy for a Gateway whose parameters are missing")
    })
}

fn apply_kgateway(merged: &mut Parameters, object: &Object<GatewayParameters>) {
    let spec = &object.body.spec;
    merged.self_managed |= spec.self_managed.is_some();
    merged.unmodelled.extend(unmodelled(&object.meta));
    let Some(kube) = &spec.kube else { return };
    if let Some(template) = &kube.pod_template {
        merged.labels.extend(template.extra_labels.clone().unwrap_or_default());
        merged.annotations.extend(template.extra_annotations.clone().unwrap_or_default());
    }
    let written = kube.service.as_ref().and_then(|service| service.kind.as_deref());
    merged.service_type = written.and_then(ServiceType::parse).or(merged.service_type);
    let policy = kube.service.as_ref().and_then(|service| service.external_traffic_policy.as_deref());
    merged.external_traffic = policy.map(|name| ExternalTraffic::named(Some(name))).or(merged.external_traffic);
}

fn apply_agentgateway(merged: &mut Parameters, object: &Object<AgentgatewayParameters>) {
    merged.unmodelled.extend(unmodelled(&object.meta));
    if let Some(istio) = &object.body.spec.istio {
        merged.speaks_hbone = istio.enabled.unwrap_or(true);
    }
    if merged.speaks_hbone {
        merged.labels.insert("sidecar.istio.io/inject".to_owned(), "false".to_owned());
    }
}

fn unmodelled(meta: &airtight_manifest::Meta) -> impl Iterator<Item = RuleRef> {
    meta.unmodelled.iter().map(|field| meta.rule(field.path.as_str(), field.at))
}
