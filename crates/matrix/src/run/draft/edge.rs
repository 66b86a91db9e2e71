//! Just outside of what an allow rule lets through: the next port, and the address beside its range.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use airtight_manifest::RuleRef;
use airtight_model::path::{Destination, Engine};
use airtight_model::policy::Request;
use airtight_model::world::{Protocol, TargetPort, World};
use ipnet::IpNet;

use super::aim::Aim;
use super::choose::Choices;
use super::ledger::TriedId;
use super::range::{Range, ranges};
use super::survey::{Ending, Survey, ending};

/// Adds the denied flows of the source of `allowed`, the example of `rule`, that differ from what the rule lets
/// through in the port or the address alone.
pub(super) fn complete(
    survey: &mut Survey,
    engine: &Engine<'_>,
    (rule, allowed): (&RuleRef, TriedId),
    choices: &mut Choices,
) {
    if let Some(inside) = at_workload(survey, engine.world(), rule, allowed) {
        let found = listed(survey, inside).map(|denied| (inside, denied));
        let found = found.or_else(|| {
            let inside = behind(survey, engine, inside)?;
            Some((inside, listed(survey, inside).or_else(|| next_port(survey, engine, inside))?))
        });
        if let Some((inside, denied)) = found {
            choices.deny(denied, inside, survey.stopping(denied));
        }
    }
    if let Some(inside) = at_host(survey, engine, allowed)
        && let Some(denied) = next_port(survey, engine, inside)
    {
        choices.deny(denied, inside, survey.stopping(denied));
    }
    if let Some(denied) = other_path(survey, engine, allowed) {
        choices.deny(denied, allowed, survey.stopping(denied));
    }
    for range in ranges(engine.world(), rule) {
        for edge in [within(&range), beside(&range.network)] {
            if let Some(denied) = edge.into_iter().find_map(|address| at_address(survey, engine, allowed, address)) {
                choices.deny(denied, allowed, survey.stopping(denied));
            }
        }
    }
}

/// A flow to a workload that gets through because of the rule: the example itself, or else one past every Service, since
/// on the way to a Service the rule may have let through the lookup of its name alone. Routes have no ports of their own.
fn at_workload(survey: &Survey, world: &World, rule: &RuleRef, allowed: TriedId) -> Option<TriedId> {
    if matches!(&*rule.object.kind, "HTTPRoute" | "GRPCRoute") {
        return None;
    }
    let through = |id: &TriedId| matches!(survey.tried[*id].end, Ending::Through { .. });
    let by_rule = |id: &TriedId| survey.ledger.lets(rule, *id);
    let governed = |id: &TriedId| match &survey.aim(*id).to {
        Destination::Pod(..) => true,
        Destination::Service(..) => {
            let behind = pod_behind(world, survey.aim(*id)).map(|(to, port)| Aim {
                to,
                port: Some(port),
                ..bare(survey.aim(*id))
            });
            let past = behind.and_then(|aim| survey.find(survey.tried[*id].source, |other| *other == aim).next());
            &*rule.object.kind == "AuthorizationPolicy" || past.is_some_and(|past| through(&past) && by_rule(&past))
        }
        Destination::Host(_)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => false,
    };
    let others = || {
        let is_past = |id: &TriedId| is_bare(survey.aim(*id)) && matches!(survey.aim(*id).to, Destination::Pod(..));
        let past = (0..survey.tried.len()).filter(|id| is_past(id) && through(id) && by_rule(id));
        past.min_by_key(|id| (survey.source(*id) != survey.source(allowed), survey.source_rank(*id), *id))
    };
    Some(allowed).filter(|id| is_of_workload(survey.aim(*id)) && governed(id)).or_else(others)
}

/// The bare connection of an example that leaves the cluster, if it gets through as well.
fn at_host(survey: &mut Survey, engine: &Engine<'_>, allowed: TriedId) -> Option<TriedId> {
    let aim = survey.aim(allowed);
    let leaves = aim.port.is_some() && matches!(aim.to, Destination::Host(_) | Destination::Address(_));
    if leaves { through(survey, engine, survey.tried[allowed].source, bare(aim)) } else { None }
}

/// The flow of a source at an aim, if it gets through.
fn through(survey: &mut Survey, engine: &Engine<'_>, source: usize, aim: Aim) -> Option<TriedId> {
    if let Some(id) = survey.find(source, |other| *other == aim).next() {
        return matches!(survey.tried[id].end, Ending::Through { .. }).then_some(id);
    }
    let seen = survey.probe(engine, source, &aim);
    matches!(ending(&seen, true), Ending::Through { .. }).then(|| survey.add(source, aim, &seen))
}

fn is_of_workload(aim: &Aim) -> bool {
    aim.port.is_some() && matches!(aim.to, Destination::Service(..) | Destination::Pod(..))
}

/// A bare connection of the same source to another port of the same target, on which something answers, that is denied.
fn listed(survey: &Survey, inside: TriedId) -> Option<TriedId> {
    let aim = survey.aim(inside);
    let beside = |other: &Aim| {
        (&other.to, other.protocol) == (&aim.to, aim.protocol) && other.port != aim.port && is_bare(other)
    };
    let mut others = survey.find(survey.tried[inside].source, beside);
    others.find(|id| matches!(survey.tried[*id].end, Ending::Denied { at_lookup: false, .. }))
}

fn is_bare(aim: &Aim) -> bool {
    aim.request.is_none() && aim.tls.is_none()
}

/// A bare connection of the same source to the same port of a pod, past the Service, that gets through.
fn behind(survey: &mut Survey, engine: &Engine<'_>, inside: TriedId) -> Option<TriedId> {
    let (to, port) = pod_behind(engine.world(), survey.aim(inside))?;
    let aim = Aim { to, port: Some(port), ..bare(survey.aim(inside)) };
    through(survey, engine, survey.tried[inside].source, aim)
}

fn bare(aim: &Aim) -> Aim {
    Aim { request: None, tls: None, ..aim.clone() }
}

fn pod_behind(world: &World, aim: &Aim) -> Option<(Destination, u16)> {
    let dialled = aim.port?;
    match &aim.to {
        Destination::Service(namespace, name) => {
            let service = world.service(namespace, name)?;
            let pod = world.pod(*service.backends.first()?);
            let port = match &service.port(aim.protocol, dialled)?.target {
                TargetPort::Number(number) => *number,
                TargetPort::Name(wanted) => pod.ports.iter().find(|port| port.name.as_ref() == Some(wanted))?.number,
            };
            Some((Destination::Pod(pod.namespace.to_string(), pod.workload.to_string()), port))
        }
        to @ Destination::Pod(..) => Some((to.clone(), dialled)),
        Destination::Host(_)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => None,
    }
}

/// The nearest port that is denied: upwards from the one that is not, in growing steps and then by halves; downwards
/// where all above are open.
fn next_port(survey: &mut Survey, engine: &Engine<'_>, inside: TriedId) -> Option<TriedId> {
    let (source, aim) = (survey.tried[inside].source, survey.aim(inside).clone());
    if aim.protocol == Protocol::Icmp {
        return None;
    }
    let at = |port: u16| Aim { port: Some(port), ..bare(&aim) };
    let is_denied = |port: u16| {
        matches!(ending(&survey.probe(engine, source, &at(port)), true), Ending::Denied { at_lookup: false, .. })
    };
    let port = search(aim.port?, &is_denied)?;
    let seen = survey.probe(engine, source, &at(port));
    Some(survey.add(source, at(port), &seen))
}

fn search(open: u16, is_denied: &impl Fn(u16) -> bool) -> Option<u16> {
    let steps = || (0..16u32).map(|power| 1u16 << power);
    let up = steps().map_while(|step| open.checked_add(step)).find(|port| is_denied(*port));
    let far = up.or_else(|| {
        steps().map_while(|step| open.checked_sub(step)).filter(|port| *port > 0).find(|port| is_denied(*port))
    })?;
    let (mut open, mut denied) = (open, far);
    while open.abs_diff(denied) > 1 {
        let middle = open.midpoint(denied);
        if is_denied(middle) { denied = middle } else { open = middle }
    }
    Some(denied)
}

/// The same request with a path that is longer or shorter than what the rule takes, if it is denied.
fn other_path(survey: &mut Survey, engine: &Engine<'_>, allowed: TriedId) -> Option<TriedId> {
    let (source, aim) = (survey.tried[allowed].source, survey.aim(allowed).clone());
    let request = aim.request.clone()?;
    let path = request.path.split('?').next().filter(|path| path.len() > 1)?.trim_end_matches('/').to_owned();
    let parent = path.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
    let others = [format!("{path}/other"), format!("{path}-other"), parent.to_owned()];
    others.into_iter().find_map(|path| {
        let aim = Aim { request: Some(Request { path, ..request.clone() }), ..aim.clone() };
        at(survey, engine, source, aim)
    })
}

/// The flow of a source at an aim, if it is denied.
fn at(survey: &mut Survey, engine: &Engine<'_>, source: usize, aim: Aim) -> Option<TriedId> {
    if let Some(id) = survey.find(source, |other| *other == aim).next() {
        return matches!(survey.tried[id].end, Ending::Denied { .. }).then_some(id);
    }
    let seen = survey.probe(engine, source, &aim);
    matches!(ending(&seen, true), Ending::Denied { .. }).then(|| survey.add(source, aim, &seen))
}

/// The same flow to another address, if it is denied.
fn at_address(survey: &mut Survey, engine: &Engine<'_>, allowed: TriedId, address: IpAddr) -> Option<TriedId> {
    let (source, aim) = (survey.tried[allowed].source, survey.aim(allowed));
    if !matches!(aim.to, Destination::Address(_)) {
        return None;
    }
    let aim = Aim { to: Destination::Address(address), ..aim.clone() };
    at(survey, engine, source, aim)
}

/// Addresses of a range that the rule takes out of it.
fn within(range: &Range) -> Vec<IpAddr> {
    range.except.iter().map(first_host).collect()
}

/// The first address that a machine could have.
fn first_host(network: &IpNet) -> IpAddr {
    network.hosts().next().unwrap_or_else(|| network.network())
}

/// The addresses on both sides of a network.
fn beside(network: &IpNet) -> Vec<IpAddr> {
    let (below, above) = match network {
        IpNet::V4(network) => (
            u32::from(network.network()).checked_sub(1).map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
            u32::from(network.broadcast()).checked_add(1).map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        ),
        IpNet::V6(network) => (
            u128::from(network.network()).checked_sub(1).map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
            u128::from(network.broadcast()).checked_add(1).map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
        ),
    };
    above.into_iter().chain(below).collect()
}
