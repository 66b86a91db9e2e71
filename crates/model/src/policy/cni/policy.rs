//! Every network policy of a world, compiled.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use airtight_manifest::{Diagnostic, Enforcer, Meta, ObjectRef, RuleRef};
use ipnet::IpNet;

use super::compilation::Compilation;
use super::dialect::Dialect;
use super::entry::{Entry, PeerMatch, Peers};
use super::identity::Identities;
use super::l7::Layer7;
use super::matching::Rules;
use super::name::NamePatterns;
use super::port::container_port;
use super::selector::Selectors;
use super::{cilium, cluster, kubernetes};
use crate::world::{Pod, PodId, Protocol, World};

/// Every network policy of a world, ready to decide.
#[derive(Debug)]
pub struct CniPolicy {
    pub(super) dialect: Dialect,
    pub(super) selectors: Arc<Selectors>,
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) identities: Arc<Identities>,
    /// What binds each identity, once somebody asks.
    pub(super) bound: Vec<OnceLock<Rules>>,
    pub(super) findings: Vec<Diagnostic>,
    /// Indices of entries by the namespace of their object; none for cluster-wide ones.
    pub(super) by_namespace: HashMap<Option<Arc<str>>, Vec<u32>>,
    /// Prefixes that give an address an identity of its own: those of rules, but for the whole range, and of groups
    /// (Cilium `pkg/policy/cell/policy_importer.go`, `updatePrefixes`; `pkg/labels/cidr.go`, `GetCIDRLabels`).
    pub(super) prefixes: Vec<IpNet>,
    /// Container ports by name over the whole cluster; none where two pods disagree.
    pub(super) named_ports: Arc<NamedPorts>,
    /// Objects that change what any agent does, in ways that are not modelled.
    pub(super) blind: Vec<RuleRef>,
    /// Policies of which admission leaves open whether they exist as they are written.
    pub(super) in_doubt: Vec<RuleRef>,
}

/// Container ports by name; a number is none where two pods disagree.
type NamedPorts = BTreeMap<String, Vec<(Protocol, Option<u16>)>>;

/// Kinds that change decisions about any flow: agents' options. What redirects connections elsewhere is no policy, and
/// leaves open where they lead (see [`crate::world::Touched`]).
const BLINDING: &[&str] = &["CiliumNodeConfig"];

impl CniPolicy {
    /// Compiles the policies of a world.
    #[must_use]
    pub fn compile(world: &World) -> Self {
        let dialect = Dialect::of(&world.stack);
        let mut compilation = Compilation::new(world, &dialect);
        for object in &world.objects.network_policies {
            kubernetes::compile(&mut compilation, object);
        }
        for object in world.objects.cilium_policies.iter().chain(&world.objects.cilium_clusterwide_policies) {
            cilium::compile(&mut compilation, object);
        }
        for object in &world.objects.cluster_network_policies {
            cluster::compile(&mut compilation, object);
        }
        let Compilation { selectors, entries, findings, .. } = compilation;
        let entries: Vec<Arc<Entry>> = entries.into_iter().map(Arc::new).collect();
        let identities = Identities::of(world, &dialect);
        Self {
            by_namespace: by_namespace(&entries),
            prefixes: prefixes(world, &entries),
            named_ports: Arc::new(named_ports(world)),
            blind: blind(world),
            in_doubt: in_doubt(world),
            dialect,
            selectors: Arc::new(selectors),
            entries,
            bound: unbound(&identities),
            identities: Arc::new(identities),
            findings,
        }
    }

    /// Those of `world`, which lacks `object` and nothing else. Every policy is compiled for itself, so that what is left
    /// stays as it is; a group of ranges is part of others.
    pub(crate) fn without(&self, world: &World, object: &ObjectRef) -> Self {
        if &*object.kind == "CiliumCIDRGroup" {
            return Self::compile(world);
        }
        let others = self.entries.iter().filter(|entry| *entry.rule.object != *object);
        let entries: Vec<Arc<Entry>> = others.cloned().collect();
        let findings = self.findings.iter().filter(|finding| !finding.about.contains(object));
        Self {
            dialect: self.dialect.clone(),
            selectors: Arc::clone(&self.selectors),
            by_namespace: by_namespace(&entries),
            prefixes: prefixes(world, &entries),
            named_ports: Arc::clone(&self.named_ports),
            blind: blind(world),
            in_doubt: in_doubt(world),
            bound: unbound(&self.identities),
            identities: Arc::clone(&self.identities),
            findings: findings.cloned().collect(),
            entries,
        }
    }

    /// Policies that every agent ignores (errors), and rules that the version's faults change (warnings).
    ///
    /// [`CniPolicy::lint`] finds more warnings, at more cost.
    #[must_use]
    pub fn findings(&self) -> &[Diagnostic] {
        &self.findings
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
    pub(super) fn destination_port(&self, peer: Option<&Pod>, name: &str, protocol: Protocol) -> Option<u16> {
        if self.dialect.named_ports_per_destination() {
            return container_port(&peer?.ports, name, protocol);
        }
        let known = self.named_ports.get(name)?;
        known.iter().find(|(own, _)| *own == protocol).and_then(|(_, number)| *number)
    }
}

/// Nothing is known yet of what binds whom.
fn unbound(identities: &Identities) -> Vec<OnceLock<Rules>> {
    std::iter::repeat_with(OnceLock::new).take(identities.len()).collect()
}

fn blind(world: &World) -> Vec<RuleRef> {
    let unmodelled = world.objects.unmodelled.iter();
    unmodelled.filter(|rule| BLINDING.contains(&&*rule.object.kind)).cloned().collect()
}

fn in_doubt(world: &World) -> Vec<RuleRef> {
    let doubtful = world.objects.metas().filter(|meta| meta.admission_in_doubt());
    doubtful.filter(|meta| Enforcer::of(&meta.object) == Some(Enforcer::Cni)).map(Meta::whole).collect()
}

fn prefixes(world: &World, entries: &[Arc<Entry>]) -> Vec<IpNet> {
    let peers = entries.iter().flat_map(|entry| match &entry.peers {
        Peers::Nobody | Peers::Everyone => &[],
        Peers::Any(list) => list.as_slice(),
    });
    let written = peers.flat_map(PeerMatch::networks).copied().filter(|net| net.prefix_len() > 0);
    let groups = world.objects.cidr_groups.iter().flat_map(|group| &group.body.spec.external_cidrs);
    written.chain(groups.filter_map(|text| text.parse().ok())).collect()
}

fn by_namespace(entries: &[Arc<Entry>]) -> HashMap<Option<Arc<str>>, Vec<u32>> {
    let mut map: HashMap<Option<Arc<str>>, Vec<u32>> = HashMap::new();
    for (index, entry) in (0_u32..).zip(entries) {
        map.entry(entry.rule.object.namespace.clone()).or_default().push(index);
    }
    map
}

fn named_ports(world: &World) -> NamedPorts {
    let mut table = NamedPorts::new();
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
