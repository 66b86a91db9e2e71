//! Routes → listeners: who is attached where (`apis/v1/shared_types.go`, `ParentReference`; `gateway_types.go`).

use std::sync::Arc;

use airtight_manifest::gateway_api::ParentReference;
use airtight_manifest::{Diagnostic, Located, RuleRef};

use super::gateway_state::{Candidate, GatewayState, regex_place};
use super::hostname::HostPattern;
use super::precedence::{Origin, Precedence, RegexPlace};
use super::route::Route;
use super::status::AcceptedReason;
use crate::world::{GatewayKey, World};

/// What attaching one `parentRefs` entry to a Gateway came to.
pub(super) struct Attached {
    pub(super) accepted: AcceptedReason,
    /// Indices of the listeners that took the route.
    pub(super) listeners: Vec<usize>,
}

/// The Gateway that a reference of a route in `home` names.
pub(super) fn parent_key(parent: &ParentReference, home: &str) -> GatewayKey {
    (Arc::from(parent.namespace.as_deref().unwrap_or(home)), Arc::from(parent.name.as_str()))
}

/// The place of a `parentRefs` entry.
pub(super) fn parent_rule(route: &Route, index: usize, parent: &Located<ParentReference>) -> RuleRef {
    route.meta.rule(format!("spec.parentRefs[{index}]"), parent.at)
}

/// Attaches route `number` to `gateway` by one of its references.
///
/// `sectionName` and `port` must hold for the same listener; then kind, namespace and host names are asked for.
pub(super) fn attach(
    world: &World,
    gateway: &mut GatewayState,
    number: usize,
    route: &Route,
    parent: &ParentReference,
) -> Attached {
    let mut reason = AcceptedReason::NoMatchingParent;
    let mut taken = Vec::new();
    for index in 0..gateway.listeners.len() {
        match answer(world, gateway, index, route, parent) {
            Ok(hosts) => {
                taken.push(index);
                let regexes = regex_place(gateway.implementation);
                let candidates = hosts.iter().flat_map(|host| candidates(number, route, host, regexes));
                gateway.candidates[index].extend(candidates.collect::<Vec<_>>());
            }
            // The reason that came nearest to success is the one that is reported.
            Err(refusal) => reason = nearer(reason, refusal),
        }
    }
    let accepted = if taken.is_empty() { reason } else { AcceptedReason::Accepted };
    Attached { accepted, listeners: taken }
}

/// Attaches a route that another one, which listener `index` took, hands requests on to.
pub(super) fn attach_below(gateway: &mut GatewayState, index: usize, number: usize, route: &Route) {
    let regexes = regex_place(gateway.implementation);
    for host in route.hosts_within(&gateway.listeners[index].host) {
        gateway.candidates[index].extend(candidates(number, route, &host, regexes));
    }
}

fn nearer(a: AcceptedReason, b: AcceptedReason) -> AcceptedReason {
    if progress(b) > progress(a) { b } else { a }
}

/// How near a reason came to success.
pub(super) fn progress(reason: AcceptedReason) -> u8 {
    match reason {
        AcceptedReason::NoMatchingParent => 0,
        AcceptedReason::NotAllowedByListeners => 1,
        AcceptedReason::NoMatchingListenerHostname => 2,
        AcceptedReason::Accepted => 3,
    }
}

/// The hosts for which a listener takes a route, or why it does not.
fn answer(
    world: &World,
    gateway: &GatewayState,
    index: usize,
    route: &Route,
    parent: &ParentReference,
) -> Result<Vec<HostPattern>, AcceptedReason> {
    let listener = &gateway.listeners[index];
    let named = parent.section_name.as_ref().is_none_or(|name| name.is_empty() || *name == listener.name);
    if !named || parent.port.is_some_and(|port| port != listener.port) {
        return Err(AcceptedReason::NoMatchingParent);
    }
    let namespace = route.meta.namespace();
    let labels = world.namespace_labels(namespace);
    if !listener.kinds.iter().any(|kind| kind == route.kind)
        || !listener.admits_namespace(&gateway.key.0, namespace, labels)
    {
        return Err(AcceptedReason::NotAllowedByListeners);
    }
    let hosts = route.hosts_within(&listener.host);
    if hosts.is_empty() { Err(AcceptedReason::NoMatchingListenerHostname) } else { Ok(hosts) }
}

/// One candidate for each match of each rule.
pub(super) fn candidates<'a>(
    number: usize,
    route: &'a Route,
    host: &'a HostPattern,
    regexes: RegexPlace,
) -> impl Iterator<Item = Candidate> + 'a {
    route.rules.iter().enumerate().flat_map(move |(rule, entry)| {
        entry.matches.iter().enumerate().map(move |(matching, (condition, _))| {
            let origin = Origin {
                namespace: route.meta.namespace(),
                name: route.meta.name(),
                kind: route.kind,
                created: route.meta.created.as_deref(),
                rule,
                matching,
            };
            let precedence = Precedence::new(host, condition, regexes, origin);
            Candidate { precedence, host: host.clone(), route: number, rule, matching }
        })
    })
}

/// The finding for a reference that attached nowhere.
pub(super) fn refused(route: &Route, at: &RuleRef, target: &str, reason: AcceptedReason) -> Diagnostic {
    let finding = Diagnostic::error(
        "route-not-attached",
        format!("{} is not attached to {target}: Accepted=False, {reason}", route.meta.object),
    )
    .at(at.at.clone())
    .about(&route.meta.object);
    finding.hint(match reason {
        AcceptedReason::NoMatchingParent => "no listener has this `sectionName` and `port`",
        AcceptedReason::NotAllowedByListeners => {
            "the listener's `allowedRoutes` must take this kind from this namespace (default: the Gateway's own only)"
        }
        AcceptedReason::NoMatchingListenerHostname => {
            "the route's `hostnames` have nothing in common with the listener's"
        }
        AcceptedReason::Accepted => "",
    })
}

/// The finding for a reference to a Gateway that does not exist: no controller writes any status.
pub(super) fn no_parent(route: &Route, at: &RuleRef, target: &str) -> Diagnostic {
    Diagnostic::error(
        "route-not-attached",
        format!("{} is not attached to {target}, which does not exist", route.meta.object),
    )
    .at(at.at.clone())
    .hint("check name and namespace of the parent; a parent without namespace is in the route's own")
    .about(&route.meta.object)
}
