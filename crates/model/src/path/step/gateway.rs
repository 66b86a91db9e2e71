//! A request that reached a gateway's listener: route, and on to the backend.

use super::backend;
use super::leg::Step;
use crate::path::branch::Branch;
use crate::path::checks::check;
use crate::path::connection::{Connection, Relay};
use crate::path::dial::Dial;
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::trace::{Answer, Check, Wire};
use crate::policy::{Checkpoint, Effect};
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
    let Some(request) = &connection.request else { return vec![Step::Ends(dial.answered(here, wire, checks))] };
    // The pod binds a port of its own choice; routes go by the listener's.
    let port = names::proxy(policies.world, key).and_then(|proxy| proxy.listener_port(port)).unwrap_or(port);
    let routed = policies.gateways.route(policies.world, key, port, connection.tls.as_deref(), request);
    let success = backend::own_answer(&routed.decision);
    let follows = routed.decision.effect != Effect::Deny;
    checks.push(check(Checkpoint::Gateway, routed.decision));
    let hop = dial.hop(&here.label, wire, checks);
    if routed.backends.is_empty() {
        let answer = follows.then(|| Answer { by: here.label.clone(), request: Some(request.clone()), admitted: None });
        return vec![Step::Ends(Branch { hops: vec![hop], success, answer })];
    }
    let onward = Connection { tls: None, resolved: None, ..connection.relayed(Relay::HttpProxy) };
    routed.backends.iter().flat_map(|backend| backend::steps(policies, here, &hop, backend, &onward)).collect()
}
