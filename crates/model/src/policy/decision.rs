//! What one checkpoint decides about one hop, and which rules made it.

use std::fmt;

use airtight_manifest::RuleRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::Outcome;

/// Who enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Kyverno, before any flow.
    Admission,
    /// The CNI: `NetworkPolicy`, `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy` in one tier, and the DNS proxy.
    Cni,
    /// ztunnel: mTLS and L4 authorization.
    Ztunnel,
    /// A waypoint: L7 authorization and routing inside the mesh.
    Waypoint,
    /// A gateway: listeners and routes for traffic that enters.
    Gateway,
    /// The workload itself.
    Application,
}

/// One enforcement point on a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Checkpoint {
    /// The API server's admission chain.
    Admission,
    /// Cilium's DNS proxy.
    DnsProxy,
    /// The source's ztunnel: it picks the way, and fails closed where there is none.
    ZtunnelOutbound,
    /// Cilium at the source.
    CniEgress,
    /// Cilium at the destination.
    CniIngress,
    /// The destination's ztunnel.
    ZtunnelInbound,
    /// A waypoint proxy.
    Waypoint,
    /// A gateway proxy.
    Gateway,
    /// The workload's own socket.
    Application,
}

impl Checkpoint {
    /// Who enforces here.
    #[must_use]
    pub fn layer(self) -> Layer {
        match self {
            Self::Admission => Layer::Admission,
            Self::DnsProxy | Self::CniEgress | Self::CniIngress => Layer::Cni,
            Self::ZtunnelOutbound | Self::ZtunnelInbound => Layer::Ztunnel,
            Self::Waypoint => Layer::Waypoint,
            Self::Gateway => Layer::Gateway,
            Self::Application => Layer::Application,
        }
    }
}

/// Which way a checkpoint decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The flow goes on.
    Allow,
    /// The flow ends here.
    Deny,
    /// A construct that the engine does not model could decide either way.
    Unknown,
}

/// Why a checkpoint decided as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No policy selects the subject in this direction.
    NoPolicy,
    /// A rule allows it.
    AllowRule,
    /// Policies isolate the subject and no rule allows it.
    DefaultDeny,
    /// A rule denies it.
    ExplicitDeny,
    /// Traffic from the pod's own node passes a default deny.
    HostExemption,
    /// Audit mode lets through what policies would drop.
    Audited,
    /// The pod talks to itself.
    Loopback,
    /// This end is not under the CNI's or the mesh's control.
    NotManaged,
    /// An L7 rule allows the request.
    L7Allowed,
    /// L7 rules apply and none allows the request.
    L7Denied,
    /// The payload cannot be parsed as the protocol that an L7 rule expects.
    L7Unparseable,
    /// The DNS proxy lets the name through.
    NameAllowed,
    /// The DNS proxy refuses the name.
    NameRefused,
    /// The TLS server name is on the list.
    SniAllowed,
    /// The TLS server name is not on the list.
    SniDenied,
    /// Mutual authentication is demanded and cannot be given.
    AuthenticationRequired,
    /// `PeerAuthentication` STRICT refuses plaintext.
    StrictMtls,
    /// ALLOW policies exist and none matches.
    NoAllowMatched,
    /// ztunnel is not in the way of this traffic.
    NotCaptured,
    /// The kubelet's probe address is never redirected to ztunnel.
    ProbeBypass,
    /// ztunnel passes a destination that the mesh does not know.
    Passthrough,
    /// ztunnel goes straight to the destination workload.
    Direct,
    /// ztunnel goes through the service's or workload's waypoint.
    ViaWaypoint,
    /// The waypoint named for this destination has no ready endpoint.
    WaypointUnavailable,
    /// The service has no such port or no ready endpoint.
    NoHealthyUpstream,
    /// A token is demanded, and there is none.
    TokenMissing,
    /// The token is not valid.
    TokenInvalid,
    /// A route takes the request to a backend.
    RouteMatched,
    /// No listener takes this host or port.
    NoListener,
    /// No route takes this request.
    NoRoute,
    /// The route's backend cannot be used (missing, not granted, of an unknown kind): the proxy answers 500.
    BackendUnresolved,
    /// The proxy answers by itself (redirect or direct response).
    DirectResponse,
    /// The workload listens on this port.
    Listening,
    /// Nothing listens on this port.
    NotListening,
    /// One end speaks TLS and the other does not.
    ProtocolMismatch,
    /// The name does not exist.
    NoSuchName,
    /// An admission rule refuses the object.
    AdmissionRefused,
    /// The API server's schema or a webhook refuses the object.
    InvalidObject,
    /// Admission accepts the object.
    Admitted,
    /// A construct that the engine does not model could decide here.
    Unmodelled,
}

/// What one checkpoint decides about one hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Which way.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// The rules that decided; for a default deny, the rules that isolate the subject.
    pub rules: Vec<RuleRef>,
    /// One sentence for a reader: what was compared with what.
    pub detail: String,
    /// What the client sees if the flow ends here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symptom: Option<Outcome>,
    /// What an observer at this checkpoint would log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Of a default deny that somebody wants explained: rules that nearly allow the hop, nearest first.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub near: Box<[NearMiss]>,
}

/// A rule that nearly allows a hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NearMiss {
    /// The rule.
    pub rule: RuleRef,
    /// What keeps it from that.
    pub but: String,
    /// How far it is: 1 for what looks like a slip of the pen.
    pub distance: u32,
}

impl Decision {
    /// The flow goes on.
    #[must_use]
    pub fn allow(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            effect: Effect::Allow,
            reason,
            rules: Vec::new(),
            detail: detail.into(),
            symptom: None,
            log: None,
            near: Box::default(),
        }
    }

    /// The flow ends here, and the client sees `symptom`.
    #[must_use]
    pub fn deny(reason: Reason, symptom: Outcome, detail: impl Into<String>) -> Self {
        Self {
            effect: Effect::Deny,
            reason,
            rules: Vec::new(),
            detail: detail.into(),
            symptom: Some(symptom),
            log: None,
            near: Box::default(),
        }
    }

    /// The engine cannot tell, because of the constructs in `rules`.
    #[must_use]
    pub fn unknown(rules: Vec<RuleRef>, detail: impl Into<String>) -> Self {
        Self {
            effect: Effect::Unknown,
            reason: Reason::Unmodelled,
            rules,
            detail: detail.into(),
            symptom: None,
            log: None,
            near: Box::default(),
        }
    }

    /// The same decision, made by `rules`.
    #[must_use]
    pub fn by(mut self, rules: Vec<RuleRef>) -> Self {
        self.rules = rules;
        self
    }

    /// The same decision, with the line that an observer would log.
    #[must_use]
    pub fn logged(mut self, line: impl Into<String>) -> Self {
        self.log = Some(line.into());
        self
    }

    /// Whether the flow goes on for certain.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.effect == Effect::Allow
    }
}

macro_rules! display_as_serialized {
    ($($ty:ty),*) => {$(
        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    )*};
}

// The serialized names are the design's words; `fmt::Formatter` is a serializer for unit variants.
display_as_serialized!(Layer, Checkpoint, Effect, Reason);
