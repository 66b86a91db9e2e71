//! Which of several matches of a request wins (`apis/v1/httproute_types.go`, `HTTPRouteRule.matches`).

use std::cmp::Reverse;

use super::hostname::HostPattern;
use super::matching::{Match, PathCondition};

/// Place of one match in the order in which matches are tried: the smaller one is tried first.
///
/// Host with most exact characters, then most characters; exact path; longest prefix; method; most headers; most
/// query parameters; oldest route; `namespace/name`; first rule and first match. The API leaves open where regular
/// expressions stand: see [`RegexPlace`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence {
    strength: Strength,
    age: Age,
    route: String,
    kind: &'static str,
    rule: usize,
    matching: usize,
}

/// The part of the order that the request decides; equal ones are told apart by their routes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Strength {
    host: Reverse<(usize, usize)>,
    path: PathRank,
    length: Reverse<usize>,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    Exact,
    EarlyRegex,
    Prefix,
    Regex,
}

/// Where an implementation tries regular expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegexPlace {
    /// Before prefixes, and none before another for its length (kgateway
    /// `internal/kgateway/translator/routeutils/sortable_route.go`, `lessPath`).
    BeforePrefixes,
    /// After prefixes, the longest first (agentgateway `crates/agentgateway/src/http/route.rs`, `get_path_rank`; Istio
    /// `pilot/pkg/config/kube/gateway/conversion.go`, `getURIRank`).
    Last,
}

/// When the route was made, in RFC 3339. A manifest without a time stands behind all that have one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Known(String),
    Unknown,
}

/// The route that a match belongs to, and where in it.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Namespace of the route.
    pub namespace: &'a str,
    /// Name of the route.
    pub name: &'a str,
    /// Kind of the route.
    pub kind: &'static str,
    /// `metadata.creationTimestamp` of the route.
    pub created: Option<&'a str>,
    /// Index of the rule.
    pub rule: usize,
    /// Index of the match in the rule.
    pub matching: usize,
}

impl Precedence {
    /// The place of a match that serves `host`.
    #[must_use]
    pub fn new(host: &HostPattern, condition: &Match, regexes: RegexPlace, origin: Origin<'_>) -> Self {
        Self {
            strength: Strength::new(host, condition, regexes),
            age: origin.created.map_or(Age::Unknown, |created| Age::Known(created.to_owned())),
            route: format!("{}/{}", origin.namespace, origin.name),
            kind: origin.kind,
            rule: origin.rule,
            matching: origin.matching,
        }
    }

    /// Whether the request does not decide between the two.
    #[must_use]
    pub fn ties(&self, other: &Self) -> bool {
        self.strength == other.strength
    }

    /// Whether only the age of two different routes decides between the two, and it is not known.
    #[must_use]
    pub fn needs_unknown_age(&self, other: &Self) -> bool {
        self.ties(other)
            && (&self.route, self.kind) != (&other.route, other.kind)
            && (self.age == Age::Unknown || other.age == Age::Unknown)
    }
}

impl Strength {
    fn new(host: &HostPattern, condition: &Match, regexes: RegexPlace) -> Self {
        let (path, length) = match (&condition.path, regexes) {
            (PathCondition::Exact(path), _) => (PathRank::Exact, path.len()),
            (PathCondition::Prefix(prefix), _) => (PathRank::Prefix, prefix.len()),
            (PathCondition::Regex(_), RegexPlace::BeforePrefixes) => (PathRank::EarlyRegex, 0),
            (PathCondition::Regex(expression), RegexPlace::Last) => (PathRank::Regex, expression.len()),
        };
        Self {
            host: Reverse(host.specificity()),
            path,
            length: Reverse(length),
            method: Reverse(condition.method.is_some()),
            headers: Reverse(condition.headers.len()),
            query: Reverse(condition.query.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use airtight_manifest::gateway_api::ValueMatch;
    use proptest::prelude::*;

    use super::*;

    fn condition() -> impl Strategy<Value = Match> {
        let path = prop_oneof![
            "/[ab]{0,2}".prop_map(PathCondition::Exact),
            "(/[ab])?".prop_map(PathCondition::Prefix),
            "/[ab]\\*".prop_map(PathCondition::Regex),
        ];
        let values = |most| prop::collection::vec("[ab]", 0..most);
        (path, prop::option::of(Just("GET".to_owned())), values(3), values(2)).prop_map(
            |(path, method, headers, query)| {
                let read = |names: Vec<String>| {
                    names.into_iter().map(|name| ValueMatch { kind: None, name, value: String::new() }).collect()
                };
                Match { path, method, headers: read(headers), query: read(query) }
            },
        )
    }

    prop_compose! {
        fn precedence()(
            host in prop_oneof![Just(None), Just(Some("a.b")), Just(Some("*.b")), Just(Some("*.a.b"))],
            condition in condition(),
            name in "[ab]",
            created in prop::option::of(prop_oneof![Just("2026-01-01T00:00:00Z"), Just("2026-02-01T00:00:00Z")]),
            rule in 0..2_usize,
            matching in 0..2_usize,
            early in any::<bool>(),
        ) -> Precedence {
            let origin = Origin { namespace: "n", name: &name, kind: "HTTPRoute", created, rule, matching };
            let regexes = if early { RegexPlace::BeforePrefixes } else { RegexPlace::Last };
            Precedence::new(&HostPattern::parse(host), &condition, regexes, origin)
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total_and_agrees_with_equality(a in precedence(), b in precedence(), c in precedence()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn age_is_asked_for_only_where_the_request_does_not_decide(a in precedence(), b in precedence()) {
            prop_assert!(!a.needs_unknown_age(&b) || a.ties(&b));
            prop_assert_eq!(a.needs_unknown_age(&b), b.needs_unknown_age(&a));
        }
    }

    fn place(host: Option<&str>, path: PathCondition, method: Option<&str>) -> Precedence {
        let condition = Match { path, method: method.map(str::to_owned), headers: Vec::new(), query: Vec::new() };
        let origin = Origin { namespace: "n", name: "r", kind: "HTTPRoute", created: None, rule: 0, matching: 0 };
        Precedence::new(&HostPattern::parse(host), &condition, RegexPlace::Last, origin)
    }

    #[test]
    fn the_order_of_the_api_holds() {
        let exact = |text: &str| PathCondition::Exact(text.to_owned());
        let prefix = |text: &str| PathCondition::Prefix(text.to_owned());
        let wanted = [
            place(Some("a.example.com"), prefix("/"), None),
            place(Some("*.a.example.com"), exact("/x"), None),
            place(Some("*.example.com"), exact("/x"), Some("GET")),
            place(None, exact("/x"), Some("GET")),
            place(None, exact("/x"), None),
            place(None, prefix("/long"), None),
            place(None, prefix("/a"), Some("GET")),
            place(None, prefix("/a"), None),
            place(None, PathCondition::Regex("/a/very/long/one.*".to_owned()), Some("GET")),
        ];
        assert!(wanted.is_sorted());
    }
}
