//! Agentgateway's access log, as text and as JSON.

use std::net::SocketAddr;

use airtight_model::policy::Reason;
use airtight_model::world::Protocol;

use super::fields::{Fields, duration};
use super::proxy::ProxyPod;
use super::record::{Client, Line, Record, Says, SeenRequest, Span};

/// Reads one line; a line is written when its request ends (agentgateway `crates/agentgateway/src/telemetry/log.rs`).
#[must_use]
pub(super) fn read(line: &str, pod: &ProxyPod) -> Line {
    let Some(fields) = Fields::read(line) else { return Line::Other };
    if fields.get("gateway").is_none() || fields.get("src.addr").is_none() {
        return Line::Other;
    }
    Line::Record(Box::new(record(&fields, pod, line)))
}

fn record(fields: &Fields, pod: &ProxyPod, line: &str) -> Record {
    let took = fields.get("duration").and_then(duration).unwrap_or_default();
    let mut record = Record::new(pod.checkpoint, Span::ending(fields.written, took), line);
    let address = |key: &str| fields.get(key).and_then(|text| text.parse::<SocketAddr>().ok());
    record.client = address("src.addr").map(Client::from);
    record.upstream = address("endpoint");
    record.proxy = Some(pod.ip);
    record.protocol = Some(Protocol::Tcp);
    record.request = fields.get("http.method").zip(fields.get("http.path")).map(|(method, path)| SeenRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        id: None,
        user_agent: None,
    });
    record.status = fields.get("http.status").and_then(|status| status.parse().ok());
    record.says = says(fields.get("reason"), fields.get("error"), fields.get("endpoint").is_some());
    record
}

/// Releases name a reason beside the error, older ones the error alone (agentgateway
/// `crates/agentgateway/src/proxy/mod.rs`, `ProxyResponseReason` and `ProxyError`).
fn says(reason: Option<&str>, error: Option<&str>, has_endpoint: bool) -> Says {
    let error = error.unwrap_or_default();
    let by_error = || match error {
        "bind not found" | "listener not found" => Some(Says::Denied(Some(Reason::NoListener))),
        "route not found" => Some(Says::Denied(Some(Reason::NoRoute))),
        "service not found"
        | "backend does not exist"
        | "backends does not exist"
        | "no valid backends"
        | "invalid backend type" => Some(Says::Denied(Some(Reason::BackendUnresolved))),
        "no healthy backends" => Some(Says::Denied(Some(Reason::NoHealthyUpstream))),
        "authorization failed" | "external authorization failed" | "rate limit exceeded" => Some(Says::Denied(None)),
        _ if error.starts_with("basic ") || error.starts_with("api key ") => Some(Says::Denied(None)),
        _ => error.contains("authentication failure").then(|| Says::Denied(Some(token(error)))),
    };
    match (reason, error) {
        (_, error) if !error.is_empty() => by_error().unwrap_or_else(|| by_reason(reason, error)),
        (None | Some("Upstream"), _) if has_endpoint => Says::Passed,
        (Some(reason), _) => by_reason(Some(reason), "no error"),
        (None, _) => Says::Nothing,
    }
}

fn by_reason(reason: Option<&str>, error: &str) -> Says {
    match reason.unwrap_or_default() {
        "DirectResponse" => Says::Denied(Some(Reason::DirectResponse)),
        "JwtAuth" => Says::Denied(Some(token(error))),
        "BasicAuth" | "APIKeyAuth" | "ExtAuth" | "Authorization" | "RateLimit" => Says::Denied(None),
        "" => Says::Ended(format!("the gateway reports `{error}`, which is no decision of a policy")),
        reason => Says::Ended(format!("the gateway reports {reason} ({error}), which is no decision of a policy")),
    }
}

fn token(error: &str) -> Reason {
    if error.contains("no bearer token") { Reason::TokenMissing } else { Reason::TokenInvalid }
}
