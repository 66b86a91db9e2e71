//! One side of a hop: whose policies are asked there, and where none is.

use airtight_manifest::RuleRef;
use airtight_manifest::cilium::Direction;

use super::decide::Side;
use super::entry::{Entry, PeerMatch, Peers};
use super::hop::CniHop;
use super::identity::{Class, Identity};
use super::policy::CniPolicy;
use crate::policy::{Decision, Reason};
use crate::world::{Endpoint, NodeId, Pod, Protocol, World};

impl CniPolicy {
    /// What the CNI at the source does with a hop.
    #[must_use]
    pub fn egress(&self, world: &World, hop: &CniHop<'_>) -> Decision {
        self.decided(world, hop, Direction::Egress)
    }

    /// What the CNI at the destination does with a hop.
    #[must_use]
    pub fn ingress(&self, world: &World, hop: &CniHop<'_>) -> Decision {
        self.decided(world, hop, Direction::Ingress)
    }

    pub(super) fn decided(&self, world: &World, hop: &CniHop<'_>, direction: Direction) -> Decision {
        match self.side(world, hop, direction) {
            Ok(side) => side.decide(|level4| side.settle(level4)),
            Err(decision) => *decision,
        }
    }

    /// One side of a hop, or the decision if no policy is asked there.
    pub(super) fn side<'a>(
        &'a self,
        world: &'a World,
        hop: &'a CniHop<'a>,
        direction: Direction,
    ) -> Result<Side<'a>, Box<Decision>> {
        let source = self.identities.resolve(hop.source, world);
        let destination = self.identities.resolve(hop.destination, world);
        let (subject, peer) = match direction {
            Direction::Egress => (source, destination),
            Direction::Ingress => (destination, source),
        };
        let (identity, pod, node) = self.subject(world, hop, subject)?;
        self.unasked(world, hop, source, destination)?;
        self.certain_of(world, hop, pod)?;
        let towards = pod.and_then(|pod| pod.addresses.first().copied());
        let side = Side {
            policy: self,
            world,
            hop,
            direction,
            identity,
            subject: pod,
            peer: self.identities.peer(world, peer, node, towards, hop.resolved),
            peer_pod: match peer {
                Endpoint::Pod(id) => Some(world.pod(id)),
                Endpoint::HostNetworkPod(_)
                | Endpoint::Node(_)
                | Endpoint::ProbeAddress(_)
                | Endpoint::Host(..)
                | Endpoint::Address(_) => None,
            },
            transport: hop.transport(world),
        };
        self.certain_of_subject(&side)?;
        self.doubtful_range(&side)?;
        Ok(side)
    }

    /// Identity, pod and node of an endpoint that policies can bind.
    fn subject<'a>(
        &'a self,
        world: &'a World,
        hop: &CniHop<'_>,
        subject: Endpoint,
    ) -> Result<(&'a Identity, Option<&'a Pod>, NodeId), Box<Decision>> {
        let free = |why: &str| {
            let detail = format!("{why}: {}", hop.shown(world));
            Err(Box::new(Decision::allow(Reason::NotManaged, detail)))
        };
        match subject {
            Endpoint::Pod(id) => {
                let pod = world.pod(id);
                Ok((self.identities.get(self.identities.pod(id)), Some(pod), pod.node))
            }
            Endpoint::Node(id) if self.dialect.options.host_firewall => {
                Ok((self.identities.get(self.identities.node_subject(id)), None, id))
            }
            Endpoint::Node(_) | Endpoint::HostNetworkPod(_) => {
                free("no policy binds a node or a host-network pod without the host firewall")
            }
            Endpoint::ProbeAddress(_) | Endpoint::Host(..) | Endpoint::Address(_) => {
                free("this end is outside Cilium's control")
            }
        }
    }

    /// A policy that admission might have refused or changed leaves open what happens to the pods that it could bind.
    fn certain_of(&self, world: &World, hop: &CniHop<'_>, subject: Option<&Pod>) -> Result<(), Box<Decision>> {
        let home = subject.map(|pod| &*pod.namespace);
        let binds = |rule: &&RuleRef| rule.object.namespace.as_deref().is_none_or(|namespace| home == Some(namespace));
        match self.in_doubt.iter().find(binds) {
            None => Ok(()),
            Some(rule) => {
                let detail = format!("admission might refuse or change {}: {}", rule.object, hop.shown(world));
                Err(Box::new(Decision::unknown(vec![rule.clone()], detail)))
            }
        }
    }

    /// The decision where policies are not looked at, or cannot be trusted alone.
    fn unasked(
        &self,
        world: &World,
        hop: &CniHop<'_>,
        source: Endpoint,
        destination: Endpoint,
    ) -> Result<(), Box<Decision>> {
        if source == destination {
            let detail = format!("no policy is asked where both ends are the same: {}", hop.shown(world));
            return Err(Box::new(Decision::allow(Reason::Loopback, detail)));
        }
        if let Some(first) = self.blind.first() {
            let detail = format!("{} may change what Cilium does with {}", first.object, hop.shown(world));
            return Err(Box::new(Decision::unknown(self.blind.clone(), detail)));
        }
        if !self.dialect.enforces() {
            let detail = "policyEnforcementMode is never: no policy is enforced";
            return Err(Box::new(Decision::allow(Reason::NoPolicy, detail)));
        }
        if hop.protocol == Protocol::Sctp && !self.dialect.options.sctp {
            let detail = "sctp.enabled is off: what Cilium does with SCTP does not depend on policies alone";
            return Err(Box::new(Decision::unknown(Vec::new(), detail)));
        }
        Ok(())
    }

    /// An entry that need not bind the subject need not isolate it either.
    fn certain_of_subject(&self, side: &Side<'_>) -> Result<(), Box<Decision>> {
        let Some(entry) = side.bound().in_doubt.map(|index| &self.entries[index as usize]) else { return Ok(()) };
        let why = entry.subject_doubt.clone().unwrap_or_default();
        Err(Box::new(Decision::unknown(vec![entry.rule.clone()], why)))
    }

    /// With match mode `nodes`, 1.17 does not reliably let the whole range match nodes.
    fn doubtful_range(&self, side: &Side<'_>) -> Result<(), Box<Decision>> {
        let node = matches!(side.peer_identity().class, Class::Host | Class::RemoteNode);
        if !node || !self.dialect.whole_range_and_nodes_doubtful() {
            return Ok(());
        }
        let whole = |entry: &&Entry| {
            match &entry.peers {
            Peers::Nobody | Peers::Everyone => false,
            Peers::Any(list) => list.iter().any(|peer| {
                matches!(peer, PeerMatch::Addresses(addresses) if addresses.within.iter().any(|net| net.prefix_len() == 0))
            }),
        }
        };
        match side.entries().find(whole) {
            Some(entry) => Err(Box::new(Decision::unknown(
                vec![entry.rule.clone()],
                "Cilium 1.17 may not match nodes by the whole address range (cilium/cilium#39656)",
            ))),
            None => Ok(()),
        }
    }
}
