//! Decisions in words: detail, rules, symptom and the line that Hubble would show
//! (Cilium `pkg/monitor/api/drop.go`, `api/v1/flow/flow.proto`).

use airtight_manifest::RuleRef;
use airtight_manifest::cilium::Direction;

use super::decide::{Matched, Side, rules};
use super::hop::{Payload, name};
use super::l7::HttpMatch;
use crate::policy::{Decision, Outcome, Reason, Request};

/// What a client sees of a packet that is dropped.
const SILENCE: Outcome = Outcome::Timeout;

/// How many rules a sentence names before it counts them.
const NAMED: usize = 2;

fn way(side: &Side<'_>) -> &'static str {
    match side.direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn subject(side: &Side<'_>) -> String {
    match side.direction {
        Direction::Ingress => name(side.hop.destination, side.world),
        Direction::Egress => name(side.hop.source, side.world),
    }
}

fn log(side: &Side<'_>, event: &str, verdict: &str) -> String {
    format!("{event} {} {verdict} {}", way(side), side.hop.shown(side.world))
}

fn list(rules: &[RuleRef]) -> String {
    let shown = |rule: &RuleRef| match &rule.rule {
        Some(path) => format!("{} {path}", rule.object),
        None => rule.object.to_string(),
    };
    let named: Vec<String> = rules.iter().take(NAMED).map(shown).collect();
    match rules.len().saturating_sub(NAMED) {
        0 => named.join(" and "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

pub(super) fn unrestricted(side: &Side<'_>) -> Decision {
    let (subject, way) = (subject(side), way(side));
    let detail = if side.bound().entries.is_empty() {
        format!("no policy selects {subject} for {way}")
    } else {
        format!("the policies that select {subject} for {way} do not isolate it, and none denies this")
    };
    Decision::allow(Reason::NoPolicy, detail).logged(log(side, "policy-verdict:none", "FORWARDED"))
}

pub(super) fn allowed(side: &Side<'_>, by: &[Matched<'_>]) -> Decision {
    let rules = rules(by);
    Decision::allow(Reason::AllowRule, format!("{} allows {}", list(&rules), side.hop.shown(side.world)))
        .by(rules)
        .logged(log(side, "policy-verdict:match", "FORWARDED"))
}

pub(super) fn host_exemption(side: &Side<'_>) -> Decision {
    let detail = format!("traffic from its own node passes the default deny of {}", subject(side));
    Decision::allow(Reason::HostExemption, detail).logged(log(side, "policy-verdict:L3-only", "FORWARDED"))
}

pub(super) fn explicit_deny(side: &Side<'_>, by: &[Matched<'_>]) -> Decision {
    let rules = rules(by);
    let detail = format!("{} denies {}", list(&rules), side.hop.shown(side.world));
    Decision::deny(Reason::ExplicitDeny, SILENCE, detail).by(rules).logged(log(
        side,
        "policy-verdict:match",
        "DROPPED POLICY_DENY(181)",
    ))
}

pub(super) fn default_deny(side: &Side<'_>) -> Decision {
    let isolating = side.isolating();
    let detail = if isolating.is_empty() {
        format!("policyEnforcementMode isolates every endpoint, and no rule allows {}", side.hop.shown(side.world))
    } else {
        let (subject, way) = (subject(side), way(side));
        format!("{} isolates {subject} for {way}, and no rule allows {}", list(&isolating), side.hop.shown(side.world))
    };
    Decision::deny(Reason::DefaultDeny, SILENCE, detail).by(isolating).logged(log(
        side,
        "policy-verdict:none",
        "DROPPED POLICY_DENIED(133)",
    ))
}

pub(super) fn unauthenticated(side: &Side<'_>, by: &[Matched<'_>]) -> Decision {
    let rules = rules(by);
    let detail = format!("{} demands an authentication that always fails", list(&rules));
    Decision::deny(Reason::AuthenticationRequired, SILENCE, detail).by(rules).logged(log(
        side,
        "policy-verdict:match",
        "DROPPED AUTH_REQUIRED(189)",
    ))
}

/// A proxy that cannot read the payload: TLS fails, HBONE hangs, anything else is cut off.
pub(super) fn unparseable(side: &Side<'_>, by: &[Matched<'_>]) -> Decision {
    let (what, symptom) = match side.hop.payload {
        Payload::Tls { .. } => ("TLS", Outcome::TlsFailure),
        Payload::Hbone => ("HBONE", Outcome::Timeout),
        Payload::Opaque | Payload::Http(_) => ("a payload that is no HTTP", Outcome::Reset),
    };
    let rules = rules(by);
    let detail = format!("{} expects HTTP on {}, and the payload is {what}", list(&rules), side.hop.service());
    Decision::deny(Reason::L7Unparseable, symptom, detail).by(rules).logged(log(
        side,
        "http-request",
        "ERROR unparseable",
    ))
}

fn http_log(side: &Side<'_>, request: &Request, verdict: &str) -> String {
    let what = format!("{verdict} {} {}", request.method, request.path);
    log(side, "http-request", &what)
}

pub(super) fn request_allowed(side: &Side<'_>, request: &Request, taking: &[&HttpMatch]) -> Decision {
    let rules: Vec<RuleRef> = taking.iter().map(|rule| rule.rule.clone()).collect();
    let detail = format!("{} allows {} {}", list(&rules), request.method, request.path);
    Decision::allow(Reason::L7Allowed, detail).by(rules).logged(http_log(side, request, "FORWARDED"))
}

pub(super) fn redirected(side: &Side<'_>, request: &Request, by: &[Matched<'_>]) -> Decision {
    let detail = format!("Cilium's proxy redirects {}, which has escaped slashes, to the path without", request.path);
    Decision::deny(Reason::DirectResponse, Outcome::Http(307), detail).by(rules(by)).logged(http_log(
        side,
        request,
        "REDIRECTED 307",
    ))
}

pub(super) fn request_denied(side: &Side<'_>, request: &Request, list_of: &[&HttpMatch]) -> Decision {
    let rules: Vec<RuleRef> = list_of.iter().map(|rule| rule.rule.clone()).collect();
    let detail =
        format!("no HTTP rule takes {} {} (body \"Access denied\"): {}", request.method, request.path, list(&rules));
    Decision::deny(Reason::L7Denied, Outcome::Http(403), detail).by(rules).logged(http_log(
        side,
        request,
        "DROPPED 403",
    ))
}

pub(super) fn server_name_allowed(side: &Side<'_>, name: &str, by: &[Matched<'_>]) -> Decision {
    let rules = rules(by);
    let detail = format!("server name {name} is on the list of {}", list(&rules));
    Decision::allow(Reason::SniAllowed, detail).by(rules).logged(log(side, "tls-handshake", "FORWARDED"))
}

pub(super) fn server_name_denied(side: &Side<'_>, name: Option<&str>, by: &[Matched<'_>]) -> Decision {
    let rules = rules(by);
    let detail = match name {
        Some(name) => format!("server name {name} is not on the list of {}", list(&rules)),
        None => format!("{} demands a TLS server name, and there is none", list(&rules)),
    };
    Decision::deny(Reason::SniDenied, Outcome::Reset, detail).by(rules).logged(log(side, "tls-handshake", "DROPPED"))
}

pub(super) fn name_allowed(side: &Side<'_>, name: &str, rules: Vec<RuleRef>) -> Decision {
    let detail =
        format!("{} lets the lookup of {name} through, and its addresses are learned for toFQDNs", list(&rules));
    Decision::allow(Reason::NameAllowed, detail).by(rules).logged(dns_log(side, name, "FORWARDED"))
}

pub(super) fn name_refused(side: &Side<'_>, name: &str, rules: Vec<RuleRef>) -> Decision {
    let detail = format!("the DNS proxy refuses {name}: no name of {} matches", list(&rules));
    Decision::deny(Reason::NameRefused, Outcome::DnsFailure(crate::policy::Rcode::Refused), detail)
        .by(rules)
        .logged(dns_log(side, name, "DROPPED REFUSED"))
}

fn dns_log(side: &Side<'_>, name: &str, verdict: &str) -> String {
    log(side, "dns-request", &format!("{verdict} {name}."))
}
