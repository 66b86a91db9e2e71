//! Listeners: which of them work, and which routes they take (`apis/v1/gateway_types.go`).

use airtight_manifest::gateway_api::{FromNamespaces, GROUP, Gateway, Listener, ListenerTls, ReferenceGrant, TlsMode};
use airtight_manifest::{Labels, Object, RuleRef, selects};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::grant::{Grant, Referent, Referrer, grant};
use super::hostname::HostPattern;
use super::status::ListenerReason;
use crate::policy::HBONE;
use crate::world::Implementation;

/// A listener with its defaults filled in.
#[derive(Debug, Clone)]
pub(super) struct ListenerState {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) family: Family,
    pub(super) host: HostPattern,
    pub(super) tls: TlsMode,
    /// Why it does not work.
    pub(super) fault: Option<ListenerReason>,
    /// Kinds of routes that it takes.
    pub(super) kinds: Vec<String>,
    /// Kinds that `allowedRoutes` names and the protocol does not have.
    pub(super) invalid_kinds: Vec<String>,
    pub(super) rule: RuleRef,
    pub(super) index: usize,
    from: FromNamespaces,
    selector: Option<LabelSelector>,
    protocol: String,
}

/// What a listener's connections carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// HTTP in the clear.
    Http,
    /// TLS with HTTP inside, ended here.
    Https,
    /// TLS, opaque or ended here.
    Tls,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// The mesh's tunnel, or PROXY protocol behind it.
    Mesh,
    /// Anything else.
    Other,
}

impl Family {
    fn of(protocol: &str) -> Self {
        match protocol {
            "HTTP" => Self::Http,
            "HTTPS" => Self::Https,
            "TLS" => Self::Tls,
            "TCP" => Self::Tcp,
            "UDP" => Self::Udp,
            "HBONE" | "istio.io/PROXY" => Self::Mesh,
            _ => Self::Other,
        }
    }

    /// Listeners of one port and different classes conflict.
    fn class(self) -> u8 {
        match self {
            Self::Http => 0,
            Self::Https | Self::Tls => 1,
            Self::Tcp => 2,
            Self::Mesh => 3,
            Self::Other => 4,
            // UDP has ports of its own.
            Self::Udp => 5,
        }
    }
}

impl ListenerState {
    /// All listeners of a Gateway, conflicts found.
    pub(super) fn all(
        gateway: &Object<Gateway>,
        implementation: Option<Implementation>,
        grants: &[Object<ReferenceGrant>],
    ) -> Vec<Self> {
        let mut listeners: Vec<Self> = gateway
            .body
            .spec
            .listeners
            .iter()
            .enumerate()
            .map(|(index, listener)| {
                let rule = gateway.meta.rule(format!("spec.listeners[{index}]"), listener.at);
                let mut state = Self::new(index, listener, rule);
                state.fault = state.protocol_fault(implementation).or_else(|| {
                    let tls = listener.tls.as_deref()?;
                    certificate_fault(gateway.meta.namespace(), tls, state.tls, grants)
                });
                state
            })
            .collect();
        let conflicts: Vec<Option<ListenerReason>> =
            listeners.iter().map(|listener| listener.conflict(&listeners)).collect();
        for (listener, conflict) in listeners.iter_mut().zip(conflicts) {
            listener.fault = conflict.or(listener.fault);
        }
        limit_proxy_listeners(&mut listeners, implementation);
        listeners
    }

    fn new(index: usize, listener: &Listener, rule: RuleRef) -> Self {
        let family = Family::of(&listener.protocol);
        let (kinds, invalid_kinds) = kinds(listener, family);
        Self {
            name: listener.name.clone(),
            port: listener.port,
            family,
            host: HostPattern::parse(listener.host()),
            tls: listener.tls.as_ref().and_then(|tls| tls.mode).unwrap_or_default(),
            fault: None,
            kinds,
            invalid_kinds,
            rule,
            index,
            from: listener.from_namespaces(),
            selector: listener.namespace_selector().cloned(),
            protocol: listener.protocol.clone(),
        }
    }

    /// Whether connections to it are served.
    pub(super) fn works(&self) -> bool {
        self.fault.is_none()
    }

    /// Whether routes of a namespace may attach.
    pub(super) fn admits_namespace(&self, home: &str, namespace: &str, labels: &Labels) -> bool {
        match self.from {
            FromNamespaces::All => true,
            FromNamespaces::Same => home == namespace,
            FromNamespaces::Selector => self.selector.as_ref().is_some_and(|selector| selects(selector, labels)),
        }
    }

    fn conflict(&self, all: &[Self]) -> Option<ListenerReason> {
        let others = || all.iter().filter(|other| other.index != self.index && other.port == self.port);
        let other_class = |other: &&Self| {
            let (own, theirs) = (self.family.class(), other.family.class());
            own != theirs && self.family != Family::Udp && other.family != Family::Udp
        };
        if others().any(|other| other_class(&other)) {
            return Some(ListenerReason::ProtocolConflict);
        }
        let same = |other: &&Self| other.family.class() == self.family.class() && other.host == self.host;
        others().any(|other| same(&other)).then_some(ListenerReason::HostnameConflict)
    }

    fn protocol_fault(&self, implementation: Option<Implementation>) -> Option<ListenerReason> {
        let supported: &[&str] = match implementation? {
            Implementation::Kgateway | Implementation::IstioGateway | Implementation::IstioAgentgateway => {
                &["HTTP", "HTTPS", "TLS", "TCP"]
            }
            Implementation::KgatewayWaypoint => &["istio.io/PROXY"],
            Implementation::Agentgateway => &["HTTP", "HTTPS", "TLS", "TCP", "HBONE"],
            Implementation::IstioWaypoint
            | Implementation::IstioEastWest
            | Implementation::IstioAgentgatewayWaypoint => &["HBONE"],
        };
        let hbone_elsewhere = implementation?.is_istio() && self.protocol == "HBONE" && self.port != HBONE;
        (!supported.contains(&self.protocol.as_str()) || hbone_elsewhere).then_some(ListenerReason::UnsupportedProtocol)
    }
}

/// A Kgateway waypoint works with exactly one PROXY listener.
fn limit_proxy_listeners(listeners: &mut [ListenerState], implementation: Option<Implementation>) {
    let usable = listeners.iter().filter(|listener| listener.works()).count();
    if implementation == Some(Implementation::KgatewayWaypoint) && usable > 1 {
        for listener in listeners {
            listener.fault = Some(ListenerReason::Invalid);
        }
    }
}

fn certificate_fault(
    namespace: &str,
    tls: &ListenerTls,
    mode: TlsMode,
    grants: &[Object<ReferenceGrant>],
) -> Option<ListenerReason> {
    if mode == TlsMode::Passthrough {
        return None;
    }
    let from = Referrer { group: GROUP, kind: "Gateway", namespace };
    tls.certificate_refs.iter().find_map(|reference| {
        let to = Referent {
            group: reference.group.as_deref().unwrap_or_default(),
            kind: reference.kind.as_deref().unwrap_or("Secret"),
            namespace: reference.namespace.as_deref().unwrap_or(namespace),
            name: &reference.name,
        };
        if (to.group, to.kind) != ("", "Secret") {
            return Some(ListenerReason::InvalidCertificateRef);
        }
        (grant(grants, from, to) == Grant::Missing).then_some(ListenerReason::RefNotPermitted)
    })
}

/// Kinds of routes that a listener takes, and kinds that it names in vain.
fn kinds(listener: &Listener, family: Family) -> (Vec<String>, Vec<String>) {
    let own: &[&str] = match family {
        Family::Http | Family::Https => &["HTTPRoute", "GRPCRoute"],
        Family::Tls => &["TLSRoute", "TCPRoute"],
        Family::Tcp => &["TCPRoute"],
        Family::Udp => &["UDPRoute"],
        Family::Mesh => &["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"],
        Family::Other => &[],
    };
    let written = listener.allowed_routes.as_ref().map(|allowed| allowed.kinds.as_slice()).unwrap_or_default();
    if written.is_empty() {
        return (own.iter().map(|kind| (*kind).to_owned()).collect(), Vec::new());
    }
    let is_own = |kind: &str, group: &str| group == GROUP && own.contains(&kind);
    let (valid, invalid): (Vec<_>, Vec<_>) =
        written.iter().partition(|entry| is_own(&entry.kind, entry.group.as_deref().unwrap_or(GROUP)));
    let names = |entries: Vec<&airtight_manifest::gateway_api::RouteGroupKind>| {
        entries.into_iter().map(|entry| entry.kind.clone()).collect()
    };
    (names(valid), names(invalid))
}
