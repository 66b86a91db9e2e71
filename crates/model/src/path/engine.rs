//! The engine: a world's policies compiled, and the trace of any flow through them.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::gateway_api::FromNamespaces;
use airtight_manifest::{Diagnostic, ObjectRef};

use super::attempt::attempt;
use super::branch::{Branch, combine};
use super::connection::{Connection, Relay};
use super::doubt::admit_doubt;
use super::flow::{Destination, Flow, Source};
use super::peer::Peer;
use super::target::{Target, host_named, sort};
use super::trace::Trace;
use crate::policy::cni::CniPolicy;
use crate::policy::gateway::GatewayPolicy;
use crate::policy::waypoint::{
    AllowedNamespaces, Bindings, WaypointFor, WaypointGateway, WaypointPolicy, dns_captured,
};
use crate::policy::ztunnel::ZtunnelPolicy;
use crate::policy::{waypoint, ztunnel};
use crate::world::{Enrolment, NodeId, Pod, Unmet, World};

/// Kinds that only the CNI's policies are made of.
const CNI_KINDS: &[&str] = &[
    "NetworkPolicy",
    "CiliumNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "CiliumCIDRGroup",
    "ClusterNetworkPolicy",
];

/// All policies of a world, compiled.
#[derive(Debug)]
pub struct Engine<'w> {
    pub(super) world: &'w World,
    pub(super) cni: Arc<CniPolicy>,
    pub(super) ztunnel: Arc<ZtunnelPolicy>,
    pub(super) waypoints: Arc<WaypointPolicy>,
    pub(super) waypoint_gateways: Arc<[WaypointGateway]>,
    pub(super) bindings: Arc<Bindings>,
    pub(super) gateways: Arc<GatewayPolicy>,
}

/// A flow that does not fit the world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// No such workload.
    #[error("there is no workload {0}/{1}")]
    UnknownWorkload(String, String),
    /// No such Service.
    #[error("there is no Service {0}/{1}")]
    UnknownService(String, String),
    /// No such Gateway, or no controller made a proxy for it.
    #[error("there is no Gateway {0}/{1} with a proxy")]
    UnknownGateway(String, String),
    /// No such node.
    #[error("there is no node {0}")]
    UnknownNode(String),
    /// The kubelet probes pods only.
    #[error("the kubelet probes pods; the destination must be one")]
    KubeletProbesPods,
    /// A TCP or UDP flow without a port.
    #[error("this flow needs a port")]
    NoPort,
    /// Users attempt to change objects, and only they do.
    #[error("users change objects, and workloads do not: {0} cannot aim at {1}")]
    NotAnAttempt(String, String),
    /// What was to happen before the flow did not.
    #[error(transparent)]
    Unmet(#[from] Unmet),
}

impl<'w> Engine<'w> {
    /// Compiles the policies of `world`.
    #[must_use]
    pub fn compile(world: &'w World) -> Self {
        Self::beside(Arc::new(CniPolicy::compile(world)), world)
    }

    /// The engine of `world`, which differs from this engine's own by the removal of `object` and by nothing else
    /// (see [`World::without`]): of the CNI's policies and all others only those are compiled anew that the object
    /// belongs to, since neither side reads what the other is made of.
    #[must_use]
    pub fn without<'v>(&self, world: &'v World, object: &ObjectRef) -> Engine<'v> {
        if !CNI_KINDS.contains(&&*object.kind) {
            return Engine::beside(Arc::clone(&self.cni), world);
        }
        Engine {
            world,
            cni: Arc::new(CniPolicy::compile(world)),
            ztunnel: Arc::clone(&self.ztunnel),
            waypoints: Arc::clone(&self.waypoints),
            waypoint_gateways: Arc::clone(&self.waypoint_gateways),
            bindings: Arc::clone(&self.bindings),
            gateways: Arc::clone(&self.gateways),
        }
    }

    /// Compiles the policies of the mesh and of the gateways.
    fn beside(cni: Arc<CniPolicy>, world: &'w World) -> Self {
        let waypoint_gateways = waypoint_gateways(world);
        let bindings = Bindings::compile(world, &waypoint_gateways);
        Self {
            world,
            cni,
            ztunnel: Arc::new(ZtunnelPolicy::compile(world, &bindings)),
            waypoints: Arc::new(WaypointPolicy::compile(world)),
            waypoint_gateways: waypoint_gateways.into(),
            bindings: Arc::new(bindings),
            gateways: Arc::new(GatewayPolicy::compile(world)),
        }
    }

    /// The world that was compiled.
    #[must_use]
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// What is wrong with policies that the API server accepts and that do nothing, or less than they say.
    #[must_use]
    pub fn findings(&self) -> Vec<Diagnostic> {
        let mut findings = self.cni.findings().to_vec();
        findings.extend(self.cni.lint(self.world));
        findings.extend(self.gateways.findings());
        findings.extend(ztunnel::lint(self.world));
        findings.extend(waypoint::lint(self.world, &self.bindings, &self.waypoint_gateways));
        findings
    }

    /// The trace of a flow.
    ///
    /// # Errors
    /// When the flow names what the world does not have.
    pub fn trace(&self, flow: &Flow) -> Result<Trace, FlowError> {
        if !flow.after.is_empty() {
            return self.trace_after(flow);
        }
        if let (Source::User(user), Destination::Object(change)) = (&flow.from, &flow.to) {
            return Ok(attempt(self.world, flow, user, change));
        }
        Ok(admit_doubt(self.world, combine(flow, self.ways(flow)?)))
    }

    /// The objects that any way of the flow names: the removal of another policy (see [`World::without`]) changes
    /// nothing about it. An attempt to change an object is answered by the API server, whatever was removed since.
    ///
    /// # Errors
    /// When the flow names what the world does not have.
    pub fn named_objects(&self, flow: &Flow) -> Result<BTreeSet<ObjectRef>, FlowError> {
        if flow.attempt().is_some() {
            return Ok(BTreeSet::new());
        }
        if !flow.after.is_empty() {
            let world = self.world.after(&flow.after)?;
            return Engine::compile(&world).named_objects(&Flow { after: Vec::new(), ..flow.clone() });
        }
        let ways = self.ways(flow)?;
        let checks = ways.iter().flat_map(|branch| &branch.hops).flat_map(|hop| &hop.checkpoints);
        Ok(checks.flat_map(|check| &check.decision.rules).map(|rule| (*rule.object).clone()).collect())
    }

    /// Every way that the flow can take.
    fn ways(&self, flow: &Flow) -> Result<Vec<Branch>, FlowError> {
        let senders = self.senders(flow)?;
        if flow.port.is_none() && needs_port(flow) {
            return Err(FlowError::NoPort);
        }
        let connection = Connection {
            protocol: flow.protocol,
            request: flow.request.clone(),
            tls: flow.tls.clone(),
            resolved: None,
            relay: Relay::Client,
        };
        let mut branches = Vec::new();
        for from in &senders {
            branches.extend(self.branches(from, flow, &connection)?);
        }
        Ok(branches)
    }

    /// The trace of a flow in the world that the requests before it led to.
    fn trace_after(&self, flow: &Flow) -> Result<Trace, FlowError> {
        let world = self.world.after(&flow.after)?;
        if let (Source::User(user), Destination::Object(change)) = (&flow.from, &flow.to) {
            return Ok(attempt(&world, flow, user, change));
        }
        let now = Flow { after: Vec::new(), ..flow.clone() };
        let trace = Engine::compile(&world).trace(&now)?;
        Ok(Trace { flow: flow.clone(), ..trace })
    }

    /// Who may be the sender: replicas of a workload differ in their node, which a peer on a node can tell.
    fn senders(&self, flow: &Flow) -> Result<Vec<Peer<'w>>, FlowError> {
        match &flow.from {
            Source::Workload(namespace, name) => {
                let mut seen = BTreeSet::new();
                let pods =
                    self.workload(namespace, name).into_iter().filter(|pod| seen.insert((pod.node, &pod.labels)));
                let senders: Vec<Peer<'w>> = pods.map(Peer::pod).collect();
                let unknown = || FlowError::UnknownWorkload(namespace.clone(), name.clone());
                if senders.is_empty() { Err(unknown()) } else { Ok(senders) }
            }
            Source::Outside => Ok(vec![Peer::outside(self.world)]),
            Source::Node(name) => Ok(vec![Peer::node(self.world, self.node(name)?)]),
            Source::Kubelet => self.kubelets(flow),
            Source::User(_) => Err(FlowError::NotAnAttempt(flow.from.to_string(), flow.to.to_string())),
        }
    }

    fn workload(&self, namespace: &str, name: &str) -> Vec<&'w Pod> {
        let pods = self.world.pods.iter().filter(|pod| *pod.namespace == *namespace);
        pods.filter(|pod| *pod.workload == *name || *pod.name == *name).collect()
    }

    /// The kubelets of the nodes on which the destination's replicas run.
    fn kubelets(&self, flow: &Flow) -> Result<Vec<Peer<'w>>, FlowError> {
        let Destination::Pod(namespace, name) = &flow.to else { return Err(FlowError::KubeletProbesPods) };
        let mut seen = BTreeSet::new();
        let pods = self.workload(namespace, name).into_iter().filter(|pod| seen.insert((pod.node, &pod.labels)));
        let kubelets: Vec<Peer<'w>> = pods
            .map(|pod| match pod.enrolment {
                Enrolment::Ambient | Enrolment::AmbientOutbound => Peer::probe_address(pod.node),
                Enrolment::None | Enrolment::Native | Enrolment::NativeOutbound | Enrolment::Sidecar => {
                    Peer::node(self.world, pod.node)
                }
            })
            .collect();
        let unknown = || FlowError::UnknownWorkload(namespace.clone(), name.clone());
        if kubelets.is_empty() { Err(unknown()) } else { Ok(kubelets) }
    }

    fn node(&self, name: &str) -> Result<NodeId, FlowError> {
        let index = self.world.nodes.iter().position(|node| &*node.name == name);
        index
            .and_then(|index| u32::try_from(index).ok())
            .map(NodeId)
            .ok_or_else(|| FlowError::UnknownNode(name.to_owned()))
    }

    fn branches(&self, from: &Peer<'w>, flow: &Flow, connection: &Connection) -> Result<Vec<Branch>, FlowError> {
        let port = flow.port.unwrap_or_default();
        match &flow.to {
            Destination::Service(namespace, name) => {
                let service = self.world.service(namespace, name);
                let service = service.ok_or_else(|| FlowError::UnknownService(namespace.clone(), name.clone()))?;
                let full = format!("{name}.{namespace}.svc.cluster.local");
                Ok(self.after_lookup(from, &full, Target::Service(service, port), connection))
            }
            Destination::Pod(namespace, name) => {
                let mut pods = self.pods_named(namespace, name, from)?;
                if flow.from == Source::Kubelet {
                    pods.retain(|pod| from.is_on(pod.node));
                }
                Ok(pods.into_iter().flat_map(|pod| self.send(from, &Target::Pod(pod, flow.port), connection)).collect())
            }
            Destination::Host(name) => {
                let target = self.named(from, name, flow.port);
                Ok(self.after_lookup(from, name, target, connection))
            }
            Destination::Address(address) => {
                Ok(self.send(from, &Target::at(self.world, *address, flow.port), connection))
            }
            Destination::Gateway(namespace, name) => self.to_gateway(from, namespace, name, port, connection),
            Destination::Node(name) => Ok(self.send(from, &Target::Node(self.node(name)?, flow.port), connection)),
            Destination::Name(name) => Ok(self.bare_lookup(from, name, connection)),
            Destination::Object(_) => Err(FlowError::NotAnAttempt(flow.from.to_string(), flow.to.to_string())),
        }
    }

    fn pods_named(&self, namespace: &str, name: &str, from: &Peer<'w>) -> Result<Vec<&'w Pod>, FlowError> {
        let mut pods = self.workload(namespace, name);
        let mut seen = BTreeSet::new();
        pods.retain(|pod| seen.insert(sort(pod, from.endpoint)));
        if pods.is_empty() { Err(FlowError::UnknownWorkload(namespace.to_owned(), name.to_owned())) } else { Ok(pods) }
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers make the target for this call")]
    pub(super) fn after_lookup(
        &self,
        from: &Peer<'w>,
        name: &str,
        target: Target<'w>,
        connection: &Connection,
    ) -> Vec<Branch> {
        let lookup = self.lookup(from, name, connection);
        let connection = Connection { resolved: lookup.learned.then(|| name.to_owned()), ..connection.clone() };
        self.send(from, &target, &connection).into_iter().map(|branch| branch.after(&lookup.hops)).collect()
    }

    fn bare_lookup(&self, from: &Peer<'w>, name: &str, connection: &Connection) -> Vec<Branch> {
        let mut hops = self.lookup(from, name, connection).hops;
        if hops.is_empty() {
            hops = self.lookup_elsewhere(from, name, connection);
        }
        vec![Branch::ending(hops, crate::policy::Outcome::Connected)]
    }

    /// A user reaches a gateway through its load balancer, which hands on to the proxy's pods.
    fn to_gateway(
        &self,
        from: &Peer<'w>,
        namespace: &str,
        name: &str,
        port: u16,
        connection: &Connection,
    ) -> Result<Vec<Branch>, FlowError> {
        let unknown = || FlowError::UnknownGateway(namespace.to_owned(), name.to_owned());
        self.proxy_pod(&(namespace.into(), name.into())).ok_or_else(unknown)?;
        let service = self.world.service(namespace, name).ok_or_else(unknown)?;
        Ok(self.send(from, &Target::Service(service, port), connection))
    }

    /// What a name leads to: the mesh's own address for a ServiceEntry where ztunnel answers, else the host.
    pub(super) fn named(&self, from: &Peer<'w>, name: &str, port: Option<u16>) -> Target<'w> {
        let captured = from.pod.is_some_and(|pod| dns_captured(&self.world.stack, pod));
        if let (true, Some(port)) = (captured, port)
            && let Some((namespace, entry)) = self.service_entry_named(name, Some(port))
        {
            return Target::ServiceEntry { namespace, name: entry, host: name.to_owned(), port };
        }
        if let Some(service) = self.service_named(name) {
            return Target::Service(service, port.unwrap_or_default());
        }
        self.external_named(name, port)
    }

    /// The host outside of this name.
    pub(super) fn external_named(&self, name: &str, port: Option<u16>) -> Target<'w> {
        let host = host_named(self.world, name);
        let address = host.and_then(|id| self.world.host(id).addresses.first().copied());
        Target::External {
            address: address.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
            host,
            name: Some(name.to_owned()),
            port,
        }
    }
}

/// Gateways as istiod's waypoint binding sees them; which proxies serve them is the world's to say.
fn waypoint_gateways(world: &World) -> Vec<WaypointGateway> {
    crate::policy::gateway::waypoint_gateways(world)
        .into_iter()
        .map(|facts| WaypointGateway {
            key: facts.key,
            class: facts.class.as_str().into(),
            waypoint_for: WaypointFor::of_label(&facts.waypoint_for),
            allowed_from: match (facts.allowed, facts.selector) {
                (FromNamespaces::All, _) => AllowedNamespaces::All,
                (FromNamespaces::Selector, Some(selector)) => AllowedNamespaces::Selector(selector),
                _ => AllowedNamespaces::Same,
            },
            ready: facts.programmed,
            origin: facts.origin,
        })
        .collect()
}

fn needs_port(flow: &Flow) -> bool {
    flow.protocol != crate::world::Protocol::Icmp && !matches!(flow.to, Destination::Name(_) | Destination::Object(_))
}
