//! ztunnel's authorization policies and how a connection matches them (ztunnel `src/rbac.rs`).

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::RuleRef;
use ipnet::IpNet;

use crate::policy::SpiffeId;

/// What ztunnel knows of a connection.
#[derive(Debug, Clone)]
pub(super) struct InboundConnection<'a> {
    pub(super) identity: Option<&'a SpiffeId>,
    /// The identity as policies write it; none for plaintext.
    pub(super) principal: Option<&'a str>,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) port: u16,
}

/// A policy in the form that istiod sends.
#[derive(Debug, Clone)]
pub(super) struct Authorization {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) action: RbacAction,
    pub(super) rules: Vec<RbacRule>,
    /// The objects that it stands for.
    pub(super) origin: Vec<RuleRef>,
    pub(super) cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RbacAction {
    Allow,
    Deny,
}

/// What a policy was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// An AuthorizationPolicy.
    AuthorizationPolicy,
    /// PeerAuthentication objects.
    PeerAuthentication,
    /// `PILOT_AUTO_ALLOW_WAYPOINT_POLICY`.
    Waypoint,
}

/// Holds if every clause holds; a clause holds if one of its matches does.
#[derive(Debug, Clone)]
pub(super) struct RbacRule {
    pub(super) clauses: Vec<Vec<Match>>,
    pub(super) origin: Vec<RuleRef>,
}

/// Holds if every field holds; one without any field never does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Match {
    pub(super) namespaces: Values<StringMatch>,
    pub(super) service_accounts: Values<ServiceAccount>,
    pub(super) principals: Values<StringMatch>,
    pub(super) source_ips: Values<IpNet>,
    pub(super) destination_ips: Values<IpNet>,
    pub(super) destination_ports: Values<u16>,
}

/// One of `any` (unless it is empty) and none of `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Values<T> {
    pub(super) any: Vec<T>,
    pub(super) none: Vec<T>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StringMatch {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Presence,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceAccount {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Authorization {
    /// `namespace/name`, as ztunnel's logs have it.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Every rule that the connection matches, by index.
    pub(super) fn matching(&self, connection: &InboundConnection<'_>) -> impl Iterator<Item = usize> {
        self.rules.iter().enumerate().filter(|(_, rule)| rule.matches(connection)).map(|(index, _)| index)
    }
}

impl RbacRule {
    fn matches(&self, connection: &InboundConnection<'_>) -> bool {
        self.clauses.iter().all(|clause| clause.is_empty() || clause.iter().any(|one| one.matches(connection)))
    }

    /// Whether any connection could match: every clause has a match with a field.
    pub(super) fn is_alive(&self) -> bool {
        self.clauses.iter().all(|clause| clause.is_empty() || clause.iter().any(|one| !one.is_empty()))
    }
}

impl Match {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn matches(&self, connection: &InboundConnection<'_>) -> bool {
        let namespace = connection.identity.map_or("", |identity| &*identity.namespace);
        !self.is_empty()
            && self.destination_ips.hold(|range| range.contains(&connection.destination))
            && self.source_ips.hold(|range| range.contains(&connection.source))
            && self.destination_ports.hold(|port| *port == connection.port)
            && self.service_accounts.hold(|account| connection.identity.is_some_and(|id| account.matches(id)))
            && self.principals.hold(|value| connection.principal.is_some_and(|id| value.matches(id)))
            && self.namespaces.hold(|value| value.matches(namespace))
    }
}

impl<T> Values<T> {
    fn hold(&self, matches: impl Fn(&T) -> bool) -> bool {
        (self.any.is_empty() || self.any.iter().any(&matches)) && !self.none.iter().any(&matches)
    }
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { any: Vec::new(), none: Vec::new() }
    }
}

impl StringMatch {
    /// `*`, `*suffix`, `prefix*` or an exact value; a `*` elsewhere is an ordinary character.
    pub(super) fn parse(text: &str) -> Self {
        if text == "*" {
            return Self::Presence;
        }
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(suffix), _) => Self::Suffix(suffix.to_owned()),
            (None, Some(prefix)) => Self::Prefix(prefix.to_owned()),
            (None, None) => Self::Exact(text.to_owned()),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == exact,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::Presence => !text.is_empty(),
        }
    }
}

impl ServiceAccount {
    /// `NAMESPACE/NAME`, or `NAME` in the policy's own namespace.
    pub(super) fn parse(text: &str, own: &str) -> Self {
        let (namespace, name) = text.split_once('/').unwrap_or((own, text));
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn matches(&self, identity: &SpiffeId) -> bool {
        *identity.namespace == *self.namespace && *identity.service_account == *self.name
    }
}
