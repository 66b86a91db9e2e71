//! The way that the source's ztunnel picks (ztunnel `src/proxy/outbound.rs`, `build_request`).

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::istio::{Resolution, ServiceEntry};
use airtight_manifest::stack::at_least;
use airtight_manifest::{Object, RuleRef};

use super::upstream::{self, Upstream};
use crate::policy::waypoint::{Binding, Bindings};
use crate::policy::{Decision, Outcome, Reason};
use crate::world::{GatewayKey, Pod, PodId, Role, World};

/// What a captured connection aims at, as ztunnel sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboundTarget {
    /// A Service's virtual address.
    ServiceVip {
        /// Namespace of the Service.
        namespace: Arc<str>,
        /// Name of the Service.
        name: Arc<str>,
        /// The port that the client dials.
        port: u16,
    },
    /// A virtual address of a ServiceEntry: its own, or the one that istiod allocates.
    ServiceEntryVip {
        /// Namespace of the ServiceEntry.
        namespace: Arc<str>,
        /// Name of the ServiceEntry.
        name: Arc<str>,
        /// The host whose address it is.
        host: Arc<str>,
        /// The port that the client dials.
        port: u16,
    },
    /// A pod's own address (also what a headless Service's name resolves to).
    PodAddress(PodId, u16),
    /// Any other address.
    Unknown(IpAddr, u16),
}

/// Where ztunnel sends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Over HBONE to a waypoint, which picks the endpoint.
    Waypoint {
        /// The waypoint.
        key: GatewayKey,
        /// Its pods.
        pods: Vec<PodId>,
    },
    /// Straight to one of these endpoints.
    Direct(Vec<Upstream>),
    /// As it is: the mesh does not know the destination.
    Passthrough,
    /// Nowhere: the connection is closed.
    NoUpstream,
}

/// The way that the ztunnel of `source` picks for a TCP connection, and why.
#[must_use]
pub fn route(world: &World, bindings: &Bindings, source: PodId, target: &OutboundTarget) -> (Route, Decision) {
    let router = Router { world, bindings, source: world.pod(source) };
    if !router.source.enrolment.sends_through_ztunnel() {
        let detail = format!("{}/{} does not send through ztunnel", router.source.namespace, router.source.name);
        return (Route::Passthrough, Decision::allow(Reason::NotCaptured, detail));
    }
    match target {
        OutboundTarget::ServiceVip { namespace, name, port } => router.service(namespace, name, *port),
        OutboundTarget::ServiceEntryVip { namespace, name, host, port } => router.entry(namespace, name, host, *port),
        OutboundTarget::PodAddress(pod, port) => router.pod(*pod, *port),
        OutboundTarget::Unknown(address, port) => router.address(*address, *port),
    }
}

struct Router<'a> {
    world: &'a World,
    bindings: &'a Bindings,
    source: &'a Pod,
}

impl Router<'_> {
    fn service(&self, namespace: &str, name: &str, port: u16) -> (Route, Decision) {
        let shown = format!("Service {namespace}/{name}");
        if let Some(way) = self.through_waypoint(self.bindings.service(namespace, name), &shown) {
            return way;
        }
        let Some(service) = self.world.service(namespace, name) else { return no_upstream(&shown, port, Vec::new()) };
        match upstream::of_service(self.world, service, port) {
            upstreams if upstreams.is_empty() => no_upstream(&shown, port, vec![service.origin.clone()]),
            upstreams => direct(upstreams, &shown, self.bindings.service(namespace, name)),
        }
    }

    fn entry(&self, namespace: &str, name: &str, host: &str, port: u16) -> (Route, Decision) {
        let shown = format!("ServiceEntry {namespace}/{name}");
        let entries = &self.world.objects.service_entries;
        let found = entries.iter().find(|entry| entry.meta.namespace() == namespace && entry.meta.name() == name);
        let Some(entry) = found else { return no_upstream(&shown, port, Vec::new()) };
        let origin = vec![entry.meta.whole()];
        if !entry.meta.unmodelled.is_empty() {
            return (Route::NoUpstream, Decision::unknown(origin, format!("{shown} has fields that are not modelled")));
        }
        let binding = self.bindings.service_entry(namespace, name);
        if let Some(way) = self.through_waypoint(binding, &shown) {
            return way;
        }
        if let Some(way) = self.unresolved(entry, &shown, port) {
            return way;
        }
        match upstream::of_entry(self.world, entry, host, port) {
            upstreams if upstreams.is_empty() => no_upstream(&shown, port, origin),
            upstreams => direct(upstreams, &shown, binding),
        }
    }

    /// Resolution NONE is passed through since 1.28, DYNAMIC_DNS is for waypoints only.
    fn unresolved(&self, entry: &Object<ServiceEntry>, shown: &str, port: u16) -> Option<(Route, Decision)> {
        let origin = vec![entry.meta.whole()];
        match entry.body.spec.resolution {
            Resolution::None if at_least(&self.world.stack.versions.istio, 1, 28) => {
                let detail = format!("{shown} has resolution NONE: ztunnel dials the address that the client dialled");
                Some((Route::Passthrough, Decision::allow(Reason::Passthrough, detail).by(origin)))
            }
            Resolution::None | Resolution::DynamicDns => Some(no_upstream(shown, port, origin)),
            Resolution::Static | Resolution::Dns | Resolution::DnsRoundRobin => None,
        }
    }

    /// A pod's waypoint counts, those of its Services do not.
    fn pod(&self, pod: PodId, port: u16) -> (Route, Decision) {
        let target = self.world.pod(pod);
        let shown = format!("pod {}/{}", target.namespace, target.name);
        if pod == self.source.id {
            let detail = format!("{shown} dials its own address, which never leaves its network namespace");
            return (Route::Passthrough, Decision::allow(Reason::Loopback, detail));
        }
        if target.host_network {
            return passthrough(&shown);
        }
        let binding = self.bindings.pod(pod);
        match self.through_waypoint(binding, &shown) {
            Some(way) => way,
            None => direct(vec![upstream::pod(self.world, pod, port)], &shown, binding),
        }
    }

    fn address(&self, address: IpAddr, port: u16) -> (Route, Decision) {
        let pods = &self.world.pods;
        if let Some(pod) = pods.iter().find(|pod| !pod.host_network && pod.addresses.contains(&address)) {
            return self.pod(pod.id, port);
        }
        if let Some(service) = self.world.services.iter().find(|service| service.cluster_ips.contains(&address)) {
            return self.service(&service.namespace, &service.name, port);
        }
        let entries: Vec<RuleRef> = self.unmodelled("WorkloadEntry");
        if entries.is_empty() {
            return passthrough(&address.to_string());
        }
        let detail = format!("a WorkloadEntry, which is not modelled, could make {address} known to the mesh");
        (Route::Passthrough, Decision::unknown(entries, detail))
    }

    fn unmodelled(&self, kind: &str) -> Vec<RuleRef> {
        let unmodelled = &self.world.objects.unmodelled;
        unmodelled.iter().filter(|rule| &*rule.object.kind == kind).cloned().collect()
    }

    /// The way to the waypoint, unless there is none or the source is that waypoint.
    fn through_waypoint(&self, binding: &Binding, shown: &str) -> Option<(Route, Decision)> {
        let (key, rules) = match binding {
            Binding::Bound { gateway, rules } => (gateway, rules),
            Binding::None | Binding::Unset { .. } => return None,
            Binding::Unknown { rules, detail } => {
                return Some((Route::NoUpstream, Decision::unknown(rules.clone(), detail.clone())));
            }
        };
        if instance_of(self.source, key) {
            return None;
        }
        let pods: Vec<PodId> = self.world.pods.iter().filter(|pod| instance_of(pod, key)).map(|pod| pod.id).collect();
        let waypoint = format!("{}/{}", key.0, key.1);
        if pods.is_empty() {
            let detail = format!("{shown} is bound to waypoint {waypoint}, which has no endpoint");
            let decision = Decision::deny(Reason::WaypointUnavailable, Outcome::Reset, detail)
                .by(rules.clone())
                .logged(format!("connection failed error=\"unknown waypoint: waypoint {waypoint} not found\""));
            return Some((Route::NoUpstream, decision));
        }
        let detail = format!("{shown} is bound to waypoint {waypoint}");
        let decision = Decision::allow(Reason::ViaWaypoint, detail).by(rules.clone());
        Some((Route::Waypoint { key: key.clone(), pods }, decision))
    }
}

/// Whether a pod is an instance of a gateway.
pub(in crate::policy) fn instance_of(pod: &Pod, gateway: &GatewayKey) -> bool {
    match &pod.role {
        Role::Waypoint(key) | Role::Gateway(key) => key == gateway,
        Role::Workload => false,
    }
}

fn direct(upstreams: Vec<Upstream>, shown: &str, binding: &Binding) -> (Route, Decision) {
    let (detail, rules) = match binding {
        Binding::Unset { problem, gateway, rules } => (
            format!("{shown} names waypoint {}/{}, which {problem}: ztunnel goes straight to it", gateway.0, gateway.1),
            rules.clone(),
        ),
        Binding::None | Binding::Bound { .. } | Binding::Unknown { .. } => {
            (format!("ztunnel goes straight to {shown}"), Vec::new())
        }
    };
    (Route::Direct(upstreams), Decision::allow(Reason::Direct, detail).by(rules))
}

fn passthrough(shown: &str) -> (Route, Decision) {
    let detail = format!("the mesh does not know {shown}: ztunnel passes it through");
    (Route::Passthrough, Decision::allow(Reason::Passthrough, detail))
}

fn no_upstream(shown: &str, port: u16, rules: Vec<RuleRef>) -> (Route, Decision) {
    let decision = Decision::deny(
        Reason::NoHealthyUpstream,
        Outcome::Reset,
        format!("{shown} has no endpoint that listens behind port {port}"),
    )
    .by(rules)
    .logged(format!("connection failed error=\"no healthy upstream: {shown}:{port}\""));
    (Route::NoUpstream, decision)
}
