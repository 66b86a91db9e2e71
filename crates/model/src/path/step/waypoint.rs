//! A waypoint ends one hop and begins the next.

use airtight_manifest::RuleRef;

use super::backend;
use super::leg::{Leg, Step};
use crate::path::branch::Branch;
use crate::path::checks::{check, cni_checks};
use crate::path::connection::{Connection, Relay};
use crate::path::dial::Dial;
use crate::path::lookup::lookup;
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::policies::Policies;
use crate::path::service_entry::{service_entry, service_entry_target_port};
use crate::path::target::DialTarget;
use crate::path::trace::{Check, Hop, Wire};
use crate::policy::gateway::Routed;
use crate::policy::near::{Asked, Guarded, near_authorization, near_routes};
use crate::policy::waypoint::{WaypointPayload, WaypointTarget, originates_tls, reads_server_names};
use crate::policy::{Checkpoint, Decision, Outcome, Reason};
use crate::world::{GatewayKey, Pod, Proxy, Role, World};

/// Client → waypoint over HBONE, then waypoint → what it stands for.
pub(super) fn steps<'w>(dial: Dial<'_, 'w>, key: &GatewayKey, to: &DialTarget<'w>, picked: Check) -> Vec<Step<'w>> {
    let Dial { policies, from, connection } = dial;
    let world = policies.world;
    let (Some(pod), Some(gateway)) = (names::proxy_pod(world, key), policies.waypoint(key)) else {
        return vec![Step::Ends(missing_proxy(dial, key, picked))];
    };
    let Some((service_port, target)) = waypoint_target(world, to) else { return Vec::new() };
    let wire = Wire::Hbone { inner: service_port };
    let here = Peer::pod(pod);
    let source = from.mesh_source(world);
    let mut checks = vec![picked];
    checks.extend(cni_checks(dial, &here, wire));
    // A third-party waypoint is itself captured: its ztunnel ends the tunnel and hands on PROXY protocol.
    if pod.enrolment.sends_through_ztunnel() {
        let inner = names::proxy(world, key).and_then(proxy_protocol_port).unwrap_or(service_port);
        checks.push(check(Checkpoint::ZtunnelInbound, policies.ztunnel.inbound(world, pod.id, inner, &source)));
    }
    let payload = match connection.waypoint_payload() {
        WaypointPayload::Tls { .. } if !reads_server_names(world, &policies.bindings, key) => {
            WaypointPayload::Tls { sni: "" }
        }
        payload => payload,
    };
    let mut decision = policies.waypoints.evaluate(world, gateway, &target, &source, payload);
    if policies.suggests {
        let request = match payload {
            WaypointPayload::Http(request) => Some(request),
            WaypointPayload::Tls { .. } | WaypointPayload::Tcp => None,
        };
        let asked = Asked { source: &source, port: service_port, request };
        decision = near_authorization(world, decision, Guarded::Behind(target.namespace()), &asked);
    }
    checks.push(check(Checkpoint::Waypoint, decision));
    let relay =
        if connection.request.is_some() && connection.tls.is_none() { Relay::HttpProxy } else { Relay::TcpProxy };
    let mut onward = Connection { resolved: None, ..connection.relayed(relay) };
    if relay == Relay::HttpProxy {
        onward.request = onward.request.map(|it| policies.waypoints.forwarded(world, gateway, &target, &it));
    }
    beyond(dial, here, checks, wire, to, onward)
}

/// What the waypoint at `here` does with what it lets through.
fn beyond<'w>(
    dial: Dial<'_, 'w>,
    here: Peer<'w>,
    mut checks: Vec<Check>,
    wire: Wire,
    to: &DialTarget<'w>,
    onward: Connection,
) -> Vec<Step<'w>> {
    let policies = dial.policies;
    checks.extend(unread_routes(policies.world, to));
    name_origination(dial, &here, to, &mut checks);
    // Routes come after the filters, and see what these made of the request.
    let routed = route(policies, dial.from, &here, to, &onward);
    if let Some(routed) = &routed {
        checks.push(check(Checkpoint::Waypoint, routed.decision.clone()));
    }
    let hop = dial.hop(&here.label, wire, checks);
    match routed {
        Some(routed) if routed.backends.is_empty() => {
            vec![Step::Ends(Branch::ending(vec![hop], backend::own_answer(&routed.decision)))]
        }
        Some(routed) => {
            let backends = routed.backends.iter();
            backends.flat_map(|backend| backend::steps(policies, &here, &hop, backend, &onward)).collect()
        }
        None => vec![own_choice(policies, here, hop, to, onward)],
    }
}

/// The rule that makes the waypoint speak TLS from here on stands beside those that let the flow through.
fn name_origination(dial: Dial<'_, '_>, here: &Peer<'_>, to: &DialTarget<'_>, checks: &mut [Check]) {
    let DialTarget::ServiceEntry { namespace, host, port, .. } = to else { return };
    let rule = originates(dial.world(), here, namespace, host, *port, dial.connection);
    if let (Some(check), Some(rule)) = (checks.last_mut(), rule) {
        check.decision.rules.push(rule);
    }
}

fn originates(
    world: &World,
    here: &Peer<'_>,
    entry: &str,
    host: &str,
    port: u16,
    connection: &Connection,
) -> Option<RuleRef> {
    let home = here.pod.map_or("", |pod| &pod.namespace);
    originates_tls(world, home, entry, host, port).filter(|_| connection.tls.is_none())
}

/// HTTPRoutes that name the Service as parent (GAMMA) are the waypoint's to follow; none if it goes its own way.
fn route(
    policies: &Policies<'_>,
    from: &Peer<'_>,
    here: &Peer<'_>,
    to: &DialTarget<'_>,
    connection: &Connection,
) -> Option<Routed> {
    let (DialTarget::Service(service, port), Some(request), None) = (to, &connection.request, &connection.tls) else {
        return None;
    };
    let client = from.pod.map_or("", |pod| &pod.namespace);
    let key = here.pod.and_then(gateway_key);
    let parent = (&*service.namespace, &*service.name);
    let mut routed = policies.gateways.route_service(policies.world, parent, *port, client, key, request);
    if policies.suggests {
        routed.decision = near_routes(policies.world, routed.decision, parent, Some(request));
    }
    (routed.decision.reason != Reason::NoPolicy).then_some(routed)
}

/// Routes whose parent is a ServiceEntry are the waypoint's to follow as well, and are not modelled.
fn unread_routes(world: &World, to: &DialTarget<'_>) -> Option<Check> {
    let DialTarget::ServiceEntry { name, .. } = to else { return None };
    let routes = world.objects.http_routes.iter().filter(|route| {
        let parents = route.body.spec.parent_refs.iter();
        parents.filter(|parent| parent.kind.as_deref() == Some("ServiceEntry")).any(|parent| parent.name == *name)
    });
    let rules: Vec<_> = routes.map(|route| route.meta.whole()).collect();
    let detail = format!("routes whose parent is a ServiceEntry ({name}) are not modelled");
    (!rules.is_empty()).then(|| check(Checkpoint::Waypoint, Decision::unknown(rules, detail)))
}

/// The waypoint's own choice of an endpoint.
fn own_choice<'w>(
    policies: &Policies<'w>,
    here: Peer<'w>,
    hop: Hop,
    to: &DialTarget<'w>,
    connection: Connection,
) -> Step<'w> {
    match to {
        DialTarget::ServiceEntry { namespace, name, host, port } => {
            Step::Goes(to_service_entry(policies, here, hop, (namespace, name), host, *port, connection))
        }
        DialTarget::Service(service, port) => {
            match backend::originated(policies, &here, service, *port, connection.clone()) {
                Ok(connection) => Step::Goes(Leg { hops: vec![hop], from: here, to: to.clone(), connection }),
                Err(refusal) => {
                    let mut hop = hop;
                    hop.checkpoints.push(*refusal);
                    Step::Ends(Branch::ending(vec![hop], connection.success()))
                }
            }
        }
        DialTarget::Pod(_, _)
        | DialTarget::Node(_, _)
        | DialTarget::Published(_, _, _)
        | DialTarget::External { .. } => Step::Goes(Leg { hops: vec![hop], from: here, to: to.clone(), connection }),
    }
}

/// A host outside, as the ServiceEntry and its DestinationRule say: its port there, and TLS from here on.
fn to_service_entry<'w>(
    policies: &Policies<'w>,
    here: Peer<'w>,
    hop: Hop,
    entry: (&str, &str),
    host: &str,
    port: u16,
    mut connection: Connection,
) -> Leg<'w> {
    let world = policies.world;
    if originates(world, &here, entry.0, host, port, &connection).is_some() {
        connection.tls = Some(host.to_owned());
    }
    let lookup = lookup(policies, &here, host, connection.relay);
    connection.resolved = lookup.learned.then(|| host.to_owned());
    let to = names::external(world, host, Some(service_entry_target_port(world, entry, port)));
    let hops = std::iter::once(hop).chain(lookup.hops).collect();
    Leg { hops, from: here, to, connection }
}

fn waypoint_target<'t, 'w: 't>(world: &'w World, to: &'t DialTarget<'w>) -> Option<(u16, WaypointTarget<'t>)> {
    match to {
        DialTarget::Service(service, port) => Some((*port, WaypointTarget::Service { service, port: *port })),
        DialTarget::ServiceEntry { namespace, name, port, .. } => {
            let entry = service_entry(world, namespace, name)?;
            Some((*port, WaypointTarget::ServiceEntry { entry, port: *port, address: None }))
        }
        DialTarget::Pod(pod, Some(port)) => Some((*port, WaypointTarget::Workload { pod, port: *port })),
        DialTarget::Pod(_, None)
        | DialTarget::Node(_, _)
        | DialTarget::Published(_, _, _)
        | DialTarget::External { .. } => None,
    }
}

fn missing_proxy(dial: Dial<'_, '_>, key: &GatewayKey, picked: Check) -> Branch {
    let why = format!("no proxy runs for Gateway {}/{}", key.0, key.1);
    let decision = Decision::deny(Reason::WaypointUnavailable, Outcome::Reset, why);
    let checks = vec![picked, check(Checkpoint::ZtunnelOutbound, decision)];
    dial.nowhere(&format!("{}/{}", key.0, key.1), None, checks)
}

fn gateway_key(pod: &Pod) -> Option<&GatewayKey> {
    match &pod.role {
        Role::Gateway(key) | Role::Waypoint(key) => Some(key),
        Role::Workload => None,
    }
}

/// Where a captured waypoint takes PROXY protocol from its own ztunnel.
fn proxy_protocol_port(proxy: &Proxy) -> Option<u16> {
    proxy.ports.iter().map(|port| port.number).find(|port| *port == 15088)
}
