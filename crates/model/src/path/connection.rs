//! What travels on a hop.

use airtight_manifest::RuleRef;

use super::trace::Wire;
use crate::policy::cni::Payload;
use crate::policy::waypoint::WaypointPayload;
use crate::policy::{Outcome, Request};
use crate::world::Protocol;

/// What travels from one proxy (or the client) to the next.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) protocol: Protocol,
    pub(super) request: Option<Request>,
    /// The server name of a TLS session; empty for a session without one.
    pub(super) tls: Option<String>,
    /// The rule for which a proxy began the TLS session; none for a session of the client's own.
    pub(super) originated: Option<RuleRef>,
    /// The name whose lookup gave the destination address.
    pub(super) resolved: Option<String>,
    /// Who sends it on the client's behalf, if not the client itself.
    pub(super) relay: Relay,
}

/// Who sends a flow on: a proxy turns what befalls it upstream into an answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Relay {
    /// The client sends it itself, from its own socket.
    Client,
    /// The client's ztunnel accepted the connection already.
    Ztunnel,
    /// A waypoint or gateway that speaks HTTP with the client.
    HttpProxy,
    /// A waypoint or gateway that passes bytes.
    TcpProxy,
}

impl Connection {
    /// What the CNI can read of it on this wire.
    pub(super) fn cni_payload(&self, wire: Wire) -> Payload<'_> {
        match (wire, &self.tls, &self.request) {
            (Wire::Hbone { .. }, _, _) => Payload::Hbone,
            (Wire::Plain { .. }, Some(name), _) => {
                Payload::Tls { sni: Some(name.as_str()).filter(|name| !name.is_empty()) }
            }
            (Wire::Plain { .. }, None, Some(request)) => Payload::Http(request),
            (Wire::Plain { .. }, None, None) => Payload::Opaque,
        }
    }

    /// What a waypoint can read of it.
    pub(super) fn waypoint_payload(&self) -> WaypointPayload<'_> {
        match (&self.tls, &self.request) {
            (Some(name), _) => WaypointPayload::Tls { sni: name },
            (None, Some(request)) => WaypointPayload::Http(request),
            (None, None) => WaypointPayload::Tcp,
        }
    }

    /// The same connection, sent on by `relay`.
    pub(super) fn relayed(&self, relay: Relay) -> Self {
        Self { relay, ..self.clone() }
    }

    /// What success looks like to the client.
    pub(super) fn success(&self) -> Outcome {
        if self.request.is_some() { Outcome::Http(200) } else { Outcome::Connected }
    }
}

impl Relay {
    /// How the client sees something that befell the hop.
    pub(super) fn shows(self, symptom: Outcome) -> Outcome {
        match self {
            Self::Client => symptom,
            Self::Ztunnel => behind_ztunnel(symptom),
            Self::HttpProxy => behind_proxy(symptom, Outcome::Http(503)),
            Self::TcpProxy => behind_proxy(symptom, Outcome::Reset),
        }
    }
}

/// ztunnel accepts the client's connection before it dials: a refusal behind it is a reset
/// (ztunnel `src/proxy/outbound.rs`).
fn behind_ztunnel(symptom: Outcome) -> Outcome {
    match symptom {
        Outcome::Refused => Outcome::Reset,
        other @ (Outcome::Connected
        | Outcome::Http(_)
        | Outcome::Reset
        | Outcome::Timeout
        | Outcome::DnsFailure(_)
        | Outcome::TlsFailure
        | Outcome::ProbeError(_)) => other,
    }
}

fn behind_proxy(symptom: Outcome, failure: Outcome) -> Outcome {
    match symptom {
        Outcome::Refused | Outcome::Reset | Outcome::Timeout | Outcome::DnsFailure(_) | Outcome::TlsFailure => failure,
        other @ (Outcome::Connected | Outcome::Http(_) | Outcome::ProbeError(_)) => other,
    }
}
