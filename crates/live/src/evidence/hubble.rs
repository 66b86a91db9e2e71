//! Cilium's flow log: what `hubble observe -o jsonpb` writes, one flow a line.

use std::net::{IpAddr, SocketAddr};

use airtight_model::policy::{Checkpoint, Reason};
use airtight_model::world::Protocol;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::fields::microseconds;
use super::record::{Client, Line, Record, Says, SeenRequest, Span};

/// `PolicyVerdictNotify` (Cilium `pkg/monitor/api/types.go`).
const POLICY_VERDICT: i64 = 5;

/// A line of `-o jsonpb` (Cilium `api/v1/observer/observer.proto`, `GetFlowsResponse`).
#[derive(Debug, Deserialize)]
struct Response {
    flow: Option<Flow>,
    lost_events: Option<LostEvents>,
    node_name: Option<String>,
    time: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LostEvents {
    source: Option<String>,
    /// A 64-bit number is a string in protobuf's JSON.
    num_events_lost: Option<Number>,
}

/// A number that protobuf's JSON may write as a string.
#[derive(Debug, Deserialize)]
#[serde(from = "serde_json::Value")]
struct Number(String);

impl From<serde_json::Value> for Number {
    fn from(value: serde_json::Value) -> Self {
        Self(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// As far as it is read; an unknown field is another version's (Cilium `api/v1/flow/flow.proto`, `Flow`).
#[derive(Debug, Deserialize)]
struct Flow {
    time: Option<String>,
    verdict: Option<String>,
    drop_reason: Option<i64>,
    drop_reason_desc: Option<String>,
    #[serde(rename = "IP")]
    ip: Option<Addresses>,
    l4: Option<Layer4>,
    l7: Option<Layer7>,
    traffic_direction: Option<String>,
    trace_observation_point: Option<String>,
    event_type: Option<EventType>,
    is_reply: Option<bool>,
    #[serde(default)]
    egress_denied_by: Vec<Policy>,
    #[serde(default)]
    ingress_denied_by: Vec<Policy>,
}

#[derive(Debug, Deserialize)]
struct Addresses {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
}

#[derive(Debug, Deserialize)]
struct Layer4 {
    #[serde(rename = "TCP")]
    tcp: Option<Ports>,
    #[serde(rename = "UDP")]
    udp: Option<Ports>,
    #[serde(rename = "SCTP")]
    sctp: Option<Ports>,
    #[serde(rename = "ICMPv4")]
    icmp4: Option<IgnoredAny>,
    #[serde(rename = "ICMPv6")]
    icmp6: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Ports {
    source_port: Option<u16>,
    destination_port: Option<u16>,
}

#[derive(Debug, Deserialize)]
struct Layer7 {
    dns: Option<Dns>,
    http: Option<Http>,
}

#[derive(Debug, Deserialize)]
struct Dns {
    query: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Debug, Deserialize)]
struct Header {
    key: Option<String>,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct EventType {
    #[serde(rename = "type")]
    kind: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    name: Option<String>,
    namespace: Option<String>,
    kind: Option<String>,
}

/// Reads one line.
#[must_use]
pub fn read(line: &str) -> Line {
    if line.trim().is_empty() {
        return Line::Other;
    }
    let response: Response = match serde_json::from_str(line) {
        Ok(response) => response,
        Err(error) => return Line::Lost(format!("a line of Hubble is no flow: {error}")),
    };
    if let Some(lost) = &response.lost_events {
        return Line::Lost(lost_events(lost, response.node_name.as_deref()));
    }
    let Some(flow) = &response.flow else { return Line::Other };
    let Some(time) = flow.time.as_deref().or(response.time.as_deref()).and_then(microseconds) else {
        return Line::Lost("a flow of Hubble has no time".to_owned());
    };
    record(flow, time, line).map_or(Line::Other, |record| Line::Record(Box::new(record)))
}

fn lost_events(lost: &LostEvents, node: Option<&str>) -> String {
    let count = lost.num_events_lost.as_ref().map_or("some", |number| number.0.as_str());
    let source = lost.source.as_deref().unwrap_or("an unknown buffer");
    format!("Hubble lost {count} events ({source}) on {}", node.unwrap_or("a node"))
}

/// A reply is decided by the connection that it belongs to, and tells nothing new.
fn record(flow: &Flow, time: i64, line: &str) -> Option<Record> {
    if flow.is_reply == Some(true) {
        return None;
    }
    let addresses = flow.ip.as_ref()?;
    let (protocol, ports) = flow.l4.as_ref().map_or((None, None), Layer4::ports);
    let mut record = Record::new(checkpoint(flow), Span::at(time), line);
    record.client = addresses.source.map(|ip| Client { ip, port: ports.and_then(|ports| ports.source_port) });
    let port = ports.and_then(|ports| ports.destination_port).unwrap_or_default();
    record.wire = addresses.destination.map(|ip| SocketAddr::new(ip, port));
    record.protocol = protocol;
    record.name = flow.l7.as_ref().and_then(|l7| l7.dns.as_ref()).and_then(|dns| dns.query.as_deref()).map(plain_name);
    record.request = flow.l7.as_ref().and_then(|l7| l7.http.as_ref()).and_then(Http::request);
    record.says = says(flow);
    if record.denies() && record.request.is_some() {
        // "Access denied", with this status (Cilium `pkg/envoy/resources.go`).
        record.status = Some(403);
    }
    record.named = flow.egress_denied_by.iter().chain(&flow.ingress_denied_by).filter_map(Policy::shown).collect();
    Some(record)
}

fn checkpoint(flow: &Flow) -> Checkpoint {
    if flow.l7.as_ref().is_some_and(|l7| l7.dns.is_some()) {
        return Checkpoint::DnsProxy;
    }
    if flow.traffic_direction.as_deref() == Some("INGRESS") { Checkpoint::CniIngress } else { Checkpoint::CniEgress }
}

impl Layer4 {
    fn ports(&self) -> (Option<Protocol>, Option<&Ports>) {
        if let Some(ports) = &self.tcp {
            return (Some(Protocol::Tcp), Some(ports));
        }
        if let Some(ports) = &self.udp {
            return (Some(Protocol::Udp), Some(ports));
        }
        if let Some(ports) = &self.sctp {
            return (Some(Protocol::Sctp), Some(ports));
        }
        let icmp = self.icmp4.is_some() || self.icmp6.is_some();
        (icmp.then_some(Protocol::Icmp), None)
    }
}

/// A name as it is compared: in lower case and without a final dot.
pub(super) fn plain_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Http {
    /// The URL is absolute: `http://host:port/path?query`.
    fn request(&self) -> Option<SeenRequest> {
        let url = self.url.as_deref()?;
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("/", |start| &after_scheme[start..]);
        Some(SeenRequest {
            method: self.method.clone()?,
            path: path.to_owned(),
            id: self.header("x-request-id"),
            user_agent: self.header("user-agent"),
        })
    }

    fn header(&self, name: &str) -> Option<String> {
        let is_it = |header: &&Header| header.key.as_deref().is_some_and(|key| key.eq_ignore_ascii_case(name));
        self.headers.iter().find(is_it).and_then(|header| header.value.clone())
    }
}

impl Policy {
    fn shown(&self) -> Option<String> {
        let name = self.name.as_deref()?;
        let kind = self.kind.as_deref().unwrap_or("policy");
        Some(match self.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        })
    }
}

fn says(flow: &Flow) -> Says {
    match flow.verdict.as_deref().unwrap_or_default() {
        "DROPPED" if flow.l7.is_some() => Says::Denied(l7_reason(flow)),
        "DROPPED" => dropped(flow),
        "ERROR" => Says::Ended("Cilium could not handle it, which is no decision of a policy".to_owned()),
        "FORWARDED" | "REDIRECTED" | "AUDIT" if is_behind_policy(flow) => Says::Passed,
        _ => Says::Nothing,
    }
}

/// A drop by a proxy carries no code (Cilium `pkg/hubble/parser/seven`).
fn l7_reason(flow: &Flow) -> Option<Reason> {
    let l7 = flow.l7.as_ref()?;
    if l7.dns.is_some() {
        return Some(Reason::NameRefused);
    }
    l7.http.as_ref().map(|_| Reason::L7Denied)
}

/// Only these codes are decisions of policies (Cilium `pkg/monitor/api/drop.go`).
fn dropped(flow: &Flow) -> Says {
    let description = flow.drop_reason_desc.as_deref();
    match (description, flow.drop_reason) {
        (Some("POLICY_DENIED"), _) | (None, Some(133)) => Says::Denied(Some(Reason::DefaultDeny)),
        (Some("POLICY_DENY"), _) | (None, Some(181)) => Says::Denied(Some(Reason::ExplicitDeny)),
        (Some("AUTH_REQUIRED"), _) | (None, Some(189)) => Says::Denied(Some(Reason::AuthenticationRequired)),
        (Some(other), _) => Says::Ended(format!("Cilium dropped it for {other}, which is no decision of a policy")),
        (None, Some(code)) => {
            Says::Ended(format!("Cilium dropped it for code {code}, which is no decision of a policy"))
        }
        (None, None) => Says::Ended("Cilium dropped it and does not say why".to_owned()),
    }
}

/// A packet that was seen on its way into policy has not passed it yet (Cilium `pkg/monitor/api/types.go`,
/// `TraceFromLxc` and its like).
fn is_behind_policy(flow: &Flow) -> bool {
    let verdict = flow.event_type.as_ref().and_then(|event| event.kind) == Some(POLICY_VERDICT);
    let traced = flow.trace_observation_point.as_deref().is_some_and(|point| point.starts_with("TO_"));
    verdict || traced || flow.l7.is_some()
}
