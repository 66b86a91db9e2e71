//! What becomes of a request that a rule has taken: filters, then backends.

use airtight_manifest::RuleRef;
use airtight_manifest::gateway_api::{CorsFilter, HeaderModifier, LocalReference};
use airtight_manifest::kgateway;
use airtight_manifest::stack::at_least;

use super::attach::candidates;
use super::authorization::{Attachment, authorize};
use super::backend::{BackendTarget, Resolution, RouteTarget, resolve};
use super::compile::GatewayPolicy;
use super::delegation::{Delegator, children, is_delegation};
use super::filter::{is_ambiguous, modify_headers, rewrite, touched};
use super::gateway_state::{Candidate, GatewayState, regex_place};
use super::hostname::{HostPattern, host_of};
use super::matching::Match;
use super::route::{Backend, Filter, Route, Rule};
use super::select::remark;
use crate::policy::{Decision, Outcome, Reason, Request};
use crate::world::{Implementation, World};

/// Where a request goes after a proxy has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// What the proxy decides, and by which rules.
    pub decision: Decision,
    /// The alternatives of which one takes the request; empty if the proxy denies it or answers by itself.
    pub backends: Vec<RoutedBackend>,
    /// Whether the client's TLS goes on to the backend as it came.
    pub passes_tls: bool,
}

/// One alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutedBackend {
    /// Where it goes.
    pub target: BackendTarget,
    /// Its share among all alternatives; several endpoints of one backend each have the backend's.
    pub weight: i32,
    /// The request as the backend sees it.
    pub request: Request,
    /// The backend's rule, the grants that allow it, and the backend itself.
    pub rules: Vec<RuleRef>,
}

impl Routed {
    pub(super) fn ended(decision: Decision) -> Self {
        Self { decision, backends: Vec::new(), passes_tls: false }
    }

    pub(super) fn unknown(rules: Vec<RuleRef>, why: impl Into<String>) -> Self {
        Self::ended(Decision::unknown(rules, why))
    }
}

/// A request that a rule has taken.
pub(super) struct Taken<'a> {
    pub(super) policy: &'a GatewayPolicy,
    pub(super) world: &'a World,
    pub(super) implementation: Implementation,
    /// The Gateway and listener that it came through; none for a route of a Service.
    pub(super) through: Option<(&'a GatewayState, usize)>,
    pub(super) route: &'a Route,
    /// The rules of other routes that handed the request on.
    pub(super) delegators: Vec<Delegator>,
    pub(super) rule: &'a Rule,
    pub(super) condition: &'a Match,
    /// The match and the listener.
    pub(super) rules: Vec<RuleRef>,
    /// What more is to be said of the choice.
    pub(super) remark: String,
}

impl Taken<'_> {
    /// Filters and backends.
    pub(super) fn settle(self, request: &Request) -> Routed {
        if let Some(decision) = self.refusal(request) {
            return Routed::ended(decision);
        }
        let mut changed = request.clone();
        for filter in &self.rule.filters {
            match filter {
                Filter::Headers(modifier) => modify_headers(&mut changed, modifier),
                Filter::Rewrite(change) => rewrite(&mut changed, change, self.condition.path.prefix()),
                Filter::Redirect(_) | Filter::Extension(_) | Filter::Cors(_) | Filter::Mirror(_) | Filter::Response => {
                }
            }
        }
        self.forward(&changed)
    }

    /// The end of the request at the proxy itself, if it ends there.
    fn refusal(&self, request: &Request) -> Option<Decision> {
        self.doubts(request)
            .or_else(|| self.preflight_answer(request))
            .or_else(|| authorize(self.world, self.implementation, &self.attachment(&self.extensions()), request))
            .or_else(|| self.own_answer())
    }

    fn extensions(&self) -> Vec<&LocalReference> {
        self.rule
            .filters
            .iter()
            .filter_map(|filter| match filter {
                Filter::Extension(reference) => Some(reference),
                Filter::Headers(_)
                | Filter::Redirect(_)
                | Filter::Rewrite(_)
                | Filter::Cors(_)
                | Filter::Mirror(_)
                | Filter::Response => None,
            })
            .collect()
    }

    fn attachment<'a>(&'a self, extensions: &'a [&'a LocalReference]) -> Attachment<'a> {
        Attachment {
            gateway: self.through.map(|(gateway, _)| gateway.meta.as_ref()),
            listener: self.through.map(|(gateway, listener)| gateway.listeners[listener].name.as_str()),
            route: Some((self.route, self.rule.name.as_deref())),
            extensions,
        }
    }

    /// What the model does not know and could decide otherwise.
    fn doubts(&self, request: &Request) -> Option<Decision> {
        let (meta, at) = (&self.route.meta, || vec![self.rule.at.clone()]);
        let unmodelled = meta.unmodelled.iter().map(|field| meta.rule(field.path.as_str(), field.at));
        let through = self.through.map(|(gateway, listener)| gateway.doubts(listener)).unwrap_or_default();
        let doubts: Vec<RuleRef> = unmodelled.chain(through).collect();
        if !doubts.is_empty() {
            return Some(Decision::unknown(doubts, "the Gateway or route has parts that the model does not know"));
        }
        let delegators = self.route.delegators.iter().chain(&self.delegators);
        let above: Vec<RuleRef> = delegators.flat_map(|delegator| delegator.doubts(self.world)).collect();
        if !above.is_empty() {
            return Some(Decision::unknown(
                above,
                "what a route above does to the requests that it hands on is not modelled",
            ));
        }
        let modifiers = headers_of(&self.rule.filters);
        if modifiers.iter().any(|modifier| is_ambiguous(modifier)) {
            return Some(Decision::unknown(
                at(),
                "a header is named twice, or is `Host`: the proxies differ in what they do",
            ));
        }
        if self.cors().is_some_and(|cors| is_preflight(request) && !self.answers_preflight(cors, request)) {
            return Some(Decision::unknown(
                at(),
                "whether a preflight request of another origin is passed on is not modelled",
            ));
        }
        let strange = self.extensions().into_iter().any(|reference| !self.knows(reference));
        strange.then(|| Decision::unknown(at(), "the rule has a filter of a kind that the model does not know"))
    }

    fn cors(&self) -> Option<&CorsFilter> {
        self.rule.filters.iter().find_map(|filter| match filter {
            Filter::Cors(cors) => Some(cors),
            Filter::Headers(_)
            | Filter::Redirect(_)
            | Filter::Rewrite(_)
            | Filter::Extension(_)
            | Filter::Mirror(_)
            | Filter::Response => None,
        })
    }

    /// Kgateway reads the filter since 2.1.
    fn answers_preflight(&self, cors: &CorsFilter, request: &Request) -> bool {
        let is_kgateway = matches!(self.implementation, Implementation::Kgateway | Implementation::KgatewayWaypoint);
        let reads = !is_kgateway || at_least(&self.world.stack.versions.kgateway, 2, 1);
        reads
            && request
                .header("origin")
                .any(|origin| cors.allow_origins.iter().any(|pattern| is_origin(pattern, origin)))
    }

    /// The proxies answer a preflight request of an allowed origin themselves, before they ask who may do what (Envoy
    /// `source/extensions/filters/http/cors/cors_filter.cc`; agentgateway `crates/agentgateway/src/http/cors.rs`).
    fn preflight_answer(&self, request: &Request) -> Option<Decision> {
        self.cors().filter(|cors| is_preflight(request) && self.answers_preflight(cors, request))?;
        let detail = "the gateway answers 200 by itself: it is a preflight request of an allowed origin";
        Some(Decision::deny(Reason::DirectResponse, Outcome::Http(200), detail).by(self.rules.clone()))
    }

    fn knows(&self, reference: &LocalReference) -> bool {
        let is_kgateway = matches!(self.implementation, Implementation::Kgateway | Implementation::KgatewayWaypoint);
        let kinds = ["DirectResponse", "TrafficPolicy"];
        is_kgateway && reference.group == kgateway::GROUP && kinds.contains(&reference.kind.as_str())
    }

    /// A redirect or direct response; a filter whose object is missing turns the rule into a 500
    /// (kgateway replaces a route with errors by a direct response).
    fn own_answer(&self) -> Option<Decision> {
        self.rule.filters.iter().find_map(|filter| match filter {
            Filter::Redirect(redirect) => {
                let status = redirect.status_code.unwrap_or(302);
                let detail = format!("the gateway answers {status} by itself: the rule redirects");
                Some(Decision::deny(Reason::DirectResponse, Outcome::Http(status), detail).by(self.rules.clone()))
            }
            Filter::Extension(reference) => self.extension_answer(reference),
            Filter::Headers(_) | Filter::Rewrite(_) | Filter::Cors(_) | Filter::Mirror(_) | Filter::Response => None,
        })
    }

    fn extension_answer(&self, reference: &LocalReference) -> Option<Decision> {
        let (objects, home) = (&self.world.objects, self.route.meta.namespace());
        let is_named = |meta: &airtight_manifest::Meta| meta.namespace() == home && meta.name() == reference.name;
        if reference.kind == "DirectResponse" {
            if let Some(object) = objects.direct_responses.iter().find(|object| is_named(&object.meta)) {
                let status = object.body.spec.status;
                let mut rules = self.rules.clone();
                rules.push(object.meta.whole());
                let detail = format!("the gateway answers {status} by itself: {}", object.meta.object);
                return Some(Decision::deny(Reason::DirectResponse, Outcome::Http(status), detail).by(rules));
            }
        } else if objects.traffic_policies.iter().any(|object| is_named(&object.meta)) {
            return None;
        }
        let detail = format!("the rule's filter {} {home}/{} does not exist", reference.kind, reference.name);
        Some(Decision::deny(Reason::BackendUnresolved, Outcome::Http(500), detail).by(self.rules.clone()))
    }

    fn forward(self, request: &Request) -> Routed {
        // Kgateway has made routes of their own of those that the rule hands on to.
        let flat = self.implementation == Implementation::Kgateway;
        let own = |backend: &&Backend| backend.weight > 0 && !(flat && is_delegation(&backend.object));
        let total: i64 = self.rule.backends.iter().filter(own).map(|backend| i64::from(backend.weight)).sum();
        if total == 0 {
            let (none, rule) = (self.rule.backends.is_empty(), &self.rule.at);
            let why = if none { "has no backend" } else { "gives every backend weight 0" };
            let status = if none { self.status_without_backends() } else { 500 };
            let detail = format!("the gateway answers {status}: {rule} {why}");
            return Routed::ended(self.broken(Reason::BackendUnresolved, status, detail));
        }
        let delegate = self.rule.backends.iter().filter(own).find(|backend| {
            let home = (self.route.kind, self.route.meta.namespace());
            resolve(self.world, self.implementation, home, &backend.object) == Resolution::Delegated
        });
        if let Some(delegate) = delegate {
            return self.hand_on(delegate, request);
        }
        let mut alternatives = Vec::new();
        for backend in self.rule.backends.iter().filter(own) {
            match self.backend(backend, request) {
                Ok(found) => alternatives.extend(found),
                Err(decision) => return Routed::ended(decision),
            }
        }
        self.conclude(request, alternatives)
    }

    /// The routes that a backend stands for decide in turn: the best match of all, or 404.
    fn hand_on(self, delegate: &Backend, request: &Request) -> Routed {
        if self.rule.backends.iter().filter(|backend| backend.weight > 0).count() > 1 {
            let why = "shares of requests between routes and other backends are not modelled";
            return Routed::unknown(vec![delegate.at.clone()], why);
        }
        let routes = self.policy.written_routes();
        let children = children(routes, self.implementation, self.route, &delegate.object);
        let (host, regexes) = (host_of(&request.host), regex_place(Some(self.implementation)));
        let each = children.iter().flat_map(|number| {
            let route = &routes[*number];
            let hosts = route.hosts_within(&HostPattern::Any).into_iter().filter(|pattern| pattern.matches(&host));
            hosts
                .flat_map(|pattern| candidates(*number, route, &pattern, regexes).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        });
        let mut all: Vec<Candidate> = each.collect();
        all.sort_by(|a, b| a.precedence.cmp(&b.precedence));
        match self.policy.first_match(&all.iter().collect::<Vec<_>>(), request) {
            Err(at) => Routed::unknown(vec![at], "the model cannot read a regular expression"),
            Ok(None) => {
                let detail = format!("none of the routes that {} hands on to takes the request: 404", self.rule.at);
                let rules = self.rules.into_iter().chain(children.iter().map(|number| routes[*number].meta.whole()));
                Routed::ended(Decision::deny(Reason::NoRoute, Outcome::Http(404), detail).by(rules.collect()))
            }
            Ok(Some((candidate, rivals))) => self.within(candidate, &rivals, request),
        }
    }

    fn within(self, candidate: &Candidate, rivals: &[RuleRef], request: &Request) -> Routed {
        let (condition, at) = self.policy.condition(candidate);
        let route = &self.policy.written_routes()[candidate.route];
        let mut delegators = self.delegators;
        delegators.push(Delegator::new(self.route, self.rule));
        // More than that many come of routes that lead back to each other.
        if delegators.len() > self.policy.written_routes().len() {
            return Routed::unknown(vec![at.clone()], "routes hand requests on in a circle");
        }
        let rules = self.rules.into_iter().chain([at.clone()]).collect();
        let rule = &route.rules[candidate.rule];
        Taken { route, rule, condition, rules, delegators, remark: remark(rivals), ..self }.settle(request)
    }

    /// Istio answers 404 since 1.30 (Istio `releasenotes/notes/59356.yaml`).
    fn status_without_backends(&self) -> u16 {
        let istio = self.implementation.is_istio() && at_least(&self.world.stack.versions.istio, 1, 30);
        if istio { 404 } else { 500 }
    }

    /// The alternatives of one backend, or a decision that holds for the whole rule.
    fn backend(&self, backend: &Backend, request: &Request) -> Result<Vec<RoutedBackend>, Decision> {
        let home = (self.route.kind, self.route.meta.namespace());
        let targets = match resolve(self.world, self.implementation, home, &backend.object) {
            Resolution::Targets(targets) => targets,
            Resolution::Broken(_) | Resolution::Delegated => {
                let target = BackendTarget::Failing { status: 500 };
                let rules = vec![backend.at.clone()];
                return Ok(vec![RoutedBackend { target, weight: backend.weight, request: request.clone(), rules }]);
            }
            Resolution::Unmodelled(mut rules, why) => {
                rules.push(backend.at.clone());
                return Err(Decision::unknown(rules, why));
            }
        };
        let doubts = self.backend_doubts(backend);
        if !doubts.is_empty() {
            return Err(Decision::unknown(doubts, "policies for the backend are not modelled"));
        }
        let changed = self.for_backend(backend, request)?;
        Ok(targets.into_iter().map(|target| routed(backend, target, changed.clone())).collect())
    }

    /// Objects that bear on connections to the backend and that the model does not know.
    fn backend_doubts(&self, backend: &Backend) -> Vec<RuleRef> {
        let objects = &self.world.objects;
        let home = backend.object.namespace.as_str();
        if self.implementation.is_istio() {
            return Vec::new();
        }
        if !self.implementation.is_agentgateway() {
            let is_policy = |rule: &&RuleRef| {
                &*rule.object.kind == "BackendConfigPolicy" && rule.object.namespace.as_deref() == Some(home)
            };
            return objects.unmodelled.iter().filter(is_policy).cloned().collect();
        }
        let policies = objects.agentgateway_policies.iter().filter(|policy| {
            let targets = &policy.body.spec.target_refs;
            let hits = targets.iter().any(|target| {
                (&target.group, &target.kind, &target.name)
                    == (&backend.object.group, &backend.object.kind, &backend.object.name)
            });
            policy.meta.namespace() == home && (hits || !policy.body.spec.target_selectors.is_empty())
        });
        policies
            .flat_map(|policy| {
                policy.meta.unmodelled.iter().map(|field| policy.meta.rule(field.path.as_str(), field.at))
            })
            .collect()
    }

    /// The request after the backend's own filters.
    fn for_backend(&self, backend: &Backend, request: &Request) -> Result<Request, Decision> {
        let before = headers_of(&self.rule.filters);
        let mut changed = request.clone();
        for filter in &backend.filters {
            match filter {
                Filter::Headers(modifier) => {
                    let names = touched(modifier);
                    let clash = before.iter().any(|earlier| !touched(earlier).is_disjoint(&names));
                    if clash || is_ambiguous(modifier) {
                        let why = "rule and backend change the same header: the proxies differ in which comes last";
                        return Err(Decision::unknown(vec![backend.at.clone()], why));
                    }
                    modify_headers(&mut changed, modifier);
                }
                Filter::Rewrite(change) => rewrite(&mut changed, change, self.condition.path.prefix()),
                Filter::Mirror(_) | Filter::Response => {}
                Filter::Redirect(_) | Filter::Extension(_) | Filter::Cors(_) => {
                    let why = "the backend has a filter that the model does not know";
                    return Err(Decision::unknown(vec![backend.at.clone()], why));
                }
            }
        }
        Ok(changed)
    }

    fn conclude(self, request: &Request, backends: Vec<RoutedBackend>) -> Routed {
        let first = backends.first().map(|backend| backend.target.clone());
        if let Some(BackendTarget::Failing { status }) = first
            && backends.iter().all(|backend| backend.target == BackendTarget::Failing { status })
        {
            let (reason, why) = if status == 503 {
                (Reason::NoHealthyUpstream, "no backend has an endpoint")
            } else {
                (Reason::BackendUnresolved, "no backend can be used (missing, not granted, or of an unknown kind)")
            };
            let mut decision = self.broken(reason, status, format!("the gateway answers {status}: {why}"));
            decision.rules.extend(backends.into_iter().flat_map(|backend| backend.rules));
            return Routed::ended(decision);
        }
        let detail = format!(
            "{} takes {} {}{}{}",
            self.rule.at.object,
            request.method,
            request.path,
            share(&backends),
            self.remark
        );
        let mut rules = self.rules;
        rules.extend(backends.iter().flat_map(|backend| backend.rules.iter().cloned()));
        let mut seen = Vec::new();
        rules.retain(|rule| {
            !seen.contains(rule) && {
                seen.push(rule.clone());
                true
            }
        });
        Routed { decision: Decision::allow(Reason::RouteMatched, detail).by(rules), backends, passes_tls: false }
    }

    fn broken(&self, reason: Reason, status: u16, detail: String) -> Decision {
        Decision::deny(reason, Outcome::Http(status), detail).by(self.rules.clone())
    }
}

/// Whether a browser asks first what it may ask.
fn is_preflight(request: &Request) -> bool {
    let has = |name: &str| request.header(name).next().is_some();
    request.method == "OPTIONS" && has("origin") && has("access-control-request-method")
}

/// Whether an entry of `allowOrigins` takes an origin; a `*` stands for any characters.
fn is_origin(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((head, tail)) => {
            origin.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)).is_some_and(|label| !label.is_empty())
        }
    }
}

fn share(backends: &[RoutedBackend]) -> String {
    if backends.len() > 1 { format!("; one of {} alternatives by weight", backends.len()) } else { String::new() }
}

fn headers_of(filters: &[Filter]) -> Vec<&HeaderModifier> {
    filters
        .iter()
        .filter_map(|filter| match filter {
            Filter::Headers(modifier) => Some(modifier),
            Filter::Redirect(_)
            | Filter::Rewrite(_)
            | Filter::Extension(_)
            | Filter::Cors(_)
            | Filter::Mirror(_)
            | Filter::Response => None,
        })
        .collect()
}

fn routed(backend: &Backend, target: RouteTarget, mut request: Request) -> RoutedBackend {
    if let Some(path) = target.path {
        request.path = path;
    }
    if let Some(host) = target.host {
        request.host = host;
    }
    let rules = std::iter::once(backend.at.clone()).chain(target.rules).collect();
    RoutedBackend { target: target.to, weight: backend.weight, request, rules }
}
