//! Who denied a flow where no observer tells: the only one on the cluster who could have.
//!
//! Between two pods without a mesh stands the CNI alone. A flow of a pod whose network works, to a target that answers
//! its twin at the same moment, and of which nothing comes back, was denied by it. That a pod's network works shows
//! in a name that it resolves, or in any other flow of the same round to which something came back.
//!
//! Between a client outside and a gateway to which no mesh carries stands nobody who speaks: a connection that was
//! accepted, and that ended in the client's first words of TLS, was ended by the gateway. Envoy closes such a connection
//! where no listener takes the server name, and writes no line of it (Envoy
//! `source/common/listener_manager/active_stream_listener_base.cc`, `no_filter_chain_match`).

use std::collections::{BTreeMap, BTreeSet};

use airtight_matrix::judge::Observation;
use airtight_model::path::{Destination, Flow};
use airtight_model::policy::{Layer, Outcome};
use airtight_model::world::{API_SERVER_HOST, Protocol};
use airtight_probe::wire;

use crate::answer;
use crate::detect::Denial;
use crate::origin::Origin;
use crate::places::Places;
use crate::session::Answered;
use crate::testbed::Tracks;

/// What is said of it beside the evidence.
const BY_ELIMINATION: &str = "by elimination: no observer tells who ended the flow, and between these two the CNI \
                              stands alone; the source's network works, as other packets of the round show";

/// What is said of it where a gateway closes a connection.
const GATEWAY_BY_ELIMINATION: &str = "by elimination: the gateway accepted the connection and ended it in the handshake, \
                                      and between a client outside and this gateway nobody else speaks";

/// What a source is asked to resolve, so that it shows that its network works.
pub(super) fn sign_of_life() -> wire::Attempt {
    let name = format!("{API_SERVER_HOST}.");
    wire::Attempt::Lookup(wire::Lookups { name, family: wire::Family::Any })
}

/// Names the CNI as the one who denied, where it can have been nobody else. `alive` are sources that gave a sign of
/// life.
pub(super) fn name(
    denials: &BTreeSet<Denial>,
    alive: &BTreeSet<Origin>,
    flows: &[&Flow],
    answered: &BTreeMap<usize, (Tracks, Answered)>,
    seen: &mut [Observation],
) {
    let came_back =
        answered.values().filter(|(_, own)| something_came_back(&own.answer)).map(|(tracks, _)| &tracks.from);
    let alive: BTreeSet<&Origin> = alive.iter().chain(came_back).collect();
    for (number, (tracks, own)) in answered {
        let evidence = &mut seen[*number].evidence;
        let is_open = evidence.denied_by.is_none() && evidence.reason.is_none();
        if is_open
            && is_between_pods(flows[*number])
            && alive.contains(&tracks.from)
            && looks_like(denials, flows[*number].protocol, &own.answer)
        {
            evidence.denied_by = Some(Layer::Cni);
            evidence.logs.push(BY_ELIMINATION.to_owned());
        }
    }
}

/// Names the gateway as the one who denied, where it can have been nobody else. That the same gateway answers another
/// name at the same moment shows in the twin.
pub(super) fn name_gateways(
    places: &Places,
    flows: &[&Flow],
    answered: &BTreeMap<usize, (Tracks, Answered)>,
    seen: &mut [Observation],
) {
    for (number, (tracks, own)) in answered {
        let Destination::Gateway(namespace, name) = &flows[*number].to else { continue };
        let evidence = &mut seen[*number].evidence;
        let is_open = evidence.denied_by.is_none() && evidence.reason.is_none();
        let is_closed = own.answer.phase == wire::Phase::Tls
            && matches!(answer::outcome(&own.answer), Outcome::Reset | Outcome::TlsFailure);
        if is_open && is_closed && tracks.from == Origin::Outside && !places.captures(namespace, name) {
            evidence.denied_by = Some(Layer::Gateway);
            evidence.logs.push(GATEWAY_BY_ELIMINATION.to_owned());
        }
    }
}

/// A gateway may have its own say, and names are resolved by others.
fn is_between_pods(flow: &Flow) -> bool {
    match flow.to {
        Destination::Service(..) | Destination::Pod(..) => true,
        Destination::Host(_)
        | Destination::Name(_)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Object(_) => false,
    }
}

/// A RST to a SYN is no denial: nobody can tell it from that of a port on which nobody listens.
fn looks_like(denials: &BTreeSet<Denial>, protocol: Protocol, told: &wire::Answer) -> bool {
    match answer::outcome(told) {
        // Whoever accepts a connection and then falls silent is no firewall.
        Outcome::Timeout if protocol == Protocol::Tcp && told.phase != wire::Phase::Connect => false,
        Outcome::Timeout => told.phase != wire::Phase::Dns && denials.contains(&Denial::Drop),
        Outcome::Refused => {
            let is_icmp = matches!(told.refusal, Some(wire::Refusal::Prohibited | wire::Refusal::PortUnreachable));
            is_icmp && denials.contains(&Denial::IcmpError)
        }
        Outcome::Connected
        | Outcome::Http(_)
        | Outcome::Reset
        | Outcome::DnsFailure(_)
        | Outcome::TlsFailure
        | Outcome::ProbeError(_) => false,
    }
}

/// Whether a packet came back to a source, from whomever.
pub(super) fn something_came_back(told: &wire::Answer) -> bool {
    let resolved = told.lookups.iter().any(|lookup| lookup.addresses > 0);
    resolved
        || match answer::outcome(told) {
            Outcome::Connected | Outcome::Http(_) | Outcome::Reset | Outcome::TlsFailure => true,
            Outcome::Refused => told.refusal == Some(wire::Refusal::Reset),
            Outcome::Timeout | Outcome::DnsFailure(_) | Outcome::ProbeError(_) => false,
        }
}
