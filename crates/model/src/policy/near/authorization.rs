//! ALLOW rules of AuthorizationPolicies that nearly match.

use std::net::IpAddr;

use airtight_manifest::istio::{Action, AuthorizationPolicy, Condition, From, Operation, Rule, Source, To};
use airtight_manifest::{Object, closest};
use ipnet::IpNet;

use super::obstacle::{Obstacle, distance, is_slip, listed, near_miss, nearest};
use crate::policy::{Decision, MeshSource, NearMiss, Reason, Request};
use crate::world::{Pod, TargetPort, World};

/// Who asked for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) source: &'a MeshSource,
    pub(crate) port: u16,
    /// What a waypoint reads; none at ztunnel, and of a connection that is no HTTP.
    pub(crate) request: Option<&'a Request>,
}

/// What the policies guard.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guarded<'a> {
    /// A pod, by its ztunnel.
    Pod(&'a Pod),
    /// Whatever stands behind a waypoint in a namespace.
    Behind(&'a str),
}

impl Guarded<'_> {
    fn namespace(&self) -> &str {
        match self {
            Self::Pod(pod) => &pod.namespace,
            Self::Behind(namespace) => namespace,
        }
    }
}

/// The decision with the rules that nearly match, if it was made because none does.
pub(crate) fn near_authorization(
    world: &World,
    decision: Decision,
    guarded: Guarded<'_>,
    asked: &Asked<'_>,
) -> Decision {
    if decision.reason != Reason::NoAllowMatched {
        return decision;
    }
    let policies = world.objects.authorization_policies.iter();
    let allowing = policies.filter(|policy| policy.body.spec.action() == Action::Allow);
    let near = allowing.flat_map(|policy| {
        let misplaced = misplaced(world, &decision, policy, guarded);
        let rules = policy.body.spec.rules().iter().enumerate().filter(|_| misplaced.is_some());
        let near = rules.filter_map(|(index, rule)| {
            let mut obstacles = misplaced.clone()?;
            obstacles.extend(of_rule(world, rule, policy.meta.namespace(), guarded, asked)?);
            near_miss(policy.meta.rule(format!("spec.rules[{index}]"), rule.at), obstacles)
        });
        near.collect::<Vec<NearMiss>>()
    });
    let near = nearest(near.collect());
    Decision { near, ..decision }
}

/// What keeps a policy from being in force there: nothing if it is; none if it is meant for others.
fn misplaced(
    world: &World,
    decision: &Decision,
    policy: &Object<AuthorizationPolicy>,
    guarded: Guarded<'_>,
) -> Option<Vec<Obstacle>> {
    if decision.rules.iter().any(|rule| rule.object == policy.meta.object) {
        return Some(Vec::new());
    }
    let home = policy.meta.namespace();
    if home != guarded.namespace() {
        return None;
    }
    let spec = &policy.body.spec;
    let pods = || world.pods.iter().filter(|pod| &*pod.namespace == home);
    if let (Guarded::Pod(pod), Some(selector)) = (guarded, &spec.selector) {
        let unmet: Vec<_> = selector
            .match_labels
            .iter()
            .flatten()
            .filter(|(key, value)| pod.labels.get(*key) != Some(*value))
            .collect();
        let [(key, value)] = unmet.as_slice() else { return None };
        let own = pod.labels.get(*key).map_or_else(|| "there is none".to_owned(), |own| format!("there it is `{own}`"));
        let idle = !pods().any(|pod| selector.selects(&pod.labels));
        let words = format!("its selector wants `{key}: {value}`, and {own} (it selects no pod at all)");
        return idle.then(|| vec![Obstacle::slip(words)]);
    }
    let services: Vec<&str> =
        world.services.iter().filter(|service| &*service.namespace == home).map(|service| &*service.name).collect();
    let missing =
        spec.targets().find(|target| target.kind == "Service" && !services.contains(&target.name.as_str()))?;
    let meant = closest(&missing.name, services.iter().copied())?;
    let words = format!("it is for Service `{}`, which is not there: the nearest is `{meant}`", missing.name);
    Some(vec![Obstacle::slip(words)])
}

/// What keeps a rule from matching; none if it is meant for something else.
fn of_rule(world: &World, rule: &Rule, home: &str, guarded: Guarded<'_>, asked: &Asked<'_>) -> Option<Vec<Obstacle>> {
    let from: Vec<&Source> = rule.from.iter().flatten().filter_map(|from| of_from(from)).collect();
    let to: Vec<&Operation> = rule.to.iter().flatten().filter_map(|to| of_to(to)).collect();
    let mut obstacles = easiest(from.into_iter().map(|source| of_source(source, home, asked)))?;
    obstacles.extend(easiest(to.into_iter().map(|operation| of_operation(world, operation, guarded, asked)))?);
    for condition in &rule.when {
        obstacles.extend(of_condition(condition, asked)?);
    }
    Some(obstacles)
}

fn of_from(from: &From) -> Option<&Source> {
    from.source.as_ref()
}

fn of_to(to: &To) -> Option<&Operation> {
    to.operation.as_ref()
}

/// Of alternatives that which asks for least; nothing where there is none.
fn easiest(alternatives: impl Iterator<Item = Option<Vec<Obstacle>>>) -> Option<Vec<Obstacle>> {
    let mut alternatives = alternatives.peekable();
    if alternatives.peek().is_none() {
        return Some(Vec::new());
    }
    alternatives.flatten().min_by_key(|obstacles| distance(obstacles))
}

/// What a field of a rule says of what is asked.
enum Field {
    /// It holds.
    Met,
    /// It does not, and is meant for something like it.
    Missed(Obstacle),
    /// It excludes it, or is meant for something else.
    Elsewhere,
}

/// A field of which nothing is written holds; one of which something is, nobody follows.
fn unwritten(is_empty: bool) -> Field {
    if is_empty { Field::Met } else { Field::Elsewhere }
}

/// The obstacles of several fields; none if one is meant for something else.
fn together(fields: impl IntoIterator<Item = Field>) -> Option<Vec<Obstacle>> {
    let mut obstacles = Vec::new();
    for field in fields {
        match field {
            Field::Met => {}
            Field::Missed(obstacle) => obstacles.push(obstacle),
            Field::Elsewhere => return None,
        }
    }
    Some(obstacles)
}

fn of_source(source: &Source, home: &str, asked: &Asked<'_>) -> Option<Vec<Obstacle>> {
    let identity = asked.source.identity.as_ref();
    let principal = identity
        .map(|identity| format!("{}/ns/{}/sa/{}", identity.trust_domain, identity.namespace, identity.service_account));
    let account = identity.map(|identity| format!("{}/{}", identity.namespace, identity.service_account));
    let namespace = identity.map(|identity| identity.namespace.to_string());
    let accounts: Vec<String> = source
        .service_accounts
        .iter()
        .map(|name| if name.contains('/') { name.clone() } else { format!("{home}/{name}") })
        .collect();
    together([
        field("principals", &source.principals, &source.not_principals, principal.as_deref()),
        field("serviceAccounts", &accounts, &source.not_service_accounts, account.as_deref()),
        field("namespaces", &source.namespaces, &source.not_namespaces, namespace.as_deref()),
        ranges("ipBlocks", &source.ip_blocks, &source.not_ip_blocks, asked.source.address),
        principals_of_requests(source, asked),
        unwritten(source.remote_ip_blocks.is_empty() && source.not_remote_ip_blocks.is_empty()),
        unwritten(source.trust_domains.is_empty() && source.not_trust_domains.is_empty()),
    ])
}

fn principals_of_requests(source: &Source, asked: &Asked<'_>) -> Field {
    if source.request_principals.is_empty() && source.not_request_principals.is_empty() {
        return Field::Met;
    }
    let Some(request) = asked.request else { return Field::Missed(unread("requestPrincipals")) };
    let token = request.token.as_ref().map(|token| format!("{}/{}", token.issuer, token.subject));
    match &token {
        None => Field::Missed(Obstacle::other(format!(
            "it asks for a token of {}, and the request has none",
            listed(&source.request_principals)
        ))),
        Some(token) => {
            field("requestPrincipals", &source.request_principals, &source.not_request_principals, Some(token))
        }
    }
}

fn of_operation(
    world: &World,
    operation: &Operation,
    guarded: Guarded<'_>,
    asked: &Asked<'_>,
) -> Option<Vec<Obstacle>> {
    let of_request = |name: &str, values: &[String], not: &[String], own: fn(&Request) -> &str| {
        if values.is_empty() && not.is_empty() {
            return Field::Met;
        }
        match asked.request {
            None => Field::Missed(unread(name)),
            Some(request) => field(name, values, not, Some(own(request))),
        }
    };
    together([
        of_request("hosts", &operation.hosts, &operation.not_hosts, |request| &request.host),
        of_request("methods", &operation.methods, &operation.not_methods, |request| &request.method),
        of_request("paths", &operation.paths, &operation.not_paths, |request| {
            request.path.split(['?', '#']).next().unwrap_or_default()
        }),
        ports(world, operation, guarded, asked.port),
    ])
}

/// A rule about requests where nobody reads them.
fn unread(field: &str) -> Obstacle {
    Obstacle::other(format!(
        "it asks for `{field}`, which nobody reads there: rules about requests take a waypoint and `targetRefs`"
    ))
}

fn ports(world: &World, operation: &Operation, guarded: Guarded<'_>, port: u16) -> Field {
    let own = port.to_string();
    if operation.not_ports.contains(&own) {
        return Field::Elsewhere;
    }
    if operation.ports.is_empty() || operation.ports.contains(&own) {
        return Field::Met;
    }
    if let Guarded::Pod(pod) = guarded {
        let services = world.services.iter().filter(|service| service.backends.contains(&pod.id));
        let leads_here = |target: &TargetPort| match target {
            TargetPort::Number(number) => *number == port,
            TargetPort::Name(name) => pod.ports.iter().any(|own| own.number == port && own.name.as_ref() == Some(name)),
        };
        let mut before = services.flat_map(|service| &service.ports).filter(|entry| leads_here(&entry.target));
        if let Some(entry) = before.find(|entry| operation.ports.contains(&entry.port.to_string())) {
            let words = format!(
                "it allows port {}, which is the Service's: ztunnel looks at the pod's own, {port}",
                entry.port
            );
            return Field::Missed(Obstacle::slip(words));
        }
    }
    Field::Missed(Obstacle::other(format!("it allows `ports` {}, and this is {port}", listed(&operation.ports))))
}

fn of_condition(condition: &Condition, asked: &Asked<'_>) -> Option<Vec<Obstacle>> {
    let identity = asked.source.identity.as_ref();
    let own = match condition.key.as_str() {
        "source.namespace" => identity.map(|identity| identity.namespace.to_string()),
        "source.principal" => identity.map(|identity| {
            format!("{}/ns/{}/sa/{}", identity.trust_domain, identity.namespace, identity.service_account)
        }),
        "destination.port" => Some(asked.port.to_string()),
        key => {
            let name = key.strip_prefix("request.headers")?.strip_prefix('[')?.strip_suffix(']')?;
            let Some(request) = asked.request else { return Some(vec![unread(key)]) };
            let value = request.header(name).next().map(str::to_owned);
            if value.is_none() && !condition.values.is_empty() {
                let words =
                    format!("it asks for a header `{name}` of {}, and there is none", listed(&condition.values));
                return Some(vec![Obstacle::other(words)]);
            }
            value
        }
    };
    together([field(&condition.key, &condition.values, &condition.not_values, own.as_deref())])
}

/// Whether what there is satisfies a field.
fn field(name: &str, values: &[String], not: &[String], own: Option<&str>) -> Field {
    let Some(own) = own else {
        if values.is_empty() {
            return Field::Met;
        }
        let words = format!("it allows `{name}` {}, and the source shows no certificate", listed(values));
        return Field::Missed(Obstacle::other(words));
    };
    if not.iter().any(|value| matches(value, own)) {
        return Field::Elsewhere;
    }
    if values.is_empty() || values.iter().any(|value| matches(value, own)) {
        return Field::Met;
    }
    let words = format!("it allows `{name}` {}, and this is `{own}`", listed(values));
    // Namespaces of teams are called alike, and so are their accounts.
    let slip = values.iter().any(|value| match name {
        "namespaces" | "source.namespace" => value.eq_ignore_ascii_case(own),
        "principals" | "source.principal" | "serviceAccounts" => {
            let (homes, names) = (value.rsplit_once('/'), own.rsplit_once('/'));
            let (Some((home, name)), Some((own_home, own_name))) = (homes, names) else { return false };
            (home == own_home && is_slip(name, own_name)) || value.ends_with(own) || own.ends_with(value.as_str())
        }
        "paths" => {
            let bare = value.trim_end_matches('*').trim_end_matches('/');
            is_slip(value, own) || (!bare.is_empty() && own.starts_with(bare))
        }
        _ => is_slip(value, own) || own.split(':').next() == Some(value.as_str()),
    });
    Field::Missed(if slip { Obstacle::slip(words) } else { Obstacle::other(words) })
}

/// `*`, `*suffix`, `prefix*` or an exact value.
fn matches(value: &str, own: &str) -> bool {
    if value == "*" {
        return !own.is_empty();
    }
    match (value.strip_prefix('*'), value.strip_suffix('*')) {
        (Some(suffix), _) => own.ends_with(suffix),
        (None, Some(prefix)) => own.starts_with(prefix),
        (None, None) => value == own,
    }
}

fn ranges(name: &str, values: &[String], not: &[String], address: IpAddr) -> Field {
    let contains = |text: &String| {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.is_some_and(|network| network.contains(&address))
    };
    if not.iter().any(contains) {
        return Field::Elsewhere;
    }
    if values.is_empty() || values.iter().any(contains) {
        return Field::Met;
    }
    Field::Missed(Obstacle::other(format!("it allows `{name}` {}, and this is {address}", listed(values))))
}
