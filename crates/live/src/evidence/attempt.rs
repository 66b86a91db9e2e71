//! A tried flow, as observers would see it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use airtight_model::policy::Outcome;
use airtight_model::world::Protocol;

use super::record::Span;

/// One tried flow: what the client knows of it, and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The client's address: that of its pod, or of its node.
    pub ip: IpAddr,
    /// The client's port, if it got one.
    pub port: Option<u16>,
    /// Whether the client's traffic goes through ztunnel (annotation `ambient.istio.io/redirection: enabled`).
    pub captured: bool,
    /// The address and port that was dialled; none if the flow did not come so far.
    pub to: Option<SocketAddr>,
    /// The end of the tunnel of the mesh that the client opened by itself, with its port; then `to` is what it wanted
    /// through it.
    pub tunnel: Option<SocketAddr>,
    /// The transport protocol.
    pub protocol: Protocol,
    /// Method and path (query included) of the HTTP request, if there is one.
    pub request: Option<(String, String)>,
    /// What the client wrote into `x-request-id` or `user-agent` of this flow alone.
    pub mark: Option<String>,
    /// Names that were looked up, absolute.
    pub names: BTreeSet<String>,
    /// DNS servers that were asked.
    pub resolvers: BTreeSet<SocketAddr>,
    /// When it started and ended, by the clock of the client's node.
    pub span: Span,
    /// What the client saw.
    pub outcome: Outcome,
    /// The workload that says that it answered (`namespace/name`).
    pub answered_by: Option<String>,
}
