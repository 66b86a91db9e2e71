//! The CNI: NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and
//! ClusterNetworkPolicy as Cilium enforces them, and its DNS proxy.
//!
//! Every rule of every policy becomes an entry; the entries that bind an endpoint are found once for
//! each identity, and a decision filters them by peer and port.

mod bits;
mod cilium;
mod cluster;
mod decide;
mod dialect;
mod dns;
mod draft;
mod entry;
mod explain;
mod hop;
mod identity;
mod kubernetes;
mod l7;
mod lint;
mod name;
mod peers;
mod port;
mod proxy;
mod sanitize;
mod selector;
mod services;

pub use bits::BitSet;
pub use dns::lookup_hop;
pub use hop::{CniHop, Payload};
pub use name::NamePatterns;
pub use peers::{Groups, PodPeers};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use airtight_manifest::cilium::Direction;
use airtight_manifest::{Diagnostic, Enforcer, Meta, RuleRef};
use decide::Side;
use dialect::Dialect;
use draft::Draft;
use entry::{Entry, PeerMatch, Peers, Subject};
use identity::{Class, Identities, Identity, Peer, Rules};
use ipnet::IpNet;
use l7::Layer7;
use port::container_port;
use selector::Selectors;

use crate::policy::{Decision, Reason};
use crate::world::{Endpoint, Pod, PodId, Protocol, World};

/// Every network policy of a world, ready to decide.
#[derive(Debug)]
pub struct CniPolicy {
    dialect: Dialect,
    selectors: Selectors,
    entries: Vec<Entry>,
    identities: Identities,
    findings: Vec<Diagnostic>,
    /// Indices of entries by the namespace of their object; none for cluster-wide ones.
    by_namespace: HashMap<Option<Arc<str>>, Vec<u32>>,
    /// Container ports by name over the whole cluster; none where two pods disagree.
    named_ports: BTreeMap<String, Vec<(Protocol, Option<u16>)>>,
    /// Objects that change what any agent does, in ways that are not modelled.
    blind: Vec<RuleRef>,
    /// Policies of which admission leaves open whether they exist as they are written.
    in_doubt: Vec<RuleRef>,
}

/// Kinds that change decisions about any flow: agents' options, and where a connection ends.
const BLINDING: &[&str] =
    &["CiliumNodeConfig", "CiliumLocalRedirectPolicy", "CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"];

impl CniPolicy {
    /// Compiles the policies of a world.
    #[must_use]
    pub fn compile(world: &World) -> Self {
        let dialect = Dialect::of(&world.stack);
        let mut draft = Draft::new(world, &dialect);
        for object in &world.objects.network_policies {
            kubernetes::compile(&mut draft, object);
        }
        for object in world.objects.cilium_policies.iter().chain(&world.objects.cilium_clusterwide_policies) {
            cilium::compile(&mut draft, object);
        }
        for object in &world.objects.cluster_network_policies {
            cluster::compile(&mut draft, object);
        }
        let Draft { selectors, entries, findings, .. } = draft;
        let identities = Identities::of(world, &dialect);
        Self {
            by_namespace: by_namespace(&entries),
            named_ports: named_ports(world),
            blind: world
                .objects
                .unmodelled
                .iter()
                .filter(|rule| BLINDING.contains(&&*rule.object.kind))
                .cloned()
                .collect(),
            in_doubt: in_doubt(world),
            dialect,
            selectors,
            entries,
            identities,
            findings,
        }
    }

    /// Policies that every agent ignores (errors), and rules that the version's faults change (warnings).
    ///
    /// [`CniPolicy::lint`] finds more warnings, at more cost.
    #[must_use]
    pub fn findings(&self) -> &[Diagnostic] {
        &self.findings
    }

    /// What the CNI at the source does with a hop.
    #[must_use]
    pub fn egress(&self, world: &World, hop: &CniHop<'_>) -> Decision {
        self.at(world, hop, Direction::Egress)
    }

    /// What the CNI at the destination does with a hop.
    #[must_use]
    pub fn ingress(&self, world: &World, hop: &CniHop<'_>) -> Decision {
        self.at(world, hop, Direction::Ingress)
    }

    fn at(&self, world: &World, hop: &CniHop<'_>, direction: Direction) -> Decision {
        match self.side(world, hop, direction) {
            Ok(side) => side.decide(|level4| side.settle(level4)),
            Err(decision) => *decision,
        }
    }

    /// One side of a hop, or the decision if no policy is asked there.
    fn side<'a>(
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
        self.doubtful_range(&side)?;
        Ok(side)
    }

    /// Identity, pod and node of an endpoint that policies can bind.
    fn subject<'a>(
        &'a self,
        world: &'a World,
        hop: &CniHop<'_>,
        subject: Endpoint,
    ) -> Result<(&'a Identity, Option<&'a Pod>, crate::world::NodeId), Box<Decision>> {
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

    /// The decision where policies are not looked at, or cannot be trusted alone.
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

    fn rules<'a>(&'a self, identity: &'a Identity) -> &'a Rules {
        identity.rules.get_or_init(|| self.bind(identity))
    }

    /// The entries that bind an identity, in order of precedence.
    fn bind(&self, identity: &Identity) -> Rules {
        let mut rules = Rules::default();
        let cluster_wide = self.by_namespace.get(&None);
        let own = identity.namespace.as_ref().and_then(|name| self.by_namespace.get(&Some(Arc::clone(name))));
        for index in cluster_wide.into_iter().chain(own).flatten() {
            let entry = &self.entries[*index as usize];
            let bound = match entry.subject {
                Subject::Endpoints(selector) => {
                    identity.class == Class::Pod && identity.selected_by(&self.selectors, selector)
                }
                Subject::Nodes(selector) => {
                    identity.class == Class::Host && identity.selected_by(&self.selectors, selector)
                }
            };
            if bound {
                let list = match entry.direction {
                    Direction::Ingress => &mut rules.ingress,
                    Direction::Egress => &mut rules.egress,
                };
                list.entries.push(*index);
                list.isolated |= entry.isolates;
            }
        }
        for list in [&mut rules.ingress, &mut rules.egress] {
            list.entries.sort_by_key(|index| (self.entries[*index as usize].precedence, *index));
        }
        rules
    }

    fn matches_peer(&self, peers: &Peers, peer: &Peer<'_>) -> bool {
        match peers {
            Peers::Nobody => false,
            Peers::Everyone => true,
            Peers::Any(list) => list.iter().any(|wanted| self.is_peer(wanted, peer)),
        }
    }

    fn is_peer(&self, wanted: &PeerMatch, peer: &Peer<'_>) -> bool {
        let identity = self.identities.get(peer.identity);
        match wanted {
            PeerMatch::Labels(selector) => identity.selected_by(&self.selectors, *selector),
            PeerMatch::Entity(entity) => identity.is(*entity),
            PeerMatch::Addresses(addresses) => {
                self.has_address_identity(identity.class)
                    && peer.addresses.iter().any(|address| addresses.contain(*address))
            }
            PeerMatch::Name(pattern) => {
                identity.class == Class::World && peer.name.is_some_and(|name| pattern.matches(name))
            }
        }
    }

    /// Address rules match what is outside the cluster, pods and nodes only by option
    /// (Cilium `pkg/policy/types/selector.go`, `CIDRSelector.Matches`).
    fn has_address_identity(&self, class: Class) -> bool {
        match class {
            Class::World => true,
            Class::Host | Class::RemoteNode => self.dialect.addresses_match_nodes(),
            Class::Pod => self.dialect.addresses_match_pods(),
        }
    }

    /// What policies see of a pod as peer and as subject, as a number that equal pods share.
    #[must_use]
    pub fn identity_of(&self, pod: PodId) -> u32 {
        self.identities.pod(pod).number()
    }

    /// Prefixes by which policies can tell pods (or nodes) apart: none, unless address rules match them.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> {
        let inside = self.dialect.addresses_match_pods() || self.dialect.addresses_match_nodes();
        let entries = inside.then_some(&self.entries);
        entries.into_iter().flatten().flat_map(|entry| match &entry.peers {
            Peers::Nobody | Peers::Everyone => Vec::new(),
            Peers::Any(list) => list.iter().flat_map(PeerMatch::networks).copied().collect(),
        })
    }

    /// Every pattern of its DNS rules, once.
    #[must_use]
    pub fn name_patterns(&self) -> NamePatterns {
        let items = self.entries.iter().flat_map(|entry| entry.ports.iter().flatten());
        let patterns = items.flat_map(|item| match &item.layer7 {
            Layer7::Dns(names) => names.as_slice(),
            Layer7::Open | Layer7::Http(_) | Layer7::ServerNames(_) | Layer7::Unmodelled(_) => &[],
        });
        NamePatterns::of(patterns.map(|(pattern, _)| pattern))
    }

    /// The number of a named port in an egress rule.
    fn destination_port(&self, peer: Option<&Pod>, name: &str, protocol: Protocol) -> Option<u16> {
        if self.dialect.named_ports_per_destination() {
            return container_port(&peer?.ports, name, protocol);
        }
        let known = self.named_ports.get(name)?;
        known.iter().find(|(own, _)| *own == protocol).and_then(|(_, number)| *number)
    }
}

fn in_doubt(world: &World) -> Vec<RuleRef> {
    let doubtful = world.objects.metas().filter(|meta| meta.admission_in_doubt());
    doubtful.filter(|meta| Enforcer::of(&meta.object) == Some(Enforcer::Cni)).map(Meta::whole).collect()
}

fn by_namespace(entries: &[Entry]) -> HashMap<Option<Arc<str>>, Vec<u32>> {
    let mut map: HashMap<Option<Arc<str>>, Vec<u32>> = HashMap::new();
    for (index, entry) in (0_u32..).zip(entries) {
        map.entry(entry.rule.object.namespace.clone()).or_default().push(index);
    }
    map
}

fn named_ports(world: &World) -> BTreeMap<String, Vec<(Protocol, Option<u16>)>> {
    let mut table: BTreeMap<String, Vec<(Protocol, Option<u16>)>> = BTreeMap::new();
    for port in world.pods.iter().filter(|pod| !pod.host_network).flat_map(|pod| &pod.ports) {
        let Some(name) = &port.name else { continue };
        let known = table.entry(name.to_ascii_lowercase()).or_default();
        match known.iter_mut().find(|(protocol, _)| *protocol == port.protocol) {
            Some((_, number)) if *number == Some(port.number) => {}
            Some((_, number)) => *number = None,
            None => known.push((port.protocol, Some(port.number))),
        }
    }
    table
}
