//! What the CNI's proxy makes of an allowed hop (Cilium `pkg/policy/rule.go`, `mergePortProto`;
//! `pkg/envoy`).

use std::borrow::Cow;

use airtight_manifest::stack::PathNormalization;

use super::decide::{Matched, Side, rules};
use super::explain;
use super::hop::Payload;
use super::l7::{HttpMatch, Layer7, Match};
use super::name::NamePattern;
use crate::policy::waypoint::normalize;
use crate::policy::{Decision, Effect, Request};

/// What matching allow rules demand above layer 4, sorted by protocol.
struct Demands<'a> {
    /// A rule demands nothing, or the subject is not isolated: other requests pass as well.
    open: bool,
    http: Vec<&'a HttpMatch>,
    names: Vec<&'a NamePattern>,
    /// A server name is demanded, be it one that no client can send.
    server_name: bool,
    protocols: usize,
    unmodelled: Option<&'static str>,
}

/// The decision for a hop that `by` allow on layers 3 and 4.
pub(super) fn decide<'a>(side: &Side<'a>, by: &[Matched<'a>]) -> Decision {
    let mut decision = by_demands(side, by);
    // Were the subject not isolated, what these rules demand would not bind.
    let bind_by_others = side.policy.dialect.l7_leaves_unisolated_alone() && !by.iter().any(|one| one.entry.isolates);
    if decision.effect != Effect::Allow && bind_by_others {
        decision.rules.extend(side.isolating());
    }
    decision
}

/// The decision for a hop from the own node, for which the agent opens what rules demand above layer 4. The connection
/// still goes through the proxy that a rule for everyone asks for: an entry with a proxy goes before one without
/// (`bpf/lib/policy.h`, `proxy_port_priority`).
pub(super) fn opened<'a>(side: &Side<'a>, by: &[Matched<'a>]) -> Decision {
    let demands = Demands::of(side, by);
    if demands.http.is_empty() || demands.unmodelled.is_some() {
        return explain::allowed(side, by);
    }
    http(side, by, &Demands { open: true, ..demands })
}

fn by_demands<'a>(side: &Side<'a>, by: &[Matched<'a>]) -> Decision {
    let demands = Demands::of(side, by);
    if let Some(what) = demands.unmodelled {
        return unknown(side, by, &format!("{what} may decide about"));
    }
    if demands.protocols > 1 {
        return unknown(side, by, "rules for different protocols meet on one port, which Cilium may refuse:");
    }
    if !demands.http.is_empty() {
        return http(side, by, &demands);
    }
    if demands.server_name {
        return server_name(side, by, &demands);
    }
    // A DNS rule sends the port to the DNS proxy, whose word is asked for each name.
    explain::allowed(side, by)
}

impl<'a> Demands<'a> {
    fn of(side: &Side<'a>, by: &[Matched<'a>]) -> Self {
        let spared = !side.isolated() && side.policy.dialect.l7_leaves_unisolated_alone();
        let mut demands = Self {
            open: spared,
            http: Vec::new(),
            names: Vec::new(),
            server_name: false,
            protocols: 0,
            unmodelled: None,
        };
        let mut dns = false;
        for matched in by {
            match matched.item.map(|item| &item.layer7) {
                None | Some(Layer7::Open) => demands.open = true,
                Some(Layer7::Http(list)) => demands.http.extend(list),
                Some(Layer7::ServerNames(list)) => {
                    demands.server_name = true;
                    demands.names.extend(list);
                }
                Some(Layer7::Dns(_)) => dns = true,
                Some(Layer7::Unmodelled(what)) => demands.unmodelled = Some(what),
            }
        }
        demands.protocols = usize::from(!demands.http.is_empty()) + usize::from(demands.server_name) + usize::from(dns);
        demands
    }
}

fn unknown(side: &Side<'_>, by: &[Matched<'_>], why: &str) -> Decision {
    Decision::unknown(rules(by), format!("{why} {}", side.hop.shown(side.world)))
}

/// One rule without L7 part opens the port to every request; what is no HTTP breaks at the proxy, through which one rule
/// with such a part sends everything: an entry with a proxy goes before one without (`bpf/lib/policy.h`).
fn http<'a>(side: &Side<'a>, by: &[Matched<'a>], demands: &Demands<'a>) -> Decision {
    let request = match side.hop.payload {
        Payload::Http(request) => request,
        Payload::Tls { .. } | Payload::Hbone | Payload::Opaque => return explain::unparseable(side, by),
    };
    let request = normalized(request);
    if has_escaped_slashes(&request) {
        return explain::redirected(side, &request, by);
    }
    if demands.open {
        return explain::allowed(side, by);
    }
    let that = |wanted| demands.http.iter().copied().filter(|rule| rule.takes(&request) == wanted).collect::<Vec<_>>();
    let taking = that(Match::Yes);
    if !taking.is_empty() {
        return explain::request_allowed(side, &request, &taking);
    }
    if !that(Match::Unknown).is_empty() {
        return unknown(side, by, "an HTTP rule depends on what is not known:");
    }
    explain::request_denied(side, &request, &demands.http)
}

/// The proxy resolves dot segments and merges slashes before it looks (`http-normalize-path`, on by default).
fn normalized(request: &Request) -> Cow<'_, Request> {
    let path = normalize(&request.path, PathNormalization::MergeSlashes);
    if path == request.path { Cow::Borrowed(request) } else { Cow::Owned(Request { path, ..request.clone() }) }
}

/// A path with escaped slashes is answered with a redirect to the path without (Envoy
/// `UNESCAPE_AND_REDIRECT`, which `http-normalize-path` switches on as well).
fn has_escaped_slashes(request: &Request) -> bool {
    let path = request.path_only().to_ascii_lowercase();
    path.contains("%2f") || path.contains("%5c")
}

/// Without TLS there is no server name, and so no match.
fn server_name<'a>(side: &Side<'a>, by: &[Matched<'a>], demands: &Demands<'a>) -> Decision {
    if !side.policy.dialect.options.l7_proxy {
        return unknown(side, by, "serverNames need Cilium's proxy, which is switched off:");
    }
    let name = match side.hop.payload {
        Payload::Tls { sni } => sni,
        Payload::Hbone => return unknown(side, by, "serverNames meet HBONE, whose server name is not known:"),
        Payload::Http(_) | Payload::Opaque => None,
    };
    if let Some(name) = name.filter(|name| demands.names.iter().any(|pattern| pattern.matches(name))) {
        return explain::server_name_allowed(side, name, by);
    }
    if demands.open {
        // Rules for the same peers merge so that the server name counts; others do not.
        return unknown(side, by, "one rule demands a server name and another does not:");
    }
    explain::server_name_denied(side, name, by)
}
