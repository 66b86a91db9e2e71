//! Envoy's access log: Istio's waypoints and gateways, and Kgateway.

use std::net::SocketAddr;

use airtight_model::policy::Reason;
use airtight_model::world::Protocol;
use serde_json::Value;

use super::fields::microseconds;
use super::proxy::ProxyPod;
use super::record::{Client, Line, Record, Says, SeenRequest, Span};

/// An access log entry, whatever its format; `-` is no value.
#[derive(Debug, Default)]
struct Entry {
    started: i64,
    milliseconds: i64,
    method: Option<String>,
    path: Option<String>,
    status: u16,
    flags: String,
    /// None if the format has none.
    details: Option<String>,
    termination: Option<String>,
    request_id: Option<String>,
    user_agent: Option<String>,
    upstream: Option<String>,
    /// Whether the format has the upstream's address.
    tells_upstream: bool,
    local: Option<String>,
    remote: Option<String>,
}

/// Reads one line: Istio's default text (Istio `pkg/config/mesh` and `pilot/pkg/model/telemetry_logging.go`), Envoy's
/// default text (Envoy, Access logging), or JSON with Istio's names.
#[must_use]
pub(super) fn read(line: &str, pod: &ProxyPod) -> Line {
    let trimmed = line.trim();
    let entry = if trimmed.starts_with('{') {
        json(trimmed)
    } else if trimmed.starts_with('[') {
        text(trimmed)
    } else {
        return Line::Other;
    };
    match entry {
        Some(entry) if entry.method.as_deref() == Some("CONNECT") => Line::Other,
        Some(entry) => Line::Record(Box::new(record(&entry, pod, line))),
        None => Line::Other,
    }
}

fn json(line: &str) -> Option<Entry> {
    let Ok(Value::Object(members)) = serde_json::from_str(line) else { return None };
    let text = |name: &str| members.get(name).and_then(Value::as_str).and_then(value);
    let number = |name: &str| match members.get(name) {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    Some(Entry {
        started: microseconds(members.get("start_time")?.as_str()?)?,
        milliseconds: number("duration").unwrap_or_default(),
        method: text("method"),
        path: text("path"),
        status: u16::try_from(number("response_code")?).ok()?,
        flags: text("response_flags").unwrap_or_default(),
        details: members.contains_key("response_code_details").then(|| text("response_code_details")).flatten(),
        termination: text("connection_termination_details"),
        request_id: text("request_id"),
        user_agent: text("user_agent"),
        upstream: text("upstream_host"),
        tells_upstream: members.contains_key("upstream_host"),
        local: text("downstream_local_address"),
        remote: text("downstream_remote_address"),
    })
}

fn value(text: &str) -> Option<String> {
    (!text.is_empty() && text != "-").then(|| text.to_owned())
}

/// Both formats begin alike; Istio's has details after the flags, and addresses at its end.
fn text(line: &str) -> Option<Entry> {
    let (time, rest) = line.strip_prefix('[')?.split_once(']')?;
    let words = words(rest);
    let word = |index: usize| words.get(index).map(String::as_str);
    let mut entry = Entry { started: microseconds(time)?, ..Entry::default() };
    let mut request = word(0)?.split(' ');
    (entry.method, entry.path) = (request.next().and_then(value), request.next().and_then(value));
    entry.status = word(1)?.parse().ok()?;
    word(2)?.clone_into(&mut entry.flags);
    // Envoy's own format goes on with two byte counts.
    let is_envoys = word(3)?.parse::<u64>().is_ok();
    let counts = if is_envoys { 3 } else { 6 };
    if !is_envoys {
        (entry.details, entry.termination) = (value(word(3)?), value(word(4)?));
    }
    entry.milliseconds = word(counts + 2)?.parse().unwrap_or_default();
    entry.user_agent = word(counts + 5).and_then(value);
    entry.request_id = word(counts + 6).and_then(value);
    entry.upstream = word(counts + 8).and_then(value);
    entry.tells_upstream = true;
    if !is_envoys {
        entry.local = word(counts + 11).and_then(value);
        entry.remote = word(counts + 12).and_then(value);
    }
    Some(entry)
}

/// Words separated by blanks; what stands in double quotes or in braces and brackets is one word.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut started, mut depth) = (false, false, 0_usize);
    for character in text.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                started = true;
            }
            ' ' if !quoted && depth == 0 => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            other => {
                if !quoted {
                    match other {
                        '{' => depth += 1,
                        '}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                }
                word.push(other);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}

fn record(entry: &Entry, pod: &ProxyPod, line: &str) -> Record {
    let span = Span::lasting(entry.started, entry.milliseconds.saturating_mul(1_000));
    let mut record = Record::new(pod.checkpoint, span, line);
    record.client = entry.remote.as_deref().and_then(address).map(Client::from);
    record.wire = entry.local.as_deref().and_then(address);
    record.upstream = entry.upstream.as_deref().and_then(address);
    record.proxy = Some(pod.ip);
    record.protocol = Some(Protocol::Tcp);
    record.request = entry.method.clone().zip(entry.path.clone()).map(|(method, path)| SeenRequest {
        method,
        path,
        id: entry.request_id.clone(),
        user_agent: entry.user_agent.clone(),
    });
    record.status = (entry.status != 0).then_some(entry.status);
    (record.says, record.named) = meaning(entry);
    record
}

/// An address, also one that Envoy reaches through a listener of its own (`envoy://connect_originate/10.0.0.1:80`).
fn address(text: &str) -> Option<SocketAddr> {
    text.rsplit('/').next()?.parse().ok()
}

fn meaning(entry: &Entry) -> (Says, Vec<String>) {
    let details = entry.details.as_deref().or(entry.termination.as_deref()).unwrap_or_default();
    // A TCP filter speaks of its denial in the termination details.
    let rbac = [details, entry.termination.as_deref().unwrap_or_default()];
    if let Some(policy) = rbac.into_iter().find_map(matched_policy) {
        return denied_by(policy);
    }
    let says = by_details(details, entry.status).unwrap_or_else(|| by_flags(entry, details));
    (says, Vec::new())
}

/// Envoy `source/extensions/filters/{http,network}/rbac`: which policy ended it, `none` if none allowed it.
fn matched_policy(details: &str) -> Option<&str> {
    details.strip_prefix("rbac_access_denied_matched_policy[")?.strip_suffix(']')
}

/// Istio names its policies `ns[NAMESPACE]-policy[NAME]-rule[INDEX]` (Istio `pilot/pkg/security/authz/builder`).
fn denied_by(policy: &str) -> (Says, Vec<String>) {
    if policy.is_empty() || policy == "none" {
        return (Says::Denied(Some(Reason::NoAllowMatched)), Vec::new());
    }
    let parts = policy.strip_prefix("ns[").and_then(|rest| {
        let (namespace, rest) = rest.split_once("]-policy[")?;
        let (name, rule) = rest.split_once("]-rule[")?;
        Some(format!("AuthorizationPolicy {namespace}/{name} spec.rules[{}]", rule.trim_end_matches(']')))
    });
    let named = parts.unwrap_or_else(|| format!("policy {policy}"));
    (Says::Denied(Some(Reason::ExplicitDeny)), vec![named])
}

/// Envoy, Response code details.
fn by_details(details: &str, status: u16) -> Option<Says> {
    let says = match details {
        "via_upstream" => Says::Passed,
        "route_not_found" => Says::Denied(Some(Reason::NoRoute)),
        "filter_chain_not_found" => Says::Denied(Some(Reason::NoListener)),
        "cluster_not_found" => Says::Denied(Some(Reason::BackendUnresolved)),
        "no_healthy_upstream" | "no_cluster_endpoints" => Says::Denied(Some(Reason::NoHealthyUpstream)),
        // A route with an error is replaced by this answer.
        "direct_response" if status == 500 => Says::Denied(Some(Reason::BackendUnresolved)),
        "direct_response" => Says::Denied(Some(Reason::DirectResponse)),
        "ext_authz_denied" | "request_rate_limited" | "local_rate_limited" => Says::Denied(None),
        _ => by_token(details)?,
    };
    Some(says)
}

/// Blanks are underscores here: `jwt_authn_access_denied{Jwt_is_missing}` (Envoy
/// `source/extensions/filters/http/jwt_authn`).
fn by_token(details: &str) -> Option<Says> {
    let why = details.strip_prefix("jwt_authn_access_denied{")?.trim_end_matches('}');
    let missing = why.replace('_', " ").eq_ignore_ascii_case("jwt is missing");
    Some(Says::Denied(Some(if missing { Reason::TokenMissing } else { Reason::TokenInvalid })))
}

/// Where the format has no details, flags tell some of it (Envoy, `%RESPONSE_FLAGS%`).
fn by_flags(entry: &Entry, details: &str) -> Says {
    let flags: Vec<&str> = entry.flags.split(',').collect();
    let has = |flag: &str| flags.contains(&flag);
    if !details.is_empty() {
        return Says::Ended(format!(
            "the proxy reports `{details}` ({}), which is no decision of a policy",
            entry.flags
        ));
    }
    match entry.flags.as_str() {
        _ if has("NR") && entry.status == 0 => Says::Denied(Some(Reason::NoListener)),
        _ if has("NR") => Says::Denied(Some(Reason::NoRoute)),
        _ if has("NC") => Says::Denied(Some(Reason::BackendUnresolved)),
        _ if has("UH") => Says::Denied(Some(Reason::NoHealthyUpstream)),
        _ if has("UAEX") || has("RL") => Says::Denied(None),
        "-" | "" if !entry.tells_upstream => Says::Nothing,
        "-" if entry.upstream.is_some() => Says::Passed,
        // Nobody behind the proxy was asked: the answer is its own.
        "-" if entry.status >= 400 => Says::Denied(None),
        flags => Says::Ended(format!("the proxy reports flags `{flags}`, which are no decision of a policy")),
    }
}
