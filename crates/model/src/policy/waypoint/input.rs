//! What a waypoint's filters know of a request or connection.

use std::net::IpAddr;

use super::matcher::Matcher;
use super::rule::Attribute;
use crate::policy::{MeshSource, Token};

/// Attributes of a request or connection.
#[derive(Debug, Clone)]
pub(super) struct Input<'a> {
    /// The peer's identity as URI; none for plaintext.
    pub(super) peer: Option<String>,
    pub(super) source: IpAddr,
    pub(super) destination: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) server_name: &'a str,
    /// The request, on an HTTP filter chain.
    pub(super) http: Option<HttpInput<'a>>,
}

/// Attributes of an HTTP request after normalization and token verification.
#[derive(Debug, Clone)]
pub(super) struct HttpInput<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    /// With query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) token: Option<VerifiedToken<'a>>,
}

/// A token that a rule has verified.
#[derive(Debug, Clone)]
pub(super) struct VerifiedToken<'a> {
    pub(super) token: &'a Token,
    /// Claims that are split at spaces.
    pub(super) split: Vec<&'a str>,
}

impl<'a> Input<'a> {
    pub(super) fn connection(
        source: &MeshSource,
        destination: Option<IpAddr>,
        port: u16,
        server_name: &'a str,
    ) -> Self {
        let peer = source.identity.as_ref().map(ToString::to_string);
        Self { peer, source: source.address, destination, port, server_name, http: None }
    }

    pub(super) fn is_http(&self) -> bool {
        self.http.is_some()
    }

    /// Whether an attribute has a value that `matcher` takes.
    pub(super) fn matches(&self, attribute: &Attribute, matcher: &Matcher) -> bool {
        match attribute {
            Attribute::Peer => self.peer.as_deref().is_some_and(|peer| matcher.takes_text(peer)),
            // The peer of a waypoint's filters is the listener that ends HBONE, whose address is an internal one and in
            // no range (istio/istio#46982; `direct_remote_ip`, Istio `pilot/pkg/security/authz/model/generator.go`).
            Attribute::SourceIp | Attribute::Unmodelled => false,
            Attribute::RemoteIp => matcher.takes_address(self.remote()),
            Attribute::DestinationIp => self.destination.is_some_and(|address| matcher.takes_address(address)),
            Attribute::DestinationPort => matcher.takes_port(self.port),
            Attribute::ServerName => matcher.takes_text(self.server_name),
            Attribute::Host
            | Attribute::Method
            | Attribute::Path
            | Attribute::Header(_)
            | Attribute::RequestPrincipal
            | Attribute::Claim(_) => self.http.as_ref().is_some_and(|http| http.matches(attribute, matcher)),
        }
    }

    /// The last address of `x-forwarded-for`, else the peer's (Envoy `use_remote_address: false`, no trusted hops).
    fn remote(&self) -> IpAddr {
        let forwarded = self.http.as_ref().and_then(|http| http.header("x-forwarded-for"));
        forwarded.and_then(|list| list.rsplit(',').next()?.trim().parse().ok()).unwrap_or(self.source)
    }
}

impl HttpInput<'_> {
    fn matches(&self, attribute: &Attribute, matcher: &Matcher) -> bool {
        match attribute {
            Attribute::Host => matcher.takes_text(self.host),
            Attribute::Method => matcher.takes_text(self.method),
            Attribute::Path => matcher.takes_text(self.path.split(['?', '#']).next().unwrap_or_default()),
            Attribute::Header(name) => self.header(name).is_some_and(|value| matcher.takes_text(&value)),
            Attribute::RequestPrincipal => self.token.as_ref().is_some_and(|token| token.is_principal(matcher)),
            Attribute::Claim(path) => {
                let token = self.token.as_ref();
                token.is_some_and(|token| token.claim(path).iter().any(|value| matcher.takes_text(value)))
            }
            Attribute::Peer
            | Attribute::SourceIp
            | Attribute::RemoteIp
            | Attribute::DestinationIp
            | Attribute::DestinationPort
            | Attribute::ServerName
            | Attribute::Unmodelled => false,
        }
    }

    /// A header's value, several joined by commas; `host` is `:authority` (Envoy `source/common/http/header_utility.cc`).
    pub(super) fn header(&self, name: &str) -> Option<String> {
        match name {
            ":method" => return Some(self.method.to_owned()),
            ":path" => return Some(self.path.clone()),
            ":authority" | "host" => return Some(self.host.to_owned()),
            ":scheme" => return self.header("x-forwarded-proto"),
            _ => {}
        }
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }
}

impl VerifiedToken<'_> {
    fn is_principal(&self, matcher: &Matcher) -> bool {
        let Matcher::RequestPrincipal { issuer, subject } = matcher else { return false };
        // A claim that is not there matches nothing, not even an empty value.
        let fits = |value: &str, text: &super::matcher::Text| !value.is_empty() && text.matches(value);
        fits(&self.token.issuer, issuer) && fits(&self.token.subject, subject)
    }

    /// Values of a claim; the names of a nested claim are joined by dots, as a token lists it.
    pub(super) fn claim(&self, path: &[String]) -> Vec<String> {
        let name = path.join(".");
        let standard = |value: &String| if value.is_empty() { Vec::new() } else { vec![value.clone()] };
        let values = match name.as_str() {
            "iss" => standard(&self.token.issuer),
            "sub" => standard(&self.token.subject),
            "aud" => self.token.audiences.clone(),
            _ => self.token.claims.get(&name).cloned().unwrap_or_default(),
        };
        match values.as_slice() {
            [text] if self.split.contains(&name.as_str()) => text.split(' ').map(str::to_owned).collect(),
            _ => values,
        }
    }
}

impl Matcher {
    fn takes_text(&self, text: &str) -> bool {
        match self {
            Self::Text(matcher) => matcher.matches(text),
            Self::Regex(regex) => regex.is_match(text),
            Self::Range(_) | Self::Port(_) | Self::RequestPrincipal { .. } => false,
        }
    }

    fn takes_address(&self, address: IpAddr) -> bool {
        match self {
            Self::Range(range) => range.contains(&address),
            Self::Text(_) | Self::Regex(_) | Self::Port(_) | Self::RequestPrincipal { .. } => false,
        }
    }

    fn takes_port(&self, port: u16) -> bool {
        match self {
            Self::Port(own) => *own == port,
            Self::Text(_) | Self::Regex(_) | Self::Range(_) | Self::RequestPrincipal { .. } => false,
        }
    }
}
