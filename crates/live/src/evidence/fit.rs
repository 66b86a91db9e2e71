//! Which record tells of which flow.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use airtight_model::policy::Checkpoint;
use airtight_model::world::Protocol;

use super::attempt::Attempt;
use super::hubble::plain_name;
use super::record::{Client, HBONE, Record, SeenRequest, Span};
use super::ways::Ways;
use super::ztunnel::is_tunnelled;

/// How surely a record tells of a flow. A stronger fit to one flow outweighs weaker ones to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Strength {
    /// Both ends and the time agree.
    Ends,
    /// Both ends, the time and the request agree.
    Request,
    /// The client's port or the flow's own mark agree too.
    Exact,
}

/// One stretch of a flow's way: from the client to the first proxy or to the end, or from one proxy on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leg {
    /// Which flow; none for traffic of others that a proxy tells of.
    pub(super) owner: Option<usize>,
    /// Whether the flow's client opened it.
    pub(super) is_first: bool,
    client: Client,
    captured: bool,
    protocol: Protocol,
    targets: BTreeSet<SocketAddr>,
    tunnel: Option<SocketAddr>,
    tunnels: BTreeSet<IpAddr>,
    resolvers: BTreeSet<SocketAddr>,
    names: BTreeSet<String>,
    request: Option<(String, String)>,
    mark: Option<String>,
    span: Span,
}

impl Leg {
    /// The way from the client on.
    pub(super) fn first(owner: usize, attempt: &Attempt, ways: &Ways, slack: i64) -> Self {
        Self {
            owner: Some(owner),
            is_first: true,
            client: Client { ip: attempt.ip, port: attempt.port },
            captured: attempt.captured,
            protocol: attempt.protocol,
            targets: attempt.to.map(|to| ways.targets(to)).unwrap_or_default(),
            tunnel: attempt.tunnel,
            tunnels: attempt.to.map(|to| ways.tunnels(to)).unwrap_or_default(),
            resolvers: attempt.resolvers.iter().flat_map(|resolver| ways.targets(*resolver)).collect(),
            names: attempt.names.iter().map(|name| plain_name(name)).collect(),
            request: attempt.request.clone(),
            mark: attempt.mark.clone(),
            span: attempt.span.widened(slack),
        }
    }

    /// The way from a proxy on, as the proxy's record tells it. `before` is the leg that led to the proxy; none for
    /// traffic of others.
    pub(super) fn behind(record: &Record, before: Option<&Self>, slack: i64) -> Option<Self> {
        let (proxy, upstream) = (record.proxy?, record.upstream?);
        let seen = record.request.as_ref().map(|request| (request.method.clone(), request.path.clone()));
        Some(Self {
            owner: before.and_then(|leg| leg.owner),
            is_first: false,
            client: Client { ip: proxy, port: None },
            // A proxy may speak HBONE or not.
            captured: true,
            protocol: Protocol::Tcp,
            targets: BTreeSet::from([upstream]),
            tunnel: None,
            tunnels: BTreeSet::from([upstream.ip()]),
            resolvers: BTreeSet::new(),
            names: BTreeSet::new(),
            request: before.map_or(seen, |leg| leg.request.clone()),
            mark: before.and_then(|leg| leg.mark.clone()),
            span: record.span.widened(slack),
        })
    }

    /// Whether the record tells of this leg, and how surely.
    pub(super) fn fits(&self, record: &Record) -> Option<Strength> {
        if !self.span.contains(record.span.from) {
            return None;
        }
        match record.checkpoint {
            Checkpoint::DnsProxy => self.fits_lookup(record),
            Checkpoint::CniEgress | Checkpoint::CniIngress => self.fits_packet(record),
            Checkpoint::ZtunnelOutbound => self.fits_outbound(record),
            Checkpoint::ZtunnelInbound => self.fits_inbound(record),
            Checkpoint::Waypoint | Checkpoint::Gateway => self.fits_proxied(record),
            Checkpoint::Admission | Checkpoint::Application => None,
        }
    }

    /// The address of whoever opened it.
    pub(super) fn client_ip(&self) -> IpAddr {
        self.client.ip
    }

    fn is_from(&self, record: &Record) -> bool {
        record.client.is_some_and(|client| client.ip == self.client.ip)
    }

    fn fits_lookup(&self, record: &Record) -> Option<Strength> {
        let name = record.name.as_ref()?;
        (self.is_from(record) && self.names.contains(name)).then_some(Strength::Request)
    }

    fn fits_packet(&self, record: &Record) -> Option<Strength> {
        let wire = record.wire?;
        if !self.is_from(record) {
            return None;
        }
        if self.asks(record) {
            return Some(Strength::Ends);
        }
        if record.protocol.is_some_and(|protocol| protocol != self.protocol) {
            return None;
        }
        if let Some(tunnel) = self.tunnel {
            return if wire == tunnel { self.by_port(record) } else { None };
        }
        if self.captured && wire.port() == HBONE && self.tunnels.contains(&wire.ip()) {
            return Some(Strength::Ends);
        }
        let is_target = match self.protocol {
            Protocol::Icmp => self.targets.iter().any(|target| target.ip() == wire.ip()),
            Protocol::Tcp | Protocol::Udp | Protocol::Sctp => self.targets.contains(&wire),
        };
        if !is_target {
            return None;
        }
        let by_ends = self.by_port(record)?;
        match &record.request {
            None => Some(by_ends),
            Some(request) => self.by_request(request).map(|by_request| by_request.max(by_ends)),
        }
    }

    /// Whether the record is of a DNS query that the flow made to find its way, and not of the flow itself.
    pub(super) fn asks(&self, record: &Record) -> bool {
        let is_query = matches!(record.protocol, Some(Protocol::Udp | Protocol::Tcp));
        is_query && record.wire.is_some_and(|wire| self.resolvers.contains(&wire) && !self.targets.contains(&wire))
    }

    /// ztunnel dials anew from a port of its own, so that only the port of a client that it does not capture tells.
    fn by_port(&self, record: &Record) -> Option<Strength> {
        let seen = record.client.and_then(|client| client.port);
        match (self.client.port, seen) {
            _ if self.captured => Some(Strength::Ends),
            (Some(own), Some(seen)) => (own == seen).then_some(Strength::Exact),
            (None, _) | (_, None) => Some(Strength::Ends),
        }
    }

    /// A mark that the record could show and does not is another's.
    fn by_request(&self, seen: &SeenRequest) -> Option<Strength> {
        let (method, path) = self.request.as_ref()?;
        if let Some(mark) = &self.mark {
            let shown = [&seen.id, &seen.user_agent].into_iter().flatten();
            if shown.clone().any(|shown| shown.contains(mark.as_str())) {
                return Some(Strength::Exact);
            }
            if seen.user_agent.is_some() && seen.id.is_some() {
                return None;
            }
        }
        (*method == seen.method && *path == seen.path).then_some(Strength::Request)
    }

    /// The source's ztunnel sees the client's own port.
    fn fits_outbound(&self, record: &Record) -> Option<Strength> {
        let (client, wire) = (record.client?, record.wire?);
        let tunnelled = wire.port() == HBONE && self.tunnels.contains(&wire.ip());
        let leads_there = match record.inner {
            Some(inner) => self.targets.contains(&inner),
            None => self.targets.contains(&wire) || tunnelled,
        };
        if !self.captured || client.ip != self.client.ip || self.protocol != Protocol::Tcp || !leads_there {
            return None;
        }
        match (self.client.port, client.port) {
            (Some(own), Some(seen)) => (own == seen).then_some(Strength::Exact),
            (None, _) | (_, None) => Some(Strength::Ends),
        }
    }

    /// HBONE connections are shared, so that their ports tell nothing.
    fn fits_inbound(&self, record: &Record) -> Option<Strength> {
        let wire = record.wire?;
        if !self.is_from(record) || self.protocol != Protocol::Tcp {
            return None;
        }
        if is_tunnelled(record) {
            let there =
                record.inner.map_or_else(|| self.tunnels.contains(&wire.ip()), |inner| self.targets.contains(&inner));
            return match self.tunnel {
                Some(tunnel) if there && wire == tunnel => self.by_port(record),
                Some(_) => None,
                None => (self.captured && there).then_some(Strength::Ends),
            };
        }
        self.targets.contains(&wire).then(|| self.by_port(record)).flatten()
    }

    fn fits_proxied(&self, record: &Record) -> Option<Strength> {
        let by_request = match &record.request {
            Some(request) => Some(self.by_request(request)?),
            None => None,
        };
        if by_request == Some(Strength::Exact) {
            return by_request;
        }
        let there = record.wire.is_none_or(|wire| self.targets.contains(&wire));
        if !self.is_from(record) || (self.is_first && !there) {
            return None;
        }
        // A waypoint sees the port of the tunnel, a gateway that of the client unless ztunnel stands between.
        let by_ends = match record.checkpoint {
            Checkpoint::Gateway => self.by_port(record)?,
            Checkpoint::Waypoint
            | Checkpoint::Admission
            | Checkpoint::DnsProxy
            | Checkpoint::ZtunnelOutbound
            | Checkpoint::CniEgress
            | Checkpoint::CniIngress
            | Checkpoint::ZtunnelInbound
            | Checkpoint::Application => Strength::Ends,
        };
        Some(by_request.map_or(by_ends, |by_request| by_request.max(by_ends)))
    }
}
