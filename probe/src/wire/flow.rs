//! What `dial` reads: one flow a line.

use serde::{Deserialize, Serialize};

use super::{Payload, Tunnel};

/// The deadline of a flow that names none, in milliseconds.
pub const DEFAULT_DEADLINE_MS: u64 = 5000;

/// The shortest deadline that a flow may have, in milliseconds: a shorter one cannot tell a drop from a delay.
pub const SHORTEST_DEADLINE_MS: u64 = 100;

/// How many bytes of a body are kept if the flow does not say, in bytes.
pub const DEFAULT_BODY_LIMIT: usize = 16 * 1024;

/// One flow to try.
///
/// ```
/// use airtight_probe::wire::Flow;
/// let line = r#"{"id": "MCP-01", "attempt": {"http": {"to": {"host": "mcp-server", "port": 8080}}}, "deadlineMs": 2000}"#;
/// let flow: Flow = serde_json::from_str(line).unwrap();
/// assert_eq!(flow.deadline_ms, 2000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flow {
    /// Names the flow in its answer.
    pub id: String,
    /// What is tried.
    pub attempt: Attempt,
    /// How long it may take from its start to its end, in milliseconds; at least [`SHORTEST_DEADLINE_MS`].
    #[serde(default = "default_deadline_ms")]
    pub deadline_ms: u64,
    /// How names are resolved; none: as `/etc/resolv.conf` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<Resolver>,
    /// Through which tunnel of the mesh it goes (over TCP); none: it is dialled as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// Connect, speak and wait for bytes: a connection alone proves nothing where a proxy accepts it.
    Tcp(Exchange),
    /// Send a datagram and wait for its echo.
    Udp(Exchange),
    /// Connect and shake hands; then speak, if there is something to say.
    Tls(TlsExchange),
    /// Send an HTTP/1.1 request, over TLS if told to.
    Http(HttpExchange),
    /// Only resolve a name.
    Lookup(Lookups),
    /// Send ICMP echo requests and wait for a reply.
    Ping(Ping),
}

/// A TCP or UDP exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exchange {
    /// Whom.
    pub to: Target,
    /// What the client says first.
    #[serde(default)]
    pub say: Say,
}

/// A TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsExchange {
    /// Whom.
    pub to: Target,
    /// How.
    #[serde(default)]
    pub tls: Tls,
    /// What the client says after the handshake; none: the handshake is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<Say>,
}

/// An HTTP/1.1 request and whom it goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpExchange {
    /// Whom.
    pub to: Target,
    /// Over TLS, and how; none: in clear text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The request.
    #[serde(default)]
    pub request: Request,
}

/// A name resolution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lookups {
    /// The name; with a final dot it is absolute.
    pub name: String,
    /// Which addresses.
    #[serde(default)]
    pub family: Family,
}

/// An ICMP echo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ping {
    /// A name, which is resolved first, or an address.
    pub host: String,
    /// Which addresses of a name.
    #[serde(default)]
    pub family: Family,
}

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// A name, which is resolved first, or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Which addresses of a name.
    #[serde(default)]
    pub family: Family,
}

/// Which addresses of a name are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4, and IPv6 if there is none.
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

/// What a client says first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Say {
    /// A line that names the flow and is unlike any other; over TCP with an empty line behind it, which an HTTP server
    /// answers too.
    #[default]
    Nonce,
    /// A question to a DNS server; a refusal is no answer.
    Dns,
    /// Nothing: the server speaks first.
    Nothing,
    /// A PostgreSQL client's `StartupMessage` (protocol 3.0, no encryption).
    Postgres,
    /// A Redis client's `PING` and `INFO server`.
    Redis,
    /// An AMQP 0-9-1 client's protocol header.
    Amqp,
    /// These bytes.
    Bytes(Payload),
}

/// How TLS is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// The server name that is asked for and verified; none: the target's host (an address sends no SNI).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Which certificates are trusted.
    #[serde(default)]
    pub trust: Trust,
    /// Protocols that ALPN offers, in the order of preference; none: no ALPN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
}

/// Which certificates a TLS client trusts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Any: nothing is verified but the handshake's own signature.
    #[default]
    Any,
    /// Those that these authorities (PEM) issued for the server name.
    Ca(String),
}

/// An HTTP/1.1 request. Method, path and headers are sent as they stand; only line breaks are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Its method.
    #[serde(default = "default_method")]
    pub method: String,
    /// Its target, query included; sent byte for byte.
    #[serde(default = "default_path")]
    pub path: String,
    /// Its `Host`; none: the target's host, and its port unless the scheme implies it. A header `Host` of the flow's own replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Its body; its length is sent along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Payload>,
    /// How many bytes of the response's body are read and kept.
    #[serde(default = "default_body_limit")]
    pub body_limit: usize,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: default_method(),
            path: default_path(),
            host: None,
            headers: Vec::new(),
            body: None,
            body_limit: DEFAULT_BODY_LIMIT,
        }
    }
}

/// How names are resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolver {
    /// Servers, as `address` or `address:port` (`[v6]:port`); none: those of `/etc/resolv.conf`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Suffixes to try; none: those of `/etc/resolv.conf`, unless servers are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Vec<String>>,
    /// With so many dots a name is tried as it stands first; none: as `/etc/resolv.conf` says, otherwise 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ndots: Option<u32>,
    /// How long one query waits for its answer, in milliseconds; none: as `/etc/resolv.conf` says, otherwise 5000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How often each server is asked; none: as `/etc/resolv.conf` says, otherwise 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Ask over TCP from the start; otherwise over UDP, and again over TCP if the answer was truncated.
    #[serde(default)]
    pub tcp: bool,
}

fn default_deadline_ms() -> u64 {
    DEFAULT_DEADLINE_MS
}

fn default_body_limit() -> usize {
    DEFAULT_BODY_LIMIT
}

fn default_method() -> String {
    "GET".to_owned()
}

fn default_path() -> String {
    "/".to_owned()
}
