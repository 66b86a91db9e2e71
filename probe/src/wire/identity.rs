//! Who answered, and what reached them.

use serde::{Deserialize, Serialize};

/// The response header in which every HTTP stand-in names itself, as the JSON of [`Identity`].
pub const IDENTITY_HEADER: &str = "airtight-identity";

/// Which probe answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// Its pod's name, or the container's.
    pub pod: String,
    /// Its namespace; empty outside a cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What it stands in for, such as `mcp-server`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
}

/// What a stand-in says about itself and about what reached it: the member `airtight` of its JSON answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// The mark.
    pub airtight: Seen,
}

/// The content of [`Marked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Who answers.
    pub identity: Identity,
    /// Who asked, as the server's socket sees it: address and port.
    pub peer: String,
    /// The HTTP request as it arrived; none for other protocols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<SeenRequest>,
    /// The TLS session; none without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<SeenTls>,
}

/// An HTTP request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenRequest {
    /// Its method.
    pub method: String,
    /// Its target as it arrived, without any normalisation, query included.
    pub path: String,
    /// Its `Host` or `:authority`; none if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// How many bytes its body has.
    pub body_bytes: u64,
}

/// A TLS session as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenTls {
    /// The server name (SNI) that the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The protocol that ALPN chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
}
