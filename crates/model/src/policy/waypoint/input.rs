//! What a waypoint's filters know of a request or connection.

use std::net::IpAddr;

use serde_json::Value;

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

    /// Texts of a claim, a list's each; a number or truth value is none (Istio `pilot/pkg/security/authz/matcher`,
    /// `MetadataListValueMatcher`).
    pub(super) fn claim(&self, path: &[String]) -> Vec<String> {
        let standard = |value: &String| if value.is_empty() { Vec::new() } else { vec![value.clone()] };
        let (name, nested) = match path {
            [name] => (name.as_str(), false),
            [name, ..] => (name.as_str(), true),
            [] => return Vec::new(),
        };
        match name {
            "iss" | "sub" | "aud" if nested => Vec::new(),
            "iss" => standard(&self.token.issuer),
            "sub" => standard(&self.token.subject),
            "aud" => self.token.audiences.clone(),
            _ => match self.value(path) {
                // The filter splits claims of the token itself, none within them.
                Some(Value::String(text)) if !nested && self.split.contains(&name) => {
                    text.split(' ').map(str::to_owned).collect()
                }
                Some(Value::String(text)) => vec![text.clone()],
                Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
            },
        }
    }

    /// A claim as a header has it: only texts, numbers and truth values become one (Envoy
    /// `source/extensions/filters/http/jwt_authn/authenticator.cc`, `addJWTClaimToHeader`).
    pub(super) fn claim_as_header(&self, dotted: &str) -> Option<String> {
        let text = match dotted {
            "iss" => self.token.issuer.clone(),
            "sub" => self.token.subject.clone(),
            _ => {
                let path: Vec<String> = dotted.split('.').map(str::to_owned).collect();
                match self.value(&path)? {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => header_of_number(number.as_f64()?),
                    Value::Bool(truth) => truth.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => return None,
                }
            }
        };
        (!text.is_empty()).then_some(text)
    }

    /// A claim, and one within it for each further name.
    fn value(&self, path: &[String]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(&self.token.claims.get(first)?.0, |value, name| value.get(name.as_str()))
    }
}

/// A whole number that is not negative as such, any other with six digits (`convertClaimDoubleToString`).
fn header_of_number(number: f64) -> String {
    let whole = (0.0..18_446_744_073_709_551_615.0).contains(&number) && number.fract() == 0.0;
    if whole { format!("{number:.0}") } else { format!("{number:.6}") }
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
