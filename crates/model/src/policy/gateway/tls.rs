//! BackendTLSPolicy: where a proxy speaks TLS to a backend (`apis/v1/backendtlspolicy_types.go`).

use airtight_manifest::gateway_api::{BackendTlsPolicy, PolicyTarget};
use airtight_manifest::stack::at_least;
use airtight_manifest::{Located, Object, ObjectRef, RuleRef};

use crate::world::{Implementation, Protocol, World};

/// What a proxy speaks on its connections to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendTls {
    /// What it is given.
    Clear,
    /// TLS, asking for this server name.
    Speaks {
        /// The name.
        name: String,
        /// The policy that says so.
        rule: RuleRef,
    },
    /// Nothing: the policy's authorities cannot be used, and the proxy answers 503.
    Broken(RuleRef),
    /// Clear text or TLS.
    Unknown(RuleRef, String),
}

/// What a proxy speaks to port `port` of a Service, by the policy in force and by whether it reads such policies.
///
/// Kgateway 2.0 speaks TLS only if the first authority is a ConfigMap that exists, and clear text otherwise (kgateway
/// `internal/kgateway/extensions2/plugins/backendtlspolicy/plugin.go`, `buildTranslateFunc`); Istio reads the policies
/// since 1.28, and blocks what it cannot verify (Istio `pilot/pkg/config/kube/gateway/backend_policies.go`).
#[must_use]
pub fn backend_tls(
    world: &World,
    implementation: Implementation,
    namespace: &str,
    name: &str,
    port: u16,
) -> BackendTls {
    let versions = &world.stack.versions;
    let old_kgateway = match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint => !at_least(&versions.kgateway, 2, 1),
        Implementation::Agentgateway
        | Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => false,
    };
    if implementation.is_istio() && !at_least(&versions.istio, 1, 28) {
        return BackendTls::Clear;
    }
    let Some((policy, rule)) = policy_for(world, namespace, name, port) else { return BackendTls::Clear };
    let validation = &policy.body.spec.validation;
    let speaks = BackendTls::Speaks { name: validation.hostname.clone(), rule: rule.clone() };
    let Some(authority) = validation.ca_certificate_refs.first() else {
        return if old_kgateway { BackendTls::Clear } else { speaks };
    };
    let is_config_map = authority.group.is_empty() && authority.kind == "ConfigMap";
    if world.stores(&ObjectRef::new("ConfigMap", Some(policy.meta.namespace()), &authority.name)) {
        return if is_config_map || old_kgateway { speaks } else { BackendTls::Broken(rule) };
    }
    if old_kgateway {
        let why =
            format!("whether ConfigMap {namespace}/{} exists decides whether the proxy speaks TLS", authority.name);
        return BackendTls::Unknown(rule, why);
    }
    BackendTls::Broken(rule)
}

/// The policy that makes a proxy speak TLS to port `port` of a Service.
///
/// A target with `sectionName` (the name of a port) wins over one without. Up to Gateway API 1.3 only
/// `v1alpha3` exists, which is what Kgateway 2.0 reads; from 1.4 on only `v1` does.
#[must_use]
pub fn originates_tls(world: &World, namespace: &str, name: &str, port: u16) -> Option<RuleRef> {
    policy_for(world, namespace, name, port).map(|(_, rule)| rule)
}

fn policy_for<'w>(
    world: &'w World,
    namespace: &str,
    name: &str,
    port: u16,
) -> Option<(&'w Object<BackendTlsPolicy>, RuleRef)> {
    let served = if at_least(&world.stack.versions.gateway_api, 1, 4) { "v1" } else { "v1alpha3" };
    let port_name = world
        .service(namespace, name)
        .and_then(|service| service.port(Protocol::Tcp, port))
        .and_then(|entry| entry.name.clone());
    let names = |target: &Located<PolicyTarget>| {
        target.group.is_empty()
            && target.kind == "Service"
            && target.name == name
            && (target.section_name.is_none() || target.section_name == port_name)
    };
    let policies = world.objects.backend_tls_policies.iter();
    policies
        .filter(|policy| {
            policy.meta.namespace() == namespace && policy.meta.api_version.ends_with(&format!("/{served}"))
        })
        .flat_map(|policy| {
            policy.body.spec.target_refs.iter().enumerate().map(move |(index, target)| (policy, index, target))
        })
        .filter(|(_, _, target)| names(target))
        .max_by_key(|(policy, index, target)| {
            let oldest_first = std::cmp::Reverse((policy.meta.created.clone(), policy.meta.name().to_owned(), *index));
            (target.section_name.is_some(), oldest_first)
        })
        .map(|(policy, index, target)| (policy, policy.meta.rule(format!("spec.targetRefs[{index}]"), target.at)))
}
