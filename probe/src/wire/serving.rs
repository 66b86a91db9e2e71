//! What `serve` is told and what it says when it is ready.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Identity;

/// The configuration of `airtight-probe serve`.
///
/// ```
/// use airtight_probe::wire::Serving;
/// let config = r#"{"identity": {"pod": "web-0"}, "listeners": [{"bind": "0.0.0.0:8080", "speak": {"http": {}}}]}"#;
/// let serving: Serving = serde_json::from_str(config).unwrap();
/// assert_eq!(serving.listeners.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Serving {
    /// Who it says it is.
    #[serde(default)]
    pub identity: Identity,
    /// What it listens on.
    pub listeners: Vec<Listener>,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// Address and port; port 0 takes a free one.
    pub bind: SocketAddr,
    /// TLS below the protocol; none: clear text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Certificate>,
    /// The protocol.
    pub speak: Speak,
}

/// The certificate of a TLS listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certificate {
    /// From files.
    Files {
        /// Path of the certificate chain (PEM).
        certificate: String,
        /// Path of the private key (PEM).
        key: String,
    },
    /// Issued by the process's own authority, which is made when it starts and shown in [`Bound::ca`].
    Own(Own),
}

/// A certificate of the process's own authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Own {
    /// The names and addresses that it is for.
    pub names: Vec<String>,
}

/// What a listener speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speak {
    /// HTTP/1.1, and HTTP/2 with prior knowledge or by ALPN.
    Http(HttpListener),
    /// A line of JSON that says who answers, then an echo.
    Tcp,
    /// A datagram with who answers, and the echo.
    Udp,
    /// PostgreSQL: start-up, and one row for any query.
    Postgres,
    /// Redis: the commands that a client begins with.
    Redis,
    /// AMQP 0-9-1: from the protocol header to an open connection.
    Amqp,
    /// Accepts, reads and never says a word.
    Mute,
    /// Accepts and resets at the first byte.
    Reset,
}

/// How an HTTP listener answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpListener {
    /// What it stands in for.
    #[serde(default)]
    pub answer: HttpAnswer,
    /// The status of every request that no route names; none: the stand-in's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Statuses by path: the longest prefix that fits wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
}

/// A status for paths that begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// The beginning of the path.
    pub prefix: String,
    /// The status.
    pub status: u16,
}

/// What an HTTP listener stands in for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpAnswer {
    /// Itself: every request is answered with what arrived.
    #[default]
    Echo,
    /// An MCP server (streamable HTTP).
    Mcp,
    /// An LLM provider (OpenAI's chat completions, Anthropic's messages).
    Llm,
    /// A token issuer: discovery, keys, and tokens on request.
    Issuer {
        /// The `iss` of its tokens and of its discovery document.
        issuer: String,
        /// Path of the private key (P-256, PKCS#8, PEM); none: a new one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// A cloud's instance metadata service (AWS, Google Cloud, Azure), with credentials that are worth nothing.
    Metadata,
}

/// The line that `serve` writes once every listener is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Its listeners, in the order of the configuration.
    pub ready: Vec<Bound>,
}

/// A listener that is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// Its address and port.
    pub address: SocketAddr,
    /// The authority (PEM) that issued its certificate, if that is the process's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}
