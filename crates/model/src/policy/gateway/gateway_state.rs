//! One Gateway with its listeners and what is attached to them.

use airtight_manifest::gateway_api::{Gateway, ReferenceGrant};
use airtight_manifest::stack::{Stack, at_least};
use airtight_manifest::{Meta, Object, RuleRef};

use super::hostname::HostPattern;
use super::listener::ListenerState;
use super::precedence::{Precedence, RegexPlace};
use crate::world::{GatewayKey, Implementation};

/// One Gateway with its listeners and what is attached to them.
#[derive(Debug, Clone)]
pub(super) struct GatewayState {
    pub(super) key: GatewayKey,
    pub(super) meta: std::sync::Arc<Meta>,
    /// None if no controller serves it.
    pub(super) implementation: Option<Implementation>,
    pub(super) listeners: Vec<ListenerState>,
    /// By listener, in order of precedence.
    pub(super) candidates: Vec<Vec<Candidate>>,
    /// Constructs of the proxy's parameters that the engine does not model.
    pub(super) unmodelled: Vec<RuleRef>,
}

/// One match of one rule of a route that is attached to a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) precedence: Precedence,
    /// What the route's host names and the listener's have in common.
    pub(super) host: HostPattern,
    pub(super) route: usize,
    pub(super) rule: usize,
    pub(super) matching: usize,
}

impl GatewayState {
    pub(super) fn new(
        gateway: &Object<Gateway>,
        implementation: Option<Implementation>,
        unmodelled: Vec<RuleRef>,
        grants: &[Object<ReferenceGrant>],
    ) -> Self {
        let listeners = ListenerState::all(gateway, implementation, grants);
        Self {
            key: (gateway.meta.namespace().into(), gateway.meta.name().into()),
            meta: gateway.meta.clone(),
            implementation,
            candidates: vec![Vec::new(); listeners.len()],
            listeners,
            unmodelled,
        }
    }

    pub(super) fn sort(&mut self) {
        for candidates in &mut self.candidates {
            candidates.sort_by(|a, b| a.precedence.cmp(&b.precedence));
            candidates.dedup();
        }
    }

    /// What of the Gateway is not modelled and bears on one of its listeners.
    pub(super) fn doubts(&self, listener: usize) -> Vec<RuleRef> {
        let own = format!("spec.listeners[{listener}]");
        let fields = self.meta.unmodelled.iter();
        fields
            .filter(|field| !field.path.starts_with("spec.listeners[") || field.path.starts_with(&own))
            .map(|field| self.meta.rule(field.path.as_str(), field.at))
            .chain(self.unmodelled.iter().cloned())
            .collect()
    }

    pub(super) fn name(&self) -> String {
        self.meta.object.to_string()
    }
}

/// Whether a request belongs to its most specific listener only, so that routes of broader listeners are not tried
/// (Gateway API feature `GatewayHTTPListenerIsolation`, by the conformance reports of each implementation).
pub(super) fn isolates_listeners(implementation: Implementation, stack: &Stack) -> bool {
    match implementation {
        Implementation::Kgateway | Implementation::KgatewayWaypoint => at_least(&stack.versions.kgateway, 2, 4),
        Implementation::Agentgateway
        | Implementation::IstioGateway
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgateway
        | Implementation::IstioAgentgatewayWaypoint => true,
    }
}

/// Whether a request that no route of its most specific host takes is offered to those of broader hosts.
///
/// Envoy chooses a virtual host first and stays in it; agentgateway goes on
/// (agentgateway `crates/agentgateway/src/http/route.rs`, `select_best_route`).
pub(super) fn tries_broader_hosts(implementation: Implementation) -> bool {
    implementation.is_agentgateway()
}

/// Where an implementation tries routes whose path is a regular expression.
pub(super) fn regex_place(implementation: Option<Implementation>) -> RegexPlace {
    match implementation {
        Some(Implementation::Kgateway | Implementation::KgatewayWaypoint) => RegexPlace::BeforePrefixes,
        Some(
            Implementation::Agentgateway
            | Implementation::IstioGateway
            | Implementation::IstioWaypoint
            | Implementation::IstioEastWest
            | Implementation::IstioAgentgateway
            | Implementation::IstioAgentgatewayWaypoint,
        )
        | None => RegexPlace::Last,
    }
}
