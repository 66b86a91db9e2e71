//! The probe's answers as observations.

use airtight_matrix::judge::{Evidence, Observation};
use airtight_model::path::{Destination, Flow};
use airtight_model::policy::{Outcome, Rcode, Reason};
use airtight_model::world::Protocol;
use airtight_probe::wire;

use crate::places::Places;
use crate::session::Answered;

/// A flow of which nobody can say how it ended.
pub(super) fn failed(why: impl Into<String>) -> Observation {
    Observation {
        outcome: Some(Outcome::ProbeError(why.into())),
        undecided: None,
        evidence: Evidence::default(),
        attempts: 1,
    }
}

/// What the probe saw of a flow, without what other observers say. Whoever reads a report gets no token by it.
pub(super) fn observation(flow: &Flow, answered: &Answered, bearer: Option<&str>, places: &Places) -> Observation {
    let Answered { answer, line } = answered;
    let without = |text: &str| bearer.map_or_else(|| text.to_owned(), |token| text.replace(token, "[token]"));
    let evidence = Evidence {
        reason: vacuous(flow, answer),
        answered_by: answer.answered_by.as_ref().map(|identity| who(identity, places)),
        backend_headers: answer.arrived.iter().flat_map(headers).map(|(name, value)| (name, without(&value))).collect(),
        logs: vec![without(line)],
        ..Evidence::default()
    };
    match by_proxy(flow, answer) {
        Some(why) => Observation { outcome: None, undecided: Some(why), evidence, attempts: 1 },
        None => Observation { outcome: Some(outcome(answer)), undecided: None, evidence, attempts: 1 },
    }
}

/// Why bytes that came back show nothing of the target: a proxy that takes them for HTTP answers them itself, with its
/// name in the head (Envoy's `server_header_transformation`), and a server that runs no probe of ours may never have
/// got any. A gateway that is dialled is the target itself.
fn by_proxy(flow: &Flow, answer: &wire::Answer) -> Option<String> {
    let is_meant = matches!(flow.to, Destination::Gateway(..));
    let is_bare = flow.protocol == Protocol::Tcp && flow.request.is_none() && answer.answered_by.is_none() && !is_meant;
    let text = String::from_utf8_lossy(&answer.reply.as_ref().filter(|_| is_bare)?.body.0).to_ascii_lowercase();
    let (head, _) = text.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("http/1."))?;
    let server = head.lines().find_map(|line| line.strip_prefix("server:"))?.trim().to_owned();
    PROXIES.contains(&server.as_str()).then(|| {
        format!("a proxy ({server}) answered in HTTP what was no request, and nothing shows that the target got it")
    })
}

/// What proxies of the stacks call themselves.
const PROXIES: [&str; 3] = ["envoy", "istio-envoy", "agentgateway"];

pub(super) fn outcome(answer: &wire::Answer) -> Outcome {
    match &answer.outcome {
        wire::Outcome::Connected => Outcome::Connected,
        wire::Outcome::Http(status) => Outcome::Http(*status),
        wire::Outcome::Refused => Outcome::Refused,
        wire::Outcome::Reset => Outcome::Reset,
        wire::Outcome::Timeout => Outcome::Timeout,
        wire::Outcome::TlsFailure => Outcome::TlsFailure,
        wire::Outcome::ProbeError(why) => Outcome::ProbeError(why.clone()),
        wire::Outcome::DnsFailure(rcode) => match rcode {
            wire::Rcode::Refused => Outcome::DnsFailure(Rcode::Refused),
            wire::Rcode::Nxdomain => Outcome::DnsFailure(Rcode::Nxdomain),
            wire::Rcode::Servfail => Outcome::DnsFailure(Rcode::Servfail),
            wire::Rcode::Timeout => Outcome::DnsFailure(Rcode::Timeout),
            // Neither a denial nor a way through.
            wire::Rcode::Nodata => Outcome::ProbeError("the name exists and has no address".to_owned()),
        },
    }
}

/// Why the flow would have ended without any policy, as far as the client can tell. A reset of the first packet is
/// what a port without a listener sends; only an observer who names a layer can know better. An ICMP error is a
/// firewall's, but for UDP, where a closed port sends the same.
fn vacuous(flow: &Flow, answer: &wire::Answer) -> Option<Reason> {
    match &answer.outcome {
        wire::Outcome::Refused => match answer.refusal {
            Some(wire::Refusal::Prohibited) => None,
            Some(wire::Refusal::PortUnreachable) if flow.protocol == Protocol::Tcp => None,
            Some(wire::Refusal::PortUnreachable | wire::Refusal::Reset) | None => Some(Reason::NotListening),
        },
        wire::Outcome::DnsFailure(wire::Rcode::Nxdomain | wire::Rcode::Nodata) => Some(Reason::NoSuchName),
        wire::Outcome::DnsFailure(wire::Rcode::Refused | wire::Rcode::Servfail | wire::Rcode::Timeout)
        | wire::Outcome::Connected
        | wire::Outcome::Http(_)
        | wire::Outcome::Reset
        | wire::Outcome::Timeout
        | wire::Outcome::TlsFailure
        | wire::Outcome::ProbeError(_) => None,
    }
}

/// A pod's workload; a stand-in outside the cluster, which has no namespace, by its own name.
fn who(identity: &wire::Identity, places: &Places) -> String {
    if identity.namespace.is_empty() {
        return identity.pod.clone();
    }
    places.workload_of(&identity.namespace, &identity.pod)
}

/// The host stands first, as in what the model tells.
fn headers(arrived: &wire::SeenRequest) -> Vec<(String, String)> {
    let host = arrived.host.iter().map(|host| ("host".to_owned(), host.clone()));
    let others = arrived.headers.iter().filter(|(name, _)| name != "host" || arrived.host.is_none());
    host.chain(others.map(|(name, value)| (name.to_lowercase(), value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use airtight_model::path::Source;
    use serde_json::{Value, json};

    use super::*;

    fn reason(protocol: Protocol, outcome: &Value, refusal: Option<&str>) -> Option<Reason> {
        let mut answer = json!({"id": "0", "line": 1, "outcome": outcome, "phase": "connect", "startedUnixUs": 1,
            "timing": {"totalUs": 1}});
        if let Some(refusal) = refusal {
            answer["refusal"] = json!(refusal);
        }
        let flow = Flow {
            from: Source::Outside,
            to: Destination::Host("a".to_owned()),
            protocol,
            port: Some(1),
            request: None,
            tls: None,
            after: Vec::new(),
        };
        vacuous(&flow, &serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn a_rejection_is_no_closed_port() {
        let refused = json!("refused");
        for (protocol, refusal, expected) in [
            (Protocol::Tcp, Some("reset"), Some(Reason::NotListening)),
            (Protocol::Tcp, None, Some(Reason::NotListening)),
            (Protocol::Tcp, Some("port-unreachable"), None),
            (Protocol::Tcp, Some("prohibited"), None),
            (Protocol::Udp, Some("prohibited"), None),
            (Protocol::Udp, Some("port-unreachable"), Some(Reason::NotListening)),
        ] {
            assert_eq!(reason(protocol, &refused, refusal), expected, "{protocol} {refusal:?}");
        }
        assert_eq!(reason(Protocol::Tcp, &json!("timeout"), None), None);
        assert_eq!(reason(Protocol::Udp, &json!({"dns-failure": "nxdomain"}), None), Some(Reason::NoSuchName));
        assert_eq!(reason(Protocol::Udp, &json!({"dns-failure": "refused"}), None), None);
    }

    #[test]
    fn a_proxys_own_answer_to_bytes_shows_nothing_of_their_target() {
        let mut flow = Flow {
            from: Source::Outside,
            to: Destination::Host("a".to_owned()),
            protocol: Protocol::Tcp,
            port: Some(1),
            request: None,
            tls: None,
            after: Vec::new(),
        };
        let bad = "HTTP/1.1 400 Bad Request\r\nServer: istio-envoy\r\ncontent-length: 0\r\n\r\n";
        let answer = |body: &str| -> wire::Answer {
            serde_json::from_value(json!({"id": "0", "line": 1, "outcome": "connected", "phase": "response",
                "startedUnixUs": 1, "timing": {"totalUs": 1}, "reply": {"body": {"text": body}, "end": "complete"}}))
            .unwrap()
        };
        assert!(by_proxy(&flow, &answer(bad)).is_some_and(|why| why.contains("istio-envoy")));
        for other in [bad.replace("istio-envoy", "nginx").as_str(), "+PONG\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"] {
            assert_eq!(by_proxy(&flow, &answer(other)), None, "{other}");
        }
        flow.protocol = Protocol::Udp;
        assert_eq!(by_proxy(&flow, &answer(bad)), None);
    }

    #[test]
    fn a_name_without_an_address_is_no_denial() {
        let answer = json!({"id": "0", "line": 1, "outcome": {"dns-failure": "nodata"}, "phase": "dns",
            "startedUnixUs": 1, "timing": {"totalUs": 1}});
        assert!(matches!(outcome(&serde_json::from_value(answer).unwrap()), Outcome::ProbeError(_)));
    }
}
