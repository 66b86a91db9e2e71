//! HTTPRoutes and GRPCRoutes in one form.

use airtight_manifest::gateway_api::{
    BackendObject, BackendObjectReference, CorsFilter, GROUP, GrpcFilterType, GrpcRoute, GrpcRouteFilter,
    GrpcRouteRule, HeaderModifier, HttpFilterType, HttpRoute, HttpRouteFilter, HttpRouteMatch, HttpRouteRule,
    LocalReference, ParentReference, RequestRedirect, UrlRewrite,
};
use airtight_manifest::{Located, Meta, Object, Position, RuleRef};

use super::delegation::Delegator;
use super::hostname::HostPattern;
use super::matching::Match;

/// A route with its defaults filled in.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) meta: std::sync::Arc<Meta>,
    pub(super) kind: &'static str,
    pub(super) parents: Vec<Located<ParentReference>>,
    /// Empty for every host.
    pub(super) hosts: Vec<HostPattern>,
    pub(super) rules: Vec<Rule>,
    /// The rules that handed its requests on to it, the first one first.
    pub(super) delegators: Vec<Delegator>,
}

/// One rule of a route.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) name: Option<String>,
    pub(super) at: RuleRef,
    /// Alternatives with their places; empty for a rule that only hands on to other routes, where that is done beforehand.
    pub(super) matches: Vec<(Match, RuleRef)>,
    /// The alternatives of an HTTPRoute as they were written.
    pub(super) written: Vec<HttpRouteMatch>,
    pub(super) filters: Vec<Filter>,
    pub(super) backends: Vec<Backend>,
}

/// A filter that bears on the request or the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    Headers(HeaderModifier),
    Redirect(RequestRedirect),
    Rewrite(UrlRewrite),
    Extension(LocalReference),
    Cors(CorsFilter),
    /// Its answer is dropped: only whether its backend resolves matters.
    Mirror(BackendObjectReference),
    /// Changes only what the client gets back.
    Response,
}

/// One of a rule's backends.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    pub(super) object: OwnedBackend,
    pub(super) weight: i32,
    pub(super) filters: Vec<Filter>,
    pub(super) at: RuleRef,
}

/// [`BackendObject`] with its namespace filled in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct OwnedBackend {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

impl OwnedBackend {
    pub(super) fn new(object: BackendObject<'_>, home: &str) -> Self {
        Self {
            group: object.group.to_owned(),
            kind: object.kind.to_owned(),
            namespace: object.namespace.unwrap_or(home).to_owned(),
            name: object.name.to_owned(),
            port: object.port,
        }
    }
}

impl Route {
    pub(super) fn http(object: &Object<HttpRoute>) -> Self {
        let spec = &object.body.spec;
        let meta = &object.meta;
        let rules = match &spec.rules {
            Some(rules) => rules.iter().enumerate().map(|(index, rule)| http_rule(meta, index, rule)).collect(),
            // The API server fills in one rule that matches everything and has no backend.
            None => vec![http_rule(meta, 0, &Located { value: HttpRouteRule::default(), at: meta.at.position })],
        };
        Self {
            meta: meta.clone(),
            kind: "HTTPRoute",
            parents: spec.parent_refs.clone(),
            hosts: hosts(&spec.hostnames),
            rules,
            delegators: Vec::new(),
        }
    }

    pub(super) fn grpc(object: &Object<GrpcRoute>) -> Self {
        let spec = &object.body.spec;
        let meta = &object.meta;
        Self {
            meta: meta.clone(),
            kind: "GRPCRoute",
            parents: spec.parent_refs.clone(),
            hosts: hosts(&spec.hostnames),
            rules: spec.rules.iter().enumerate().map(|(index, rule)| grpc_rule(meta, index, rule)).collect(),
            delegators: Vec::new(),
        }
    }

    /// The route's own host names within a listener's; none if the two have no host in common.
    pub(super) fn hosts_within(&self, listener: &HostPattern) -> Vec<HostPattern> {
        if self.hosts.is_empty() {
            return vec![listener.clone()];
        }
        let mut common: Vec<HostPattern> = Vec::new();
        for host in self.hosts.iter().filter_map(|host| host.intersect(listener)) {
            if !common.contains(&host) {
                common.push(host);
            }
        }
        common
    }

    pub(super) fn is_of(&self, group: &str, kind: &str) -> bool {
        group == GROUP && kind == self.kind
    }
}

fn hosts(names: &[String]) -> Vec<HostPattern> {
    names.iter().map(|name| HostPattern::parse(Some(name))).collect()
}

fn http_rule(meta: &Meta, index: usize, rule: &Located<HttpRouteRule>) -> Rule {
    let path = format!("spec.rules[{index}]");
    let matches = rule.matches.as_deref().unwrap_or_default();
    Rule {
        name: rule.name.clone(),
        at: meta.rule(path.as_str(), rule.at),
        matches: alternatives(meta, &path, rule.at, matches, Match::http),
        written: match matches {
            [] => vec![HttpRouteMatch::default()],
            all => all.iter().map(|entry| entry.value.clone()).collect(),
        },
        filters: rule.filters.iter().filter_map(|filter| http_filter(filter)).collect(),
        backends: rule
            .backend_refs
            .iter()
            .enumerate()
            .map(|(number, backend)| Backend {
                object: OwnedBackend::new(backend.object(), meta.namespace()),
                weight: backend.weight.unwrap_or(1),
                filters: backend.filters.iter().filter_map(|filter| http_filter(filter)).collect(),
                at: meta.rule(format!("{path}.backendRefs[{number}]"), backend.at),
            })
            .collect(),
    }
}

fn grpc_rule(meta: &Meta, index: usize, rule: &Located<GrpcRouteRule>) -> Rule {
    let path = format!("spec.rules[{index}]");
    Rule {
        name: rule.name.clone(),
        at: meta.rule(path.as_str(), rule.at),
        matches: alternatives(meta, &path, rule.at, &rule.matches, Match::grpc),
        written: Vec::new(),
        filters: rule.filters.iter().filter_map(|filter| grpc_filter(filter)).collect(),
        backends: rule
            .backend_refs
            .iter()
            .enumerate()
            .map(|(number, backend)| Backend {
                object: OwnedBackend::new(backend.object(), meta.namespace()),
                weight: backend.weight.unwrap_or(1),
                filters: backend.filters.iter().filter_map(|filter| grpc_filter(filter)).collect(),
                at: meta.rule(format!("{path}.backendRefs[{number}]"), backend.at),
            })
            .collect(),
    }
}

fn alternatives<M>(
    meta: &Meta,
    path: &str,
    at: Position,
    written: &[Located<M>],
    read: impl Fn(&M) -> Match,
) -> Vec<(Match, RuleRef)> {
    if written.is_empty() {
        return vec![(Match::everything(), meta.rule(path, at))];
    }
    written
        .iter()
        .enumerate()
        .map(|(index, entry)| (read(entry), meta.rule(format!("{path}.matches[{index}]"), entry.at)))
        .collect()
}

/// The filter of the named type; one without its settings is refused by the API server.
fn http_filter(written: &HttpRouteFilter) -> Option<Filter> {
    match written.kind {
        HttpFilterType::RequestHeaderModifier => written.request_header_modifier.clone().map(Filter::Headers),
        HttpFilterType::ResponseHeaderModifier => Some(Filter::Response),
        HttpFilterType::RequestMirror => {
            written.request_mirror.as_ref().map(|mirror| Filter::Mirror(mirror.backend_ref.clone()))
        }
        HttpFilterType::RequestRedirect => written.request_redirect.clone().map(Filter::Redirect),
        HttpFilterType::UrlRewrite => written.url_rewrite.clone().map(Filter::Rewrite),
        HttpFilterType::ExtensionRef => written.extension_ref.clone().map(Filter::Extension),
        HttpFilterType::Cors => written.cors.clone().map(Filter::Cors),
    }
}

fn grpc_filter(written: &GrpcRouteFilter) -> Option<Filter> {
    match written.kind {
        GrpcFilterType::RequestHeaderModifier => written.request_header_modifier.clone().map(Filter::Headers),
        GrpcFilterType::ResponseHeaderModifier => Some(Filter::Response),
        GrpcFilterType::RequestMirror => {
            written.request_mirror.as_ref().map(|mirror| Filter::Mirror(mirror.backend_ref.clone()))
        }
        GrpcFilterType::ExtensionRef => written.extension_ref.clone().map(Filter::Extension),
    }
}
