//! Requests that policies speak of, and their neighbours that policies do not.

use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::cilium::{Direction, HttpRule};
use airtight_manifest::gateway_api::{HttpRouteMatch, MatchType, PathMatchType};
use airtight_manifest::istio::{Condition, Operation, Rule, Source};
use airtight_model::policy::{Claim, Token, TokenState};
use airtight_model::world::World;
use serde_json::{Value, json};

use super::sample;

/// A path that no policy is likely to name.
pub(super) const UNLISTED: &str = "/airtight-unlisted";

/// A request whose host may be the target's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) method: String,
    pub(super) path: String,
    /// The host that it must name; none for whatever a client would send.
    pub(super) host: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) token: Option<Token>,
}

impl Wanted {
    /// `GET /`.
    pub(super) fn plain() -> Self {
        Self { method: "GET".to_owned(), path: "/".to_owned(), host: None, headers: Vec::new(), token: None }
    }

    /// The request and others that differ from it in one thing each.
    fn with_neighbours(self) -> Vec<Self> {
        let method = if self.method == "DELETE" { "GET" } else { "DELETE" };
        let mut all = vec![
            Self { path: UNLISTED.to_owned(), ..self.clone() },
            Self { method: method.to_owned(), ..self.clone() },
        ];
        if !self.headers.is_empty() {
            all.push(Self { headers: Vec::new(), ..self.clone() });
        }
        if let Some(token) = &self.token {
            all.push(Self { token: None, ..self.clone() });
            all.push(Self { token: Some(Token { state: TokenState::Expired, ..token.clone() }), ..self.clone() });
        }
        all.insert(0, self);
        all
    }
}

/// Requests by the namespace of the policies that speak of them; none: of cluster-wide ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    /// Of policies that guard targets.
    pub(super) at: BTreeMap<Option<String>, BTreeSet<Wanted>>,
    /// Of policies that bind sources.
    pub(super) by: BTreeMap<Option<String>, BTreeSet<Wanted>>,
}

impl Requests {
    /// The requests that AuthorizationPolicies and Cilium's HTTP rules speak of.
    pub(super) fn of(world: &World) -> Self {
        let mut requests = Self::default();
        let tokens = Tokens::of(world);
        for object in &world.objects.authorization_policies {
            // A policy of the root namespace is for the whole mesh.
            let root = object.meta.namespace() == world.stack.istio.root_namespace;
            let namespace = Some(object.meta.namespace()).filter(|_| !root);
            let wanted = object.body.spec.rules().iter().flat_map(|rule| of_rule(rule, &tokens));
            add(&mut requests.at, namespace, wanted);
        }
        let objects = &world.objects;
        for object in objects.cilium_policies.iter().chain(&objects.cilium_clusterwide_policies) {
            let namespace = object.meta.object.namespace.as_deref();
            for (_, rule) in object.body.rules() {
                for section in rule.sections() {
                    let side = match section.direction {
                        Direction::Ingress => &mut requests.at,
                        Direction::Egress => &mut requests.by,
                    };
                    let rules = section.ports.iter().filter_map(|item| item.rules);
                    let http = rules.flat_map(|rules| rules.http.iter().flatten());
                    add(side, namespace, http.filter_map(|rule| of_http_rule(rule)));
                }
            }
        }
        requests
    }
}

fn add(
    side: &mut BTreeMap<Option<String>, BTreeSet<Wanted>>,
    namespace: Option<&str>,
    wanted: impl Iterator<Item = Wanted>,
) {
    let mut wanted = wanted.peekable();
    if wanted.peek().is_some() {
        let list = side.entry(namespace.map(str::to_owned)).or_default();
        list.extend(wanted.flat_map(Wanted::with_neighbours));
    }
}

/// The requests that an HTTPRoute takes at `host`.
pub(super) fn of_match(written: &HttpRouteMatch, host: &str) -> Option<Vec<Wanted>> {
    let path = match &written.path {
        None => "/".to_owned(),
        Some(path) => match path.kind() {
            PathMatchType::Exact | PathMatchType::PathPrefix => path.value().to_owned(),
            PathMatchType::RegularExpression => sample::of_regex(path.value())?,
        },
    };
    let value = |kind: Option<MatchType>, value: &str| match kind.unwrap_or_default() {
        MatchType::Exact => Some(value.to_owned()),
        MatchType::RegularExpression => sample::of_regex(value),
    };
    let headers = written.headers.iter().map(|header| Some((header.name.clone(), value(header.kind, &header.value)?)));
    let query = written.query_params.iter().map(|one| Some(format!("{}={}", one.name, value(one.kind, &one.value)?)));
    let query: Vec<String> = query.collect::<Option<_>>()?;
    let wanted = Wanted {
        method: written.method.map_or("GET", airtight_manifest::gateway_api::HttpMethod::as_str).to_owned(),
        path: if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) },
        host: Some(host.to_owned()),
        headers: headers.collect::<Option<_>>()?,
        token: None,
    };
    Some(wanted.with_neighbours())
}

/// What RequestAuthentications say of tokens.
struct Tokens {
    /// Issuer and the first audience that it must name.
    issuers: Vec<(String, Option<String>)>,
}

impl Tokens {
    fn of(world: &World) -> Self {
        let rules = world.objects.request_authentications.iter().flat_map(|object| &object.body.spec.jwt_rules);
        Self { issuers: rules.map(|rule| (rule.issuer.clone(), rule.audiences.first().cloned())).collect() }
    }

    /// A token of the issuer that a pattern `ISSUER/SUBJECT` names.
    fn token(&self, principal: &str) -> Token {
        let (issuer, subject) = principal.rsplit_once('/').unwrap_or((principal, "*"));
        let known = self.issuers.iter().find(|(known, _)| issuer.contains('*') || known == issuer);
        Token {
            issuer: known.map_or_else(|| sample::of_glob(issuer), |(issuer, _)| issuer.clone()),
            subject: sample::of_glob(subject),
            audiences: known.and_then(|(_, audience)| audience.clone()).into_iter().collect(),
            claims: BTreeMap::new(),
            state: TokenState::Valid,
        }
    }
}

/// One request for each path and each method of each operation.
fn of_rule(rule: &Rule, tokens: &Tokens) -> Vec<Wanted> {
    let mut sources = rule.from.iter().flatten().filter_map(|from| from.source.as_ref());
    let token = sources.find_map(|source| of_source(source, tokens));
    let mut base = Wanted { token, ..Wanted::plain() };
    for condition in &rule.when {
        apply(condition, tokens, &mut base);
    }
    let nothing = Operation::default();
    let mut operations: Vec<&Operation> = rule.to.iter().flatten().filter_map(|to| to.operation.as_ref()).collect();
    if operations.is_empty() {
        operations.push(&nothing);
    }
    operations.into_iter().flat_map(|operation| of_operation(operation, &base)).collect()
}

fn of_source(source: &Source, tokens: &Tokens) -> Option<Token> {
    source.request_principals.first().map(|principal| tokens.token(principal))
}

fn apply(condition: &Condition, tokens: &Tokens, wanted: &mut Wanted) {
    let Some(value) = condition.values.first() else { return };
    let bracketed = |prefix: &str| {
        let inside = condition.key.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?;
        Some(inside.to_owned())
    };
    if let Some(header) = bracketed("request.headers") {
        wanted.headers.push((header, sample::of_glob(value)));
        return;
    }
    let any = || tokens.token("*");
    if condition.key == "request.auth.principal" {
        wanted.token.get_or_insert_with(|| tokens.token(value));
    } else if condition.key == "request.auth.audiences" {
        wanted.token.get_or_insert_with(any).audiences = vec![sample::of_glob(value)];
    } else if let Some(path) = bracketed("request.auth.claims") {
        let names: Vec<&str> = path.split("][").collect();
        let (name, within) = names.split_first().unwrap_or((&"", &[]));
        let text = Value::from(sample::of_glob(value));
        let claim = within.iter().rev().fold(text, |inner, name| json!({ *name: inner }));
        wanted.token.get_or_insert_with(any).claims.insert((*name).to_owned(), Claim(claim));
    }
}

fn of_operation(operation: &Operation, base: &Wanted) -> Vec<Wanted> {
    let host = operation.hosts.first().filter(|host| *host != "*").map(|host| sample::of_glob(host));
    let base = Wanted { host: host.or_else(|| base.host.clone()), ..base.clone() };
    let first = operation.methods.first().map_or_else(|| base.method.clone(), |method| method_of(method));
    let paths: Vec<String> = operation.paths.iter().map(|path| sample::of_path_glob(path)).collect();
    let path = paths.first().cloned().unwrap_or_else(|| base.path.clone());
    let mut all: Vec<Wanted> =
        paths.into_iter().map(|path| Wanted { method: first.clone(), path, ..base.clone() }).collect();
    all.extend(operation.methods.iter().map(|method| Wanted {
        method: method_of(method),
        path: path.clone(),
        ..base.clone()
    }));
    if all.is_empty() {
        all.push(base);
    }
    all
}

fn method_of(pattern: &str) -> String {
    if pattern == "*" { "GET".to_owned() } else { sample::of_glob(pattern) }
}

fn of_http_rule(rule: &HttpRule) -> Option<Wanted> {
    let text = |pattern: &Option<String>| match pattern.as_deref() {
        None | Some("") => Some(None),
        Some(pattern) => sample::of_regex(pattern).map(Some),
    };
    let named = rule.headers.iter().flatten().map(|header| match header.split_once(':') {
        Some((name, value)) => (name.trim().to_owned(), value.trim().to_owned()),
        None => (header.trim().to_owned(), "x".to_owned()),
    });
    let matched = rule.header_matches.iter().flatten().filter(|header| header.mismatch.is_none());
    let matched = matched.map(|header| (header.name.clone(), header.value.clone().unwrap_or_default()));
    Some(Wanted {
        method: text(&rule.method)?.unwrap_or_else(|| "GET".to_owned()),
        path: text(&rule.path)?.filter(|path| path.starts_with('/')).unwrap_or_else(|| "/".to_owned()),
        host: text(&rule.host)?,
        headers: named.chain(matched).collect(),
        token: None,
    })
}
