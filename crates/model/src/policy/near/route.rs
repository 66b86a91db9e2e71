//! Rules of HTTPRoutes that nearly take a request.

use airtight_manifest::gateway_api::{HttpRoute, HttpRouteMatch, MatchType, PathMatchType};
use airtight_manifest::{Meta, Object};

use super::obstacle::{Obstacle, distance, is_slip, listed, near_miss, nearest};
use crate::policy::{Decision, NearMiss, Reason, Request};
use crate::world::World;

/// The decision with the rules that nearly take the request, if it was made because no route or listener does. `parent` is
/// the Gateway or Service that the routes name.
pub(crate) fn near_routes(
    world: &World,
    decision: Decision,
    (namespace, name): (&str, &str),
    request: Option<&Request>,
) -> Decision {
    let (Reason::NoRoute | Reason::NoListener, Some(request)) = (decision.reason, request) else { return decision };
    let is_child = |route: &&Object<HttpRoute>| {
        route.body.spec.parent_refs.iter().any(|parent| {
            parent.name == name && parent.namespace.as_deref().unwrap_or(route.meta.namespace()) == namespace
        })
    };
    let near = world.objects.http_routes.iter().filter(is_child).flat_map(|route| of_route(route, request));
    let near = nearest(near.collect());
    Decision { near, ..decision }
}

fn of_route(route: &Object<HttpRoute>, request: &Request) -> Vec<NearMiss> {
    let host = of_host(&route.body.spec.hostnames, request);
    let rules = route.body.spec.rules.iter().flatten().enumerate();
    let near = rules.filter_map(|(index, rule)| {
        let alternatives = rule.matches.iter().flatten().map(|written| of_match(written, request));
        let mut obstacles = alternatives.min_by_key(|obstacles| distance(obstacles)).unwrap_or_default();
        obstacles.extend(host.clone());
        near_miss(place(&route.meta, index, rule.at), obstacles)
    });
    near.collect()
}

fn place(meta: &Meta, index: usize, at: airtight_manifest::Position) -> airtight_manifest::RuleRef {
    meta.rule(format!("spec.rules[{index}]"), at)
}

fn of_host(hostnames: &[String], request: &Request) -> Option<Obstacle> {
    let host = request.host.rsplit_once(':').map_or(request.host.as_str(), |(host, _)| host);
    let takes = |name: &String| match name.strip_prefix('*') {
        Some(suffix) => host.to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase()),
        None => name.eq_ignore_ascii_case(host),
    };
    if hostnames.is_empty() || hostnames.iter().any(takes) {
        return None;
    }
    let words = format!("it takes `hostnames` {}, and this is `{host}`", listed(hostnames));
    let slip = hostnames.iter().any(|name| is_slip(name, host));
    Some(if slip { Obstacle::slip(words) } else { Obstacle::other(words) })
}

fn of_match(written: &HttpRouteMatch, request: &Request) -> Vec<Obstacle> {
    let method = written.method.map(airtight_manifest::gateway_api::HttpMethod::as_str);
    let method = method
        .filter(|method| *method != request.method)
        .map(|method| Obstacle::other(format!("it takes method {method}, and this is {}", request.method)));
    let headers = written.headers.iter().filter_map(|header| {
        let own = request.header(&header.name).next();
        // What a regular expression takes is not looked at here.
        let met = own.is_some_and(|own| header.kind.unwrap_or_default() != MatchType::Exact || own == header.value);
        let there = own.map_or_else(|| "there is none".to_owned(), |own| format!("there it is `{own}`"));
        (!met).then(|| Obstacle::other(format!("it takes the header `{}: {}`, and {there}", header.name, header.value)))
    });
    of_path(written, request).into_iter().chain(method).chain(headers).collect()
}

fn of_path(written: &HttpRouteMatch, request: &Request) -> Option<Obstacle> {
    let path = request.path.split(['?', '#']).next().unwrap_or_default();
    let wanted = written.path.as_ref()?;
    let value = wanted.value();
    let (met, kind) = match wanted.kind() {
        PathMatchType::Exact => (path == value, "exactly "),
        PathMatchType::PathPrefix => {
            let bare = value.trim_end_matches('/');
            (path.strip_prefix(bare).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')), "paths below ")
        }
        // Which paths a regular expression takes is not looked at here.
        PathMatchType::RegularExpression => (true, ""),
    };
    if met {
        return None;
    }
    let words = format!("it takes {kind}`{value}`, and this is `{path}`");
    let slip = is_slip(value, path) || (path.starts_with(value.trim_end_matches('/')) && value.len() > 1);
    Some(if slip { Obstacle::slip(words) } else { Obstacle::other(words) })
}
