//! Journeys: how a peer's traffic gets to its target, hop by hop.

use std::collections::BTreeSet;

use super::branch::Branch;
use super::connection::{Connection, Relay};
use super::engine::Engine;
use super::hop::{check, hop};
use super::peer::Peer;
use super::target::{Target, representatives, service_port, sort, target_port};
use super::trace::{Answer, Check, Hop, Wire};
use crate::policy::ztunnel::{OutboundTarget, Route, Upstream, UpstreamAddress, route};
use crate::policy::{Checkpoint, Decision, Outcome, Reason};
use crate::world::{Endpoint, Enrolment, NodeId, Pod, Protocol, Role, Service};

impl<'w> Engine<'w> {
    /// Every branch from `from` to `to`.
    pub(super) fn send(&self, from: &Peer<'w>, to: &Target<'w>, connection: &Connection) -> Vec<Branch> {
        let enrolment = from.pod.map_or(Enrolment::None, |pod| pod.enrolment);
        match (enrolment, from.pod) {
            (Enrolment::Ambient | Enrolment::AmbientOutbound, Some(pod)) if connection.protocol == Protocol::Tcp => {
                self.send_through_ztunnel(from, pod, to, connection)
            }
            (Enrolment::Native | Enrolment::NativeOutbound | Enrolment::Sidecar, Some(_))
                if connection.protocol == Protocol::Tcp =>
            {
                self.send_itself(from, to, connection, true)
            }
            _ => self.send_itself(from, to, connection, false),
        }
    }

    /// The source's ztunnel picks the way (ztunnel `src/proxy/outbound.rs`).
    fn send_through_ztunnel(
        &self,
        from: &Peer<'w>,
        pod: &'w Pod,
        to: &Target<'w>,
        connection: &Connection,
    ) -> Vec<Branch> {
        let claimed = self.claimed(pod, to);
        let to = claimed.as_ref().unwrap_or(to);
        let Some(target) = outbound_target(to) else { return self.send_itself(from, to, connection, false) };
        let relay = if connection.relay == Relay::Client { Relay::Ztunnel } else { connection.relay };
        let connection = connection.relayed(relay);
        let (way, decision) = route(self.world, &self.bindings, pod.id, &target);
        let picked = check(Checkpoint::ZtunnelOutbound, decision);
        match way {
            Route::Waypoint { key, .. } => self.through_waypoint(from, &key, to, &connection, picked),
            Route::Direct(upstreams) => prefixed(self.to_upstreams(from, &upstreams, &connection), &picked),
            Route::Passthrough => prefixed(self.send_itself(from, to, &connection, false), &picked),
            Route::NoUpstream => vec![self.nowhere(from, to, picked, &connection)],
        }
    }

    /// One endpoint of each kind: replicas of a workload are treated alike.
    fn to_upstreams(&self, from: &Peer<'w>, upstreams: &[Upstream], connection: &Connection) -> Vec<Branch> {
        let mut seen = BTreeSet::new();
        let mut branches = Vec::new();
        for upstream in upstreams {
            match &upstream.to {
                UpstreamAddress::Pod(id) => {
                    let pod = self.world.pod(*id);
                    if seen.insert((sort(pod, from.endpoint), upstream.port)) {
                        branches.extend(self.deliver(from, pod, Some(upstream.port), upstream.hbone, connection));
                    }
                }
                UpstreamAddress::Address(address) => {
                    branches.extend(self.send_itself(
                        from,
                        &Target::at(self.world, *address, Some(upstream.port)),
                        connection,
                        false,
                    ));
                }
                // ztunnel resolves it from its own network namespace: the CNI learns nothing for the pod.
                UpstreamAddress::Name(name) => {
                    branches.extend(self.send_itself(
                        from,
                        &self.external_named(name, Some(upstream.port)),
                        connection,
                        false,
                    ));
                }
            }
        }
        branches
    }

    fn nowhere(&self, from: &Peer<'w>, to: &Target<'w>, picked: Check, connection: &Connection) -> Branch {
        let (label, port) = describe(self.world, to);
        let end = Peer { label, ..from.clone() };
        let wire = Wire::Plain { protocol: connection.protocol, port };
        Branch::ending(vec![hop(from, &end, wire, vec![picked], connection)], connection.success())
    }

    /// Without ztunnel: the kernel's (or the proxy's own) load balancing, and straight to the pod.
    fn send_itself(
        &self,
        from: &Peer<'w>,
        to: &Target<'w>,
        connection: &Connection,
        speaks_hbone: bool,
    ) -> Vec<Branch> {
        match to {
            Target::Service(service, port) => self.to_service(from, service, *port, connection, speaks_hbone),
            Target::Pod(pod, port) => self.deliver(from, pod, *port, speaks_hbone && takes_hbone(pod), connection),
            Target::Node(node, port) => self.to_node(from, *node, *port, connection),
            Target::External { address, host, name, port } => {
                let peer = match host {
                    Some(id) => Peer::host(self.world, *id, *address, name.as_deref()),
                    None => {
                        Peer { label: name.clone().unwrap_or_else(|| address.to_string()), ..Peer::address(*address) }
                    }
                };
                vec![self.outside(from, &peer, *host, *port, connection)]
            }
            // Without ztunnel nobody knows the address that the mesh made up.
            Target::ServiceEntry { host, port, .. } => {
                let target = self.external_named(host, Some(*port));
                match target {
                    Target::ServiceEntry { .. } => Vec::new(),
                    found => self.send_itself(from, &found, connection, speaks_hbone),
                }
            }
        }
    }

    fn to_service(
        &self,
        from: &Peer<'w>,
        service: &'w Service,
        port: u16,
        connection: &Connection,
        speaks_hbone: bool,
    ) -> Vec<Branch> {
        let Some(entry) = service_port(service, connection.protocol, port) else {
            let why =
                format!("Service {}/{} has no {} port {port}", service.namespace, service.name, connection.protocol);
            return vec![Self::no_backend(from, service, port, Outcome::Timeout, why, connection)];
        };
        let pods = representatives(self.world, service, from.endpoint);
        if pods.is_empty() && service.external_endpoints.is_empty() {
            let why = format!("Service {}/{} has no backend", service.namespace, service.name);
            return vec![Self::no_backend(from, service, port, Outcome::Refused, why, connection)];
        }
        let inside = pods.into_iter().flat_map(|pod| {
            let port = target_port(entry, pod);
            self.deliver(from, pod, port, speaks_hbone && takes_hbone(pod), connection)
        });
        let outside = service.external_endpoints.iter().map(|address| {
            let host = super::target::host_at(self.world, *address);
            let peer = host.map_or_else(|| Peer::address(*address), |id| Peer::host(self.world, id, *address, None));
            self.outside(from, &peer, host, Some(port), connection)
        });
        inside.chain(outside).collect()
    }

    fn no_backend(
        from: &Peer<'w>,
        service: &Service,
        port: u16,
        symptom: Outcome,
        why: String,
        connection: &Connection,
    ) -> Branch {
        let decision = Decision::deny(Reason::NoHealthyUpstream, symptom, why).by(vec![service.origin.clone()]);
        let end = Peer { label: format!("{}/{}", service.namespace, service.name), ..from.clone() };
        let wire = Wire::Plain { protocol: connection.protocol, port: Some(port) };
        let checks = vec![check(Checkpoint::Application, decision)];
        Branch::ending(vec![hop(from, &end, wire, checks, connection)], connection.success())
    }

    /// The last leg to a pod: CNI, its ztunnel, and whatever the pod is.
    pub(super) fn deliver(
        &self,
        from: &Peer<'w>,
        pod: &'w Pod,
        port: Option<u16>,
        hbone: bool,
        connection: &Connection,
    ) -> Vec<Branch> {
        let wire = match (hbone, port) {
            (true, Some(inner)) => Wire::Hbone { inner },
            _ => Wire::Plain { protocol: connection.protocol, port },
        };
        let from = &self.as_seen_by(from, pod);
        let to = Peer::pod(pod);
        let mut checks = self.cni_checks(from, &to, wire, connection);
        checks.extend(self.ztunnel_check(from, pod, wire, port));
        self.arrive(from, pod, port, wire, checks, connection)
    }

    /// istio-cni rewrites the source of every socket in the host's network namespace that dials an
    /// enrolled pod of the same node (Istio `cni/README.md`); with nftables only the kubelet's.
    fn as_seen_by(&self, from: &Peer<'w>, pod: &Pod) -> Peer<'w> {
        let local = match from.endpoint {
            Endpoint::Node(node) => node == pod.node,
            Endpoint::HostNetworkPod(id) => self.world.pod(id).node == pod.node,
            Endpoint::Pod(_) | Endpoint::ProbeAddress(_) | Endpoint::Host(_, _) | Endpoint::Address(_) => false,
        };
        let enrolled = matches!(pod.enrolment, Enrolment::Ambient | Enrolment::AmbientOutbound);
        if local && enrolled && !self.world.stack.istio.native_nftables {
            return Peer { label: format!("{} (as 169.254.7.127)", from.label), ..Peer::probe_address(pod.node) };
        }
        from.clone()
    }

    fn arrive(
        &self,
        from: &Peer<'w>,
        pod: &'w Pod,
        port: Option<u16>,
        wire: Wire,
        mut checks: Vec<Check>,
        connection: &Connection,
    ) -> Vec<Branch> {
        let to = Peer::pod(pod);
        checks.push(self.application_check(pod, connection.protocol, port));
        match (&pod.role, port) {
            (Role::Gateway(key), Some(port)) if connection.protocol == Protocol::Tcp => {
                self.at_gateway(from, &to, key, port, wire, checks, connection)
            }
            (Role::Gateway(_) | Role::Workload | Role::Waypoint(_), _) => {
                let leg = hop(from, &to, wire, checks, connection);
                let answer = Answer { by: to.label, request: connection.request.clone(), admitted: None };
                vec![Branch { hops: vec![leg], success: connection.success(), answer: Some(answer) }]
            }
        }
    }

    /// A process on a node, or a NodePort.
    fn to_node(&self, from: &Peer<'w>, node: NodeId, port: Option<u16>, connection: &Connection) -> Vec<Branch> {
        let to = Peer::node(self.world, node);
        let wire = Wire::Plain { protocol: connection.protocol, port };
        if let Some((service, entry)) = port.and_then(|port| self.node_port(connection.protocol, port)) {
            return self.through_node_port(from, &to, wire, service, entry.port, connection);
        }
        let mut checks = self.cni_checks(from, &to, wire, connection);
        checks.push(self.node_check(node, connection.protocol, port));
        let leg = hop(from, &to, wire, checks, connection);
        let answer = Answer { by: to.label, request: connection.request.clone(), admitted: None };
        vec![Branch { hops: vec![leg], success: connection.success(), answer: Some(answer) }]
    }

    /// Up to Cilium 1.19 the policy of a pod that dials a NodePort sees the node; from 1.20 on it is
    /// translated at the source (Cilium upgrade notes, "NodePort").
    fn through_node_port(
        &self,
        from: &Peer<'w>,
        node: &Peer<'w>,
        wire: Wire,
        service: &'w Service,
        port: u16,
        connection: &Connection,
    ) -> Vec<Branch> {
        let translated = airtight_manifest::stack::at_least(&self.world.stack.versions.cilium, 1, 20);
        if from.pod.is_none() || translated {
            return self.to_service(from, service, port, connection, false);
        }
        let first = self
            .cni_checks(from, node, wire, connection)
            .into_iter()
            .filter(|check| check.checkpoint == Checkpoint::CniEgress);
        let leg = hop(from, node, wire, first.collect(), connection);
        self.to_service(node, service, port, connection, false)
            .into_iter()
            .map(|branch| branch.after(std::slice::from_ref(&leg)))
            .collect()
    }

    fn node_port(&self, protocol: Protocol, port: u16) -> Option<(&'w Service, &'w crate::world::ServicePort)> {
        self.world.services.iter().find_map(|service| {
            let entry =
                service.ports.iter().find(|entry| entry.node_port == Some(port) && entry.protocol == protocol)?;
            Some((service, entry))
        })
    }

    fn node_check(&self, node: NodeId, protocol: Protocol, port: Option<u16>) -> Check {
        let name = &self.world.node(node).name;
        let api_server = self.world.node(node).control_plane && port == Some(6443);
        // Every node runs a kubelet; host-network pods listen in its name.
        let pods = self.world.pods.iter().filter(|pod| pod.host_network && pod.node == node);
        let listens = api_server
            || port.is_none_or(|port| port == 10250)
            || pods.flat_map(|pod| &pod.ports).any(|entry| Some(entry.number) == port && entry.protocol == protocol);
        let decision = if listens {
            Decision::allow(Reason::Listening, format!("node {name} listens"))
        } else {
            Decision::deny(Reason::NotListening, Outcome::Refused, format!("nothing on node {name} listens there"))
        };
        check(Checkpoint::Application, decision)
    }

    /// A host outside the cluster.
    pub(super) fn outside(
        &self,
        from: &Peer<'w>,
        to: &Peer<'w>,
        host: Option<crate::world::HostId>,
        port: Option<u16>,
        connection: &Connection,
    ) -> Branch {
        let wire = Wire::Plain { protocol: connection.protocol, port };
        let mut checks = self.cni_checks(from, to, wire, connection);
        checks.push(match host {
            Some(id) => self.host_check(id, connection, port),
            None => check(
                Checkpoint::Application,
                Decision::deny(
                    Reason::NotListening,
                    Outcome::Timeout,
                    format!("no host has the address {}", to.address),
                ),
            ),
        });
        let answer = Answer { by: to.label.clone(), request: connection.request.clone(), admitted: None };
        Branch {
            hops: vec![hop(from, to, wire, checks, connection)],
            success: connection.success(),
            answer: Some(answer),
        }
    }
}

fn takes_hbone(pod: &Pod) -> bool {
    pod.enrolment.accepts_hbone()
}

fn outbound_target(to: &Target<'_>) -> Option<OutboundTarget> {
    match to {
        Target::Service(service, port) => Some(OutboundTarget::ServiceVip {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
            port: *port,
        }),
        Target::ServiceEntry { namespace, name, host, port } => Some(OutboundTarget::ServiceEntryVip {
            namespace: namespace.as_str().into(),
            name: name.as_str().into(),
            host: host.as_str().into(),
            port: *port,
        }),
        Target::Pod(pod, Some(port)) => Some(OutboundTarget::PodAddress(pod.id, *port)),
        Target::External { address, port: Some(port), .. } => Some(OutboundTarget::Unknown(*address, *port)),
        Target::Pod(_, None) | Target::Node(_, _) | Target::External { port: None, .. } => None,
    }
}

/// The choice that ztunnel made belongs to the first hop that follows from it.
fn prefixed(branches: Vec<Branch>, picked: &Check) -> Vec<Branch> {
    branches
        .into_iter()
        .map(|mut branch| {
            if let Some(Hop { checkpoints, .. }) = branch.hops.first_mut() {
                checkpoints.insert(0, picked.clone());
            }
            branch
        })
        .collect()
}

fn describe(world: &crate::world::World, to: &Target<'_>) -> (String, Option<u16>) {
    match to {
        Target::Service(service, port) => (format!("{}/{}", service.namespace, service.name), Some(*port)),
        Target::Pod(pod, port) => (format!("{}/{}", pod.namespace, pod.workload), *port),
        Target::ServiceEntry { host, port, .. } => (host.clone(), Some(*port)),
        Target::Node(node, port) => (format!("node/{}", world.node(*node).name), *port),
        Target::External { address, name, port, .. } => (name.clone().unwrap_or_else(|| address.to_string()), *port),
    }
}
