//! ztunnel's access log, as text and as JSON.

use std::net::SocketAddr;

use airtight_model::policy::{Checkpoint, Reason};
use airtight_model::world::Protocol;

use super::fields::{Fields, duration};
use super::record::{Client, HBONE, Line, Record, Says, Span};

/// The policy that istiod makes of `PeerAuthentication` with mode STRICT (Istio
/// `pilot/pkg/serviceregistry/ambient/authorization.go`).
const STRICT: &str = "istio_converted_static_strict";

/// Beginning of the names of the policies that istiod makes of a workload's `PeerAuthentication`.
const CONVERTED: &str = "converted_peer_authentication_";

/// Reads one line. A line is written when its connection ends (ztunnel `src/proxy/metrics.rs`).
#[must_use]
pub fn read(line: &str) -> Line {
    let Some(fields) = Fields::read(line) else { return Line::Other };
    if !is_access(&fields) {
        return Line::Other;
    }
    record(&fields, line).map_or_else(
        || Line::Lost(format!("an access log line of ztunnel cannot be read: {line}")),
        |record| Line::Record(Box::new(record)),
    )
}

/// `connection opened` is for debugging and tells nothing that its end does not.
fn is_access(fields: &Fields) -> bool {
    fields.head.ends_with("access connection complete") || fields.head.ends_with("access connection failed")
}

fn record(fields: &Fields, line: &str) -> Option<Record> {
    let outbound = match fields.get("direction")? {
        "outbound" => true,
        "inbound" => false,
        _ => return None,
    };
    let checkpoint = if outbound { Checkpoint::ZtunnelOutbound } else { Checkpoint::ZtunnelInbound };
    let took = fields.get("duration").and_then(duration).unwrap_or_default();
    let mut record = Record::new(checkpoint, Span::ending(fields.written, took), line);
    record.client = Some(Client::from(address(fields, "src.addr")?));
    record.wire = Some(address(fields, "dst.addr")?);
    // A hostname stands here where the service has no address.
    record.inner = address(fields, "dst.hbone_addr");
    record.protocol = Some(Protocol::Tcp);
    match fields.get("error") {
        None => record.says = Says::Passed,
        Some(error) => (record.says, record.named) = meaning(error, outbound),
    }
    Some(record)
}

fn address(fields: &Fields, key: &str) -> Option<SocketAddr> {
    fields.get(key)?.parse().ok()
}

/// What an error says (ztunnel `src/proxy.rs`, `Error`; `src/rbac.rs`).
fn meaning(error: &str, outbound: bool) -> (Says, Vec<String>) {
    if let Some((_, why)) = error.split_once("policy rejection") {
        return rejection(why.trim_start_matches(':').trim());
    }
    let says = match error {
        _ if error.contains("connection closed due to policy change") => Says::Denied(None),
        // The other end's ztunnel answers so to what its policies refuse (ztunnel `src/proxy/inbound.rs`).
        _ if outbound && error.contains("http status: 401") => Says::Denied(None),
        _ if outbound && error.contains("unknown waypoint") => Says::Denied(Some(Reason::WaypointUnavailable)),
        _ if outbound && error.contains("no healthy upstream") => Says::Denied(Some(Reason::NoHealthyUpstream)),
        _ => Says::Ended(format!("ztunnel reports `{error}`, which is no decision of a policy")),
    };
    (says, Vec::new())
}

fn rejection(why: &str) -> (Says, Vec<String>) {
    if why.starts_with("allow policies exist, but none allowed") {
        return (Says::Denied(Some(Reason::NoAllowMatched)), Vec::new());
    }
    let Some(policy) = why.strip_prefix("explicitly denied by:").map(str::trim) else {
        return (Says::Denied(None), Vec::new());
    };
    let name = policy.rsplit('/').next().unwrap_or(policy);
    if name == STRICT || name.starts_with(CONVERTED) {
        return (Says::Denied(Some(Reason::StrictMtls)), vec![format!("PeerAuthentication (as {policy})")]);
    }
    (Says::Denied(Some(Reason::ExplicitDeny)), vec![format!("AuthorizationPolicy {policy}")])
}

/// Whether a record tells of a connection inside of HBONE.
pub(super) fn is_tunnelled(record: &Record) -> bool {
    record.inner.is_some() || record.wire.is_some_and(|wire| wire.port() == HBONE)
}
