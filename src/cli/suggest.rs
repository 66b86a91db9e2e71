//! What was probably meant by a name or a port that is not there.

use airtight_manifest::{Diagnostic, ObjectRef, closest};
use airtight_model::path::{Destination, Flow, FlowError};
use airtight_model::world::{Protocol, Role, World};

use super::error::CliError;

/// How many names are listed where none is close.
const LISTED: usize = 4;

/// The error for a flow that does not fit the world, with what there is instead.
pub(super) fn instead(error: FlowError, flow: &Flow, world: &World, refused: &[Diagnostic]) -> CliError {
    let hint = missing(&error)
        .filter(|name| is_refused(name, refused))
        .map(|name| format!("{name} is written and would not be there: what stands above says why"));
    let hint = hint.or_else(|| match &error {
        FlowError::UnknownWorkload(namespace, name) => near(&joined(namespace, name), &workloads(world)),
        FlowError::UnknownService(namespace, name) => near(&joined(namespace, name), &services(world)),
        FlowError::UnknownGateway(namespace, name) => near(&joined(namespace, name), &gateways(world)),
        FlowError::UnknownNode(name) => near(name, &nodes(world)),
        FlowError::NoPort => ports(flow, world).map(|ports| format!("name one: {ports}")),
        FlowError::KubeletProbesPods | FlowError::NotAnAttempt(..) | FlowError::Unmet(_) => None,
    });
    match hint {
        Some(hint) => CliError::NoSuchEnd { error, hint },
        None => CliError::Flow(error),
    }
}

/// The end that a flow lacks.
fn missing(error: &FlowError) -> Option<String> {
    match error {
        FlowError::UnknownWorkload(namespace, name)
        | FlowError::UnknownService(namespace, name)
        | FlowError::UnknownGateway(namespace, name) => Some(joined(namespace, name)),
        FlowError::UnknownNode(_)
        | FlowError::NoPort
        | FlowError::KubeletProbesPods
        | FlowError::NotAnAttempt(..)
        | FlowError::Unmet(_) => None,
    }
}

/// Whether a finding is about an object of this name, or says it.
fn is_refused(name: &str, refused: &[Diagnostic]) -> bool {
    let about = |object: &ObjectRef| {
        name.split_once('/')
            .is_some_and(|(home, own)| object.namespace.as_deref() == Some(home) && &*object.name == own)
    };
    let says = |text: &str| text.split([' ', ',', ':', ';', '`']).any(|word| word == name);
    refused.iter().any(|finding| finding.about.iter().any(about) || says(&finding.message))
}

/// What to say of a port that nobody opens where others are open; none if there is nothing to say.
pub(super) fn other_ports(flow: &Flow, world: &World) -> Option<String> {
    let wanted = (flow.port?, flow.protocol);
    let open = open_ports(flow, world)?;
    let place = &flow.to;
    (!open.is_empty() && !open.contains(&wanted)).then(|| {
        let (port, protocol) = wanted;
        format!("{place} has no {protocol} port {port}; it has {}", listed(&open))
    })
}

/// The only port of a destination that was named without one.
pub(super) fn only_port(to: &Destination, protocol: Protocol, world: &World) -> Option<u16> {
    let ports = destination_ports(to, world)?;
    let mut fitting = ports.iter().filter(|(_, spoken)| *spoken == protocol).map(|(port, _)| *port);
    let only = fitting.next()?;
    fitting.next().is_none().then_some(only)
}

fn ports(flow: &Flow, world: &World) -> Option<String> {
    open_ports(flow, world).filter(|ports| !ports.is_empty()).map(|ports| listed(&ports))
}

fn open_ports(flow: &Flow, world: &World) -> Option<Vec<(u16, Protocol)>> {
    destination_ports(&flow.to, world)
}

/// The ports of a destination; none where nobody knows them all.
fn destination_ports(to: &Destination, world: &World) -> Option<Vec<(u16, Protocol)>> {
    match to {
        Destination::Service(namespace, name) | Destination::Gateway(namespace, name) => {
            let service = world.service(namespace, name)?;
            Some(service.ports.iter().map(|port| (port.port, port.protocol)).collect())
        }
        Destination::Pod(namespace, name) => {
            let pod = world.workload(namespace, name).next()?;
            Some(pod.ports.iter().map(|port| (port.number, port.protocol)).collect())
        }
        Destination::Host(name) => {
            let named = |known: &std::sync::Arc<str>| known.eq_ignore_ascii_case(name);
            let host = world.hosts.iter().find(|host| host.names.iter().any(named))?;
            Some(host.ports.iter().chain(&host.tls_ports).map(|port| (*port, Protocol::Tcp)).collect())
        }
        Destination::Address(_) | Destination::Node(_) | Destination::Name(_) | Destination::Object(_) => None,
    }
}

fn listed(ports: &[(u16, Protocol)]) -> String {
    ports.iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect::<Vec<_>>().join(", ")
}

/// What to say of a name of a namespace, or of one end of flows, that nothing has.
pub(super) fn unknown_name(name: &str, world: &World) -> Option<String> {
    let places = ["outside", "node"].map(str::to_owned).into_iter().chain(nodes(world));
    let hosts = world.hosts.iter().flat_map(|host| &host.names).map(ToString::to_string);
    let namespaces = world.namespaces.keys().map(ToString::to_string);
    let known = distinct(namespaces.chain(workloads(world)).chain(services(world)).chain(hosts).chain(places));
    let name = name.trim_end_matches("/*");
    (!known.iter().any(|known| known == name)).then(|| match near(name, &known) {
        Some(hint) => format!("nothing is called `{name}`: {hint}"),
        None => format!("nothing is called `{name}`"),
    })
}

fn near(name: &str, known: &[String]) -> Option<String> {
    if let Some(near) = closest(name, known.iter().map(String::as_str)) {
        return Some(format!("did you mean `{near}`?"));
    }
    let first: Vec<String> = known.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    (!first.is_empty())
        .then(|| format!("known are, among others: {}; `airtight list --workloads` shows all", first.join(", ")))
}

fn joined(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

fn workloads(world: &World) -> Vec<String> {
    distinct(world.pods.iter().map(|pod| joined(&pod.namespace, &pod.workload)))
}

fn services(world: &World) -> Vec<String> {
    distinct(world.services.iter().map(|service| joined(&service.namespace, &service.name)))
}

fn gateways(world: &World) -> Vec<String> {
    distinct(world.pods.iter().filter_map(|pod| match &pod.role {
        Role::Gateway((namespace, name)) => Some(joined(namespace, name)),
        Role::Waypoint(_) | Role::Workload => None,
    }))
}

fn nodes(world: &World) -> Vec<String> {
    world.nodes.iter().map(|node| node.name.to_string()).collect()
}

fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
