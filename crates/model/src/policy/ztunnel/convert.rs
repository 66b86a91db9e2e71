//! AuthorizationPolicy → ztunnel's form
//! (Istio `pilot/pkg/serviceregistry/ambient/authorization.go`, `convertAuthorizationPolicy`, `handleRule`).

use airtight_manifest::Object;
use airtight_manifest::istio::{Action, AuthorizationPolicy, Condition, Operation, Rule, Source};
use ipnet::IpNet;

use super::rbac::{Authorization, Cause, Match, RbacAction, RbacRule, ServiceAccount, StringMatch, Values};
use crate::policy::istio::{is_dry_run, parse_range};

/// Condition keys that ztunnel evaluates.
const L4_KEYS: &[&str] = &["source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"];

/// Which workloads a policy without target references is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every workload of the mesh.
    Global,
    /// Every workload of the policy's namespace.
    Namespace,
    /// Selected workloads of the policy's namespace, or of all namespaces from the root namespace.
    Selector,
}

/// The scope of a policy.
pub(super) fn scope(policy: &Object<AuthorizationPolicy>, root_namespace: &str) -> Scope {
    match &policy.body.spec.selector {
        Some(_) => Scope::Selector,
        None if policy.meta.namespace() == root_namespace => Scope::Global,
        None => Scope::Namespace,
    }
}

/// The policy as ztunnel gets it; none for what ztunnel never sees (target references, AUDIT, CUSTOM, dry-run).
pub(super) fn authorization(policy: &Object<AuthorizationPolicy>) -> Option<Authorization> {
    let spec = &policy.body.spec;
    let action = match spec.action() {
        Action::Allow => RbacAction::Allow,
        Action::Deny => RbacAction::Deny,
        Action::Audit | Action::Custom => return None,
    };
    if is_dry_run(policy) || spec.targets().next().is_some() {
        return None;
    }
    let own = policy.meta.namespace();
    let rules = spec.rules().iter().enumerate().filter_map(|(index, written)| {
        let origin = vec![policy.meta.rule(format!("spec.rules[{index}]"), written.at)];
        Some(RbacRule { origin, ..rule(action, written, own)? })
    });
    Some(Authorization {
        namespace: policy.meta.namespace().into(),
        name: policy.meta.name().into(),
        action,
        rules: rules.collect(),
        origin: vec![policy.meta.whole()],
        cause: Cause::AuthorizationPolicy,
    })
}

/// Attributes of a rule that ztunnel cannot evaluate, by name.
pub(super) fn http_attributes(rule: &Rule) -> Vec<&str> {
    let operations = rule.to.iter().flatten().filter_map(|to| to.operation.as_ref());
    let sources = rule.from.iter().flatten().filter_map(|from| from.source.as_ref());
    let written = |(name, values): (&'static str, &[String])| (!values.is_empty()).then_some(name);
    operations
        .flat_map(Operation::http_fields)
        .filter_map(written)
        .chain(sources.flat_map(Source::http_fields).filter_map(written))
        .chain(rule.when.iter().map(|condition| condition.key.as_str()).filter(|key| !L4_KEYS.contains(key)))
        .collect()
}

/// A rule without its origin. An ALLOW rule with an HTTP attribute is dropped; a DENY rule only loses the attribute.
pub(super) fn rule(action: RbacAction, rule: &Rule, own: &str) -> Option<RbacRule> {
    if action == RbacAction::Allow && !http_attributes(rule).is_empty() {
        return None;
    }
    let empty = Operation::default();
    let to = rule.to.iter().flatten().map(|to| operation(to.operation.as_ref().unwrap_or(&empty)));
    let nobody = Source::default();
    let from = rule.from.iter().flatten().map(|from| source(from.source.as_ref().unwrap_or(&nobody), own));
    let lists: [Vec<Match>; 2] = [to.collect(), from.collect()];
    let when = rule.when.iter().map(|when| vec![condition(when)]);
    let clauses = lists.into_iter().filter(|list| !list.is_empty()).chain(when).collect();
    Some(RbacRule { clauses, origin: Vec::new() })
}

fn operation(operation: &Operation) -> Match {
    Match {
        destination_ports: Values { any: ports(&operation.ports), none: ports(&operation.not_ports) },
        ..Match::default()
    }
}

/// `trustDomains` is not converted.
fn source(source: &Source, own: &str) -> Match {
    Match {
        source_ips: Values { any: ranges(&source.ip_blocks), none: ranges(&source.not_ip_blocks) },
        namespaces: Values { any: strings(&source.namespaces), none: strings(&source.not_namespaces) },
        service_accounts: Values {
            any: accounts(&source.service_accounts, own),
            none: accounts(&source.not_service_accounts, own),
        },
        principals: Values { any: strings(&source.principals), none: strings(&source.not_principals) },
        ..Match::default()
    }
}

/// A condition on an HTTP attribute becomes an empty match, which never holds.
fn condition(when: &Condition) -> Match {
    let mut one = Match::default();
    let (any, none) = (&when.values, &when.not_values);
    match when.key.as_str() {
        "source.namespace" => one.namespaces = Values { any: strings(any), none: strings(none) },
        "source.principal" => one.principals = Values { any: strings(any), none: strings(none) },
        "source.ip" => one.source_ips = Values { any: ranges(any), none: ranges(none) },
        "destination.ip" => one.destination_ips = Values { any: ranges(any), none: ranges(none) },
        "destination.port" => one.destination_ports = Values { any: ports(any), none: ports(none) },
        _ => {}
    }
    one
}

fn strings(values: &[String]) -> Vec<StringMatch> {
    values.iter().map(|value| StringMatch::parse(value)).collect()
}

fn accounts(values: &[String], own: &str) -> Vec<ServiceAccount> {
    values.iter().map(|value| ServiceAccount::parse(value, own)).collect()
}

fn ports(values: &[String]) -> Vec<u16> {
    values.iter().filter_map(|value| value.parse().ok()).collect()
}

fn ranges(values: &[String]) -> Vec<IpNet> {
    values.iter().filter_map(|value| parse_range(value)).collect()
}
