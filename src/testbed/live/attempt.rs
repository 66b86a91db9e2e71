//! Flows as the probe dials them.

use airtight_probe::wire;

use super::cluster::Container;
use super::places::{Missing, Places};
use crate::path::{Destination, Flow, Source};
use crate::policy::Request;
use crate::world::Protocol;

/// A flow with its places: from where, and what is tried there.
pub(super) struct Attempt {
    pub(super) from: Container,
    pub(super) what: wire::Attempt,
}

/// The attempt of a flow, or why there is none.
pub(super) fn attempt(flow: &Flow, places: &Places) -> Result<Attempt, Missing> {
    let from = source(&flow.from, places)?;
    if !flow.after.is_empty() {
        return Err(Missing::Never("refused: objects are not changed before a flow here".to_owned()));
    }
    let host = host(&flow.to, places)?;
    let what = match (&flow.to, flow.protocol) {
        (Destination::Name(name), protocol) => lookup(name, protocol)?,
        (_, Protocol::Tcp) => over_tcp(flow, target(flow, host)?)?,
        (_, Protocol::Udp) => wire::Attempt::Udp(exchange(target(flow, host)?)),
        (_, protocol @ (Protocol::Sctp | Protocol::Icmp)) => return Err(no_protocol(protocol)),
    };
    Ok(Attempt { from: from.clone(), what })
}

fn source<'p>(from: &Source, places: &'p Places) -> Result<&'p Container, Missing> {
    let never = |why: &str| Err(Missing::Never(format!("refused: {why}")));
    match from {
        Source::Workload(namespace, name) => places.probe(namespace, name),
        Source::Outside => never("no probe stands outside the cluster"),
        Source::Node(name) => never(&format!("no probe runs on node {name} itself")),
        Source::Kubelet => never("the kubelet dials nobody on demand"),
        Source::User(user) => never(&format!("requests to the API server are not made as {user}")),
    }
}

fn host(to: &Destination, places: &Places) -> Result<String, Missing> {
    match to {
        Destination::Service(namespace, name) => Ok(format!("{name}.{namespace}.svc.cluster.local")),
        Destination::Pod(namespace, name) => places.pod_address(namespace, name).map(|address| address.to_string()),
        Destination::Host(name) | Destination::Name(name) => Ok(name.clone()),
        Destination::Address(address) => Ok(address.to_string()),
        Destination::Gateway(namespace, name) => places.gateway(namespace, name).map(str::to_owned),
        Destination::Node(name) => places.node(name).map(|address| address.to_string()),
        Destination::Object(change) => Err(Missing::Never(format!("refused: {change} is no flow of a pod"))),
    }
}

fn target(flow: &Flow, host: String) -> Result<wire::Target, Missing> {
    let port = flow.port.ok_or_else(|| Missing::Never(format!("refused: {flow} names no port")))?;
    Ok(wire::Target { host, port, family: wire::Family::Any })
}

fn exchange(to: wire::Target) -> wire::Exchange {
    wire::Exchange { to, say: wire::Say::Nonce }
}

/// The search list of the pod applies, as it would to any other client in it.
fn lookup(name: &str, protocol: Protocol) -> Result<wire::Attempt, Missing> {
    match protocol {
        Protocol::Udp => Ok(wire::Attempt::Lookup(wire::Lookups { name: name.to_owned(), family: wire::Family::Any })),
        Protocol::Tcp => Err(Missing::Never("refused: the probe asks over UDP first, as resolvers do".to_owned())),
        Protocol::Sctp | Protocol::Icmp => Err(no_protocol(protocol)),
    }
}

fn no_protocol(protocol: Protocol) -> Missing {
    Missing::Never(format!("refused: the probe does not speak {protocol}"))
}

fn over_tcp(flow: &Flow, to: wire::Target) -> Result<wire::Attempt, Missing> {
    // Whom a client trusts is not what a policy decides: the server's own certificate is not verified.
    let tls = flow.tls.as_ref().map(|name| wire::Tls { server_name: Some(name.clone()), ..wire::Tls::default() });
    Ok(match (&flow.request, tls) {
        (Some(asked), tls) => wire::Attempt::Http(wire::HttpExchange { to, tls, request: request(asked)? }),
        (None, Some(tls)) => wire::Attempt::Tls(wire::TlsExchange { to, tls, say: None }),
        (None, None) => wire::Attempt::Tcp(exchange(to)),
    })
}

fn request(asked: &Request) -> Result<wire::Request, Missing> {
    let Request { method, path, host, headers, token } = asked;
    if let Some(token) = token {
        return Err(Missing::Never(format!("refused: no token of {} can be had", token.issuer)));
    }
    Ok(wire::Request {
        method: method.clone(),
        path: path.clone(),
        host: Some(host.clone()),
        headers: headers.clone(),
        ..wire::Request::default()
    })
}
