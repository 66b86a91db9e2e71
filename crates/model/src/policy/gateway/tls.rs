//! BackendTLSPolicy: where a proxy speaks TLS to a backend (`apis/v1/backendtlspolicy_types.go`).

use airtight_manifest::RuleRef;
use airtight_manifest::stack::at_least;

use crate::world::{Protocol, World};

/// The policy that makes a proxy speak TLS to port `port` of a Service.
///
/// A target with `sectionName` (the name of a port) wins over one without. Up to Gateway API 1.3 only
/// `v1alpha3` exists, which is what Kgateway 2.0 reads; from 1.4 on only `v1` does.
#[must_use]
pub fn originates_tls(world: &World, namespace: &str, name: &str, port: u16) -> Option<RuleRef> {
    let served = if at_least(&world.stack.versions.gateway_api, 1, 4) { "v1" } else { "v1alpha3" };
    let port_name = world
        .service(namespace, name)
        .and_then(|service| service.port(Protocol::Tcp, port))
        .and_then(|entry| entry.name.clone());
    let policies = world.objects.backend_tls_policies.iter();
    policies
        .filter(|policy| {
            policy.meta.namespace() == namespace && policy.meta.api_version.ends_with(&format!("/{served}"))
        })
        .flat_map(|policy| {
            policy.body.spec.target_refs.iter().enumerate().map(move |(index, target)| (policy, index, target))
        })
        .filter(|(_, _, target)| target.group.is_empty() && target.kind == "Service" && target.name == name)
        .filter(|(_, _, target)| target.section_name.is_none() || target.section_name == port_name)
        .max_by_key(|(policy, index, target)| {
            let oldest_first = std::cmp::Reverse((policy.meta.created.clone(), policy.meta.name().to_owned(), *index));
            (target.section_name.is_some(), oldest_first)
        })
        .map(|(policy, index, target)| policy.meta.rule(format!("spec.targetRefs[{index}]"), target.at))
}
