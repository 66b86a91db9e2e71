//! The HTTP part of a flow.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An HTTP request as the client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// Method, such as `GET`; case-sensitive.
    pub method: String,
    /// `:path`, query included, such as `/v1/x?y=1`.
    pub path: String,
    /// `:authority`, port included if the client sends one.
    pub host: String,
    /// Headers in order; names compare without case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The bearer token, if the client sends one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

impl Request {
    /// All values of a header, by name without case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether Envoy's HTTP/1 codec takes it for a request at all: it knows the method, and the path is printable ASCII
    /// (Envoy `source/common/http/http1/balsa_parser.cc`, `isMethodValid`, `isUrlValid`).
    pub(crate) fn is_understood(&self) -> bool {
        let printable = |byte: u8| matches!(byte, b'\t' | b'\x0c' | b'!'..=b'~');
        METHODS.contains(&self.method.as_str()) && self.path.bytes().all(printable)
    }

    /// The path without its query.
    #[must_use]
    pub fn path_only(&self) -> &str {
        self.path.split(['?', '#']).next().unwrap_or_default()
    }
}

/// Methods that Envoy's HTTP/1 codec knows, in capitals; it answers 400 to every other, before any filter (Envoy
/// `source/common/http/http1/balsa_parser.cc`).
const METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// A JSON Web Token by what a verifier would find in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    #[serde(default)]
    pub subject: String,
    /// `aud`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Further claims, by name; a name's dots are its own, and claims within claims are objects.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Claim>,
    /// Whether it verifies.
    #[serde(default)]
    pub state: TokenState,
}

/// A claim's value as the token's JSON has it: a text, a number, a truth value, a list or an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Claim(pub serde_json::Value);

impl Ord for Claim {
    /// The order of the values as they are written.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.to_string().cmp(&other.0.to_string())
    }
}

impl PartialOrd for Claim {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a token verifies against its issuer's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenState {
    /// Signed by its issuer, in its time.
    #[default]
    Valid,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come.
    NotYetValid,
    /// Signed with a key that its issuer does not publish.
    Forged,
    /// `alg: none`.
    Unsigned,
}
