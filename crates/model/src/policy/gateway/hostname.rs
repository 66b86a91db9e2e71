//! Host names of listeners and routes (`apis/v1/shared_types.go`, `Hostname`; `apis/v1/gateway_types.go`).

use std::fmt;

/// Which hosts a listener or route takes.
///
/// ```
/// use airtight_model::policy::gateway::HostPattern;
/// let wildcard = HostPattern::parse(Some("*.example.com"));
/// assert!(wildcard.matches("a.b.example.com"));
/// assert!(!wildcard.matches("example.com"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Exactly this host, in lower case.
    Exact(String),
    /// Every host that ends in this suffix, which begins with a dot and has one label or more before it.
    Suffix(String),
    /// Every host.
    Any,
}

impl HostPattern {
    /// The pattern of a `hostname` field; an absent or empty one takes every host.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Self {
        match text.filter(|text| !text.is_empty()).map(str::to_ascii_lowercase) {
            None => Self::Any,
            Some(text) if text == "*" => Self::Any,
            Some(text) => match text.strip_prefix('*') {
                Some(suffix) => Self::Suffix(suffix.to_owned()),
                None => Self::Exact(text),
            },
        }
    }

    /// Whether it takes `host`, which has no port and is in lower case.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(own) => own == host,
            Self::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            Self::Any => true,
        }
    }

    /// The hosts that both take, if there are any.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, both) | (both, Self::Any) => Some(both.clone()),
            (Self::Exact(a), both @ Self::Exact(b)) => (a == b).then(|| both.clone()),
            (exact @ Self::Exact(host), wildcard @ Self::Suffix(_))
            | (wildcard @ Self::Suffix(_), exact @ Self::Exact(host)) => wildcard.matches(host).then(|| exact.clone()),
            (Self::Suffix(a), Self::Suffix(b)) if a.ends_with(b.as_str()) => Some(self.clone()),
            (Self::Suffix(a), Self::Suffix(b)) => b.ends_with(a.as_str()).then(|| other.clone()),
        }
    }

    /// How specific it is: characters of an exact host, then characters at all; more wins.
    #[must_use]
    pub fn specificity(&self) -> (usize, usize) {
        match self {
            Self::Exact(host) => (host.len(), host.len()),
            Self::Suffix(suffix) => (0, suffix.len() + 1),
            Self::Any => (0, 0),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// The host of an `:authority` without its port, in lower case.
#[must_use]
pub fn host_of(authority: &str) -> String {
    let bare = match authority.rfind(']') {
        Some(end) => authority.get(..=end).unwrap_or(authority),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    bare.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern() -> impl Strategy<Value = HostPattern> {
        prop_oneof![
            Just(HostPattern::Any),
            host().prop_map(HostPattern::Exact),
            host().prop_map(|host| HostPattern::Suffix(format!(".{host}"))),
        ]
    }

    fn host() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]", 1..4).prop_map(|labels| labels.join("."))
    }

    proptest! {
        #[test]
        fn an_intersection_takes_what_both_take(a in pattern(), b in pattern(), host in host()) {
            let both = a.intersect(&b).is_some_and(|both| both.matches(&host));
            prop_assert_eq!(both, a.matches(&host) && b.matches(&host));
        }

        #[test]
        fn an_intersection_does_not_depend_on_the_order(a in pattern(), b in pattern()) {
            prop_assert_eq!(a.intersect(&b), b.intersect(&a));
        }

        #[test]
        fn of_two_matching_patterns_the_more_specific_is_the_narrower(a in pattern(), b in pattern(), host in host()) {
            if a.matches(&host) && b.matches(&host) && a.specificity() > b.specificity() {
                prop_assert_eq!(a.intersect(&b), Some(a));
            }
        }
    }

    #[test]
    fn the_port_of_an_authority_is_ignored() {
        assert_eq!(host_of("Example.COM:8080"), "example.com");
        assert_eq!(host_of("[::1]:80"), "[::1]");
        assert_eq!(host_of("example.com"), "example.com");
    }
}
