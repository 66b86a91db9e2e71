//! HTTPRoutes that hand their requests on to other HTTPRoutes, as Kgateway and agentgateway read them.
//!
//! Kgateway makes one flat list of it: a match of a child counts if it lies within the match of its parent
//! (kgateway `internal/kgateway/translator/httproute/delegation_helpers.go`). Agentgateway chooses the parent's rule first,
//! and then one among the children's (agentgateway `crates/agentgateway/src/proxy/httpproxy.rs`, `select_route_chain`).

use std::sync::Arc;

use airtight_manifest::gateway_api::{GROUP, HttpPathMatch, HttpRouteMatch, PathMatchType, ValueMatch};
use airtight_manifest::{Labels, Meta, RuleRef};

use super::matching::Match;
use super::route::{Filter, OwnedBackend, Route, Rule};
use crate::world::{Implementation, World};

const LABEL_GROUP: &str = "delegation.kgateway.dev";
const LABEL: &str = "delegation.kgateway.dev/label";
const INHERIT: &str = "delegation.kgateway.dev/inherit-parent-matcher";

/// The namespace in a reference by label that stands for all of them.
const EVERYWHERE: &str = "all";

/// A rule of another route that led to a route.
#[derive(Debug, Clone)]
pub(super) struct Delegator {
    meta: Arc<Meta>,
    at: RuleRef,
    /// Whether it has filters, which would act on the child's requests as well.
    filters: bool,
}

/// Whether a backend is a route (or a label of routes) rather than something that answers.
pub(super) fn is_delegation(backend: &OwnedBackend) -> bool {
    matches!((&*backend.group, &*backend.kind), (GROUP, "HTTPRoute") | (LABEL_GROUP, "label"))
}

/// Whether a rule has no backend but other routes.
pub(super) fn only_delegates(rule: &Rule) -> bool {
    !rule.backends.is_empty() && rule.backends.iter().all(|backend| is_delegation(&backend.object))
}

/// The routes that a backend of `parent` hands requests on to, by index.
pub(super) fn children(
    routes: &[Route],
    implementation: Implementation,
    parent: &Route,
    backend: &OwnedBackend,
) -> Vec<usize> {
    let named = |child: &Route| {
        child.kind == "HTTPRoute" && is_named(implementation, backend, &child.meta) && admits(child, parent)
    };
    (0..routes.len()).filter(|number| named(&routes[*number])).collect()
}

/// Kgateway takes a name, nothing or `*` for all, or a label of its own; agentgateway a name, `*`, or `KEY=VALUE`.
fn is_named(implementation: Implementation, backend: &OwnedBackend, child: &Meta) -> bool {
    let here = child.namespace() == backend.namespace;
    if implementation == Implementation::Agentgateway {
        let labelled = |(key, value): (&str, &str)| child.labels.get(key).is_some_and(|own| own == value);
        let name = backend.name.as_str();
        return here && (name == "*" || name == child.name() || name.split_once('=').is_some_and(labelled));
    }
    if backend.group == LABEL_GROUP {
        return (here || backend.namespace == EVERYWHERE) && child.labels.get(LABEL) == Some(&backend.name);
    }
    here && (backend.name.is_empty() || backend.name == "*" || backend.name == child.name())
}

/// Whether a child lets this parent hand requests on to it: one that names parents must name it.
fn admits(child: &Route, parent: &Route) -> bool {
    let home = child.meta.namespace();
    let named = child.parents.iter().any(|one| {
        let here = one.namespace.as_deref().unwrap_or(home) == parent.meta.namespace();
        (one.group(), one.kind(), &*one.name) == (GROUP, "HTTPRoute", parent.meta.name()) && here
    });
    child.parents.is_empty() || named
}

/// The routes that Kgateway makes of those that `route` hands requests on to, with the matches that are left of them.
pub(super) fn flatten(routes: &[Route], number: usize) -> Vec<Route> {
    let mut found = Vec::new();
    descend(routes, &routes[number], &mut vec![number], &mut found);
    found
}

fn descend(routes: &[Route], parent: &Route, chain: &mut Vec<usize>, found: &mut Vec<Route>) {
    for rule in &parent.rules {
        for backend in rule.backends.iter().filter(|backend| is_delegation(&backend.object)) {
            for number in children(routes, Implementation::Kgateway, parent, &backend.object) {
                // A route that leads back to itself is left out, and so is one that has host names of its own.
                if chain.contains(&number) || !routes[number].hosts.is_empty() {
                    continue;
                }
                chain.push(number);
                for written in &rule.written {
                    let mut derived = derive(&routes[number], parent, rule, written);
                    descend(routes, &derived, chain, found);
                    strip(&mut derived);
                    found.push(derived);
                }
                chain.pop();
            }
        }
    }
}

/// A rule that only hands on is none that takes requests itself.
pub(super) fn strip(route: &mut Route) {
    for rule in route.rules.iter_mut().filter(|rule| only_delegates(rule)) {
        rule.matches.clear();
    }
}

/// `child` below one match of its parent.
fn derive(child: &Route, parent: &Route, rule: &Rule, outer: &HttpRouteMatch) -> Route {
    let inherits = inherits(&child.meta.annotations);
    let rules = child.rules.iter().map(|own| {
        let pairs = own.matches.iter().zip(&own.written);
        let left = pairs.filter_map(|((_, at), inner)| {
            let written = if inherits { joined(outer, inner) } else { within(outer, inner)? };
            Some(((Match::http(&written), at.clone()), written))
        });
        let (matches, written) = left.unzip();
        Rule { matches, written, ..own.clone() }
    });
    let mut delegators = parent.delegators.clone();
    delegators.push(Delegator::new(parent, rule));
    Route { parents: Vec::new(), hosts: parent.hosts.clone(), rules: rules.collect(), delegators, ..child.clone() }
}

fn inherits(annotations: &Labels) -> bool {
    let value = annotations.get(INHERIT).map(|value| value.to_ascii_lowercase());
    value.is_some_and(|value| ["true", "yes", "enabled"].contains(&value.as_str()))
}

/// The child's match, if it lies within the parent's: a path below its prefix, all of its headers and query parameters,
/// and its method.
fn within(outer: &HttpRouteMatch, inner: &HttpRouteMatch) -> Option<HttpRouteMatch> {
    let (above, below) = (path(outer), path(inner));
    let lies = above.kind() == PathMatchType::PathPrefix
        && below.value().starts_with(above.value())
        && outer.headers.iter().all(|header| inner.headers.contains(header))
        && outer.query_params.iter().all(|parameter| inner.query_params.contains(parameter))
        && (outer.method.is_none() || outer.method == inner.method);
    lies.then(|| inner.clone())
}

/// The child's match behind the parent's: the paths one after the other; where both name something, the parent's holds.
fn joined(outer: &HttpRouteMatch, inner: &HttpRouteMatch) -> HttpRouteMatch {
    let (above, below) = (path(outer), path(inner));
    let text = format!("{}/{}", above.value().trim_end_matches('/'), below.value().trim_start_matches('/'));
    let text = if text.len() > 1 { text.trim_end_matches('/').to_owned() } else { text };
    HttpRouteMatch {
        path: Some(HttpPathMatch { kind: Some(below.kind()), value: Some(text) }),
        headers: merged(&outer.headers, &inner.headers),
        query_params: merged(&outer.query_params, &inner.query_params),
        method: outer.method.or(inner.method),
    }
}

fn merged(outer: &[ValueMatch], inner: &[ValueMatch]) -> Vec<ValueMatch> {
    let new = inner.iter().filter(|one| outer.iter().all(|other| other.name != one.name));
    outer.iter().chain(new).cloned().collect()
}

/// The path of a match; the API server writes the prefix `/` where there is none.
fn path(written: &HttpRouteMatch) -> HttpPathMatch {
    written.path.clone().unwrap_or(HttpPathMatch { kind: None, value: None })
}

impl Delegator {
    pub(super) fn new(route: &Route, rule: &Rule) -> Self {
        let acts = |filter: &Filter| match filter {
            Filter::Headers(_) | Filter::Redirect(_) | Filter::Rewrite(_) | Filter::Extension(_) | Filter::Cors(_) => {
                true
            }
            Filter::Mirror(_) | Filter::Response => false,
        };
        Self { meta: route.meta.clone(), at: rule.at.clone(), filters: rule.filters.iter().any(acts) }
    }

    /// The rule that handed on.
    pub(super) fn rule(&self) -> &RuleRef {
        &self.at
    }

    /// What of it would act on the child's requests, in ways that are not modelled: its filters and what of it is not
    /// modelled itself, and policies attached to it, which the implementations merge with the child's.
    pub(super) fn doubts(&self, world: &World) -> Vec<RuleRef> {
        let filters = self.filters.then(|| self.at.clone());
        let fields = self.meta.unmodelled.iter().map(|field| self.meta.rule(field.path.as_str(), field.at));
        let objects = &world.objects;
        let traffic = objects.traffic_policies.iter().filter(|policy| {
            let named = policy.body.spec.target_refs.iter().any(|to| self.is(&to.group, &to.kind, &to.name));
            self.shares(&policy.meta) && (named || !policy.body.spec.target_selectors.is_empty())
        });
        let agent = objects.agentgateway_policies.iter().filter(|policy| {
            let named = policy.body.spec.target_refs.iter().any(|to| self.is(&to.group, &to.kind, &to.name));
            self.shares(&policy.meta) && (named || !policy.body.spec.target_selectors.is_empty())
        });
        let policies = traffic.map(|policy| policy.meta.whole()).chain(agent.map(|policy| policy.meta.whole()));
        filters.into_iter().chain(fields).chain(policies).collect()
    }

    fn shares(&self, policy: &Meta) -> bool {
        policy.namespace() == self.meta.namespace()
    }

    fn is(&self, group: &str, kind: &str, name: &str) -> bool {
        (group, kind, name) == (GROUP, "HTTPRoute", self.meta.name())
    }
}
