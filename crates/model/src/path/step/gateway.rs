//! What reached a gateway's listener: route, and on to the backend.

use super::backend;
use super::leg::Step;
use crate::path::branch::Branch;
use crate::path::checks::check;
use crate::path::connection::{Connection, Relay};
use crate::path::dial::Dial;
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::trace::{Answer, Check, Wire};
use crate::policy::gateway::Routed;
use crate::policy::near::near_routes;
use crate::policy::{Checkpoint, Decision, Effect};
use crate::world::GatewayKey;

/// What the proxy at `here` does with a connection to one of its ports.
pub(super) fn steps<'w>(
    dial: Dial<'_, 'w>,
    here: &Peer<'w>,
    key: &GatewayKey,
    port: u16,
    wire: Wire,
    mut checks: Vec<Check>,
) -> Vec<Step<'w>> {
    let Dial { policies, connection, .. } = dial;
    let proxy = names::proxy(policies.world, key);
    let listeners = proxy.map(|proxy| proxy.listener_ports(port)).unwrap_or_default();
    // The proxy itself answers on ports of its own, such as that of its readiness.
    if proxy.is_some() && listeners.is_empty() {
        return vec![Step::Ends(dial.answered(here, wire, checks))];
    }
    let mut routed = route(dial, key, port, &listeners);
    if policies.suggests {
        routed.decision = near_routes(policies.world, routed.decision, (&key.0, &key.1), connection.request.as_ref());
    }
    let success = match (&connection.request, &routed.decision.symptom) {
        (None, None) => connection.success(),
        (_, _) => backend::own_answer(&routed.decision),
    };
    let follows = routed.decision.effect != Effect::Deny;
    checks.push(check(Checkpoint::Gateway, routed.decision));
    let hop = dial.hop(&here.label, wire, checks);
    if routed.backends.is_empty() {
        let request = connection.request.clone();
        let answer = follows.then(|| Answer { by: here.label.clone(), request, admitted: None });
        return vec![Step::Ends(Branch { hops: vec![hop], success, answer })];
    }
    let onward = if routed.passes_tls {
        Connection { resolved: None, ..connection.relayed(Relay::TcpProxy) }
    } else {
        Connection { tls: None, originated: None, resolved: None, ..connection.relayed(Relay::HttpProxy) }
    };
    routed.backends.iter().flat_map(|backend| backend::steps(policies, here, &hop, backend, &onward)).collect()
}

/// The pod binds a port of its own choice; routes go by the listener's.
fn route(dial: Dial<'_, '_>, key: &GatewayKey, port: u16, listeners: &[u16]) -> Routed {
    let Dial { policies, connection, .. } = dial;
    if let (Some(proxy), [_, _, ..]) = (names::proxy(policies.world, key), listeners) {
        let shown: Vec<String> = listeners.iter().map(u16::to_string).collect();
        let why = format!("the listeners on {} share port {port} of the proxy's pods", shown.join(" and "));
        let decision = Decision::unknown(vec![proxy.origin.clone()], why);
        return Routed { decision, backends: Vec::new(), passes_tls: false };
    }
    let port = listeners.first().copied().unwrap_or(port);
    let tls = connection.tls.as_deref();
    match &connection.request {
        Some(request) => policies.gateways.route(policies.world, key, port, tls, request),
        None => policies.gateways.connect(policies.world, key, port, tls),
    }
}
