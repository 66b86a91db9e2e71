//! Many peers at once: which of them one side of a hop tells apart.

use std::cell::OnceCell;

use airtight_manifest::cilium::Direction;

use super::CniPolicy;
use super::bits::BitSet;
use super::entry::{Entry, PeerMatch, Peers, PortEntry};
use super::identity::Peer;
use super::port::{Transport, container_port};
use super::selector::SelectorId;
use crate::world::{Endpoint, NodeId, Pod, PodId, Protocol, World};

/// Pods as peers of each other, each of which stands for a class.
#[derive(Debug)]
pub struct PodPeers<'w> {
    list: Vec<Peer<'static>>,
    pods: Vec<&'w Pod>,
    /// For each selector the peers that it matches.
    selected: Vec<OnceCell<BitSet>>,
    /// For each entry the peers that it matches.
    matched: Vec<OnceCell<BitSet>>,
}

/// Peers that one side cannot tell apart but for their names: the same entries match them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Disjoint sets of indices of [`PodPeers`] that cover all of them.
    pub sets: Vec<BitSet>,
}

impl PodPeers<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl CniPolicy {
    /// Prepares `pods` as peers; none of them may be in its host's network.
    #[must_use]
    pub fn pod_peers<'w>(&self, world: &'w World, pods: &[PodId]) -> PodPeers<'w> {
        let anywhere = NodeId(0);
        let peer = |id: &PodId| self.identities.peer(world, Endpoint::Pod(*id), anywhere, None, None);
        PodPeers {
            list: pods.iter().map(peer).collect(),
            pods: pods.iter().map(|id| world.pod(*id)).collect(),
            selected: vec![OnceCell::new(); self.selectors.len()],
            matched: vec![OnceCell::new(); self.entries.len()],
        }
    }

    /// The groups of peers that get the same decision from `subject`'s side of a hop without readable payload.
    ///
    /// On the way out the port is that of the peer, on the way in that of `subject`.
    #[must_use]
    pub fn groups(
        &self,
        direction: Direction,
        subject: &Pod,
        (protocol, port): (Protocol, u16),
        peers: &PodPeers<'_>,
    ) -> Groups {
        let transport = Transport { protocol, port: Some(port), icmp: None };
        let rules = self.rules(self.identities.get(self.identities.pod(subject.id)));
        let bound = match direction {
            Direction::Ingress => &rules.ingress,
            Direction::Egress => &rules.egress,
        };
        let mut sets = vec![BitSet::all(peers.list.len())];
        for index in &bound.entries {
            let entry = &self.entries[*index as usize];
            let matched = peers.matched[*index as usize].get_or_init(|| self.matched_peers(entry, peers));
            match &entry.ports {
                None => refine(&mut sets, matched),
                Some(items) => {
                    for item in items {
                        self.refine_by_item(&mut sets, matched, item, (direction, subject, transport), peers);
                    }
                }
            }
        }
        Groups { sets }
    }

    fn refine_by_item(
        &self,
        sets: &mut Vec<BitSet>,
        matched: &BitSet,
        item: &PortEntry,
        (direction, subject, transport): (Direction, &Pod, Transport),
        peers: &PodPeers<'_>,
    ) {
        let takes = |names: &dyn Fn(&str, Protocol) -> Option<u16>| {
            item.ports.iter().any(|port| port.takes(transport, |name, protocol| names(name, protocol)))
        };
        match direction {
            Direction::Ingress => {
                if takes(&|name, protocol| container_port(&subject.ports, name, protocol)) {
                    refine(sets, matched);
                }
            }
            Direction::Egress if item.ports.iter().any(super::port::PortMatch::is_named) => {
                let by_name = |index: usize| {
                    matched.contains(index)
                        && takes(&|name, protocol| self.destination_port(Some(peers.pods[index]), name, protocol))
                };
                refine(sets, &BitSet::of(peers.list.len(), by_name));
            }
            Direction::Egress => {
                if takes(&|_, _| None) {
                    refine(sets, matched);
                }
            }
        }
    }

    fn matched_peers(&self, entry: &Entry, peers: &PodPeers<'_>) -> BitSet {
        let bound = peers.list.len();
        match &entry.peers {
            Peers::Nobody => BitSet::none(bound),
            Peers::Everyone => BitSet::all(bound),
            Peers::Any(list) => {
                let mut matched = BitSet::none(bound);
                for wanted in list {
                    match wanted {
                        PeerMatch::Labels(selector) => matched.add(self.selected_peers(*selector, peers)),
                        PeerMatch::Entity(_) | PeerMatch::Addresses(_) | PeerMatch::Groups(_) | PeerMatch::Name(_) => {
                            matched.add(&BitSet::of(bound, |index| self.is_peer(wanted, &peers.list[index])));
                        }
                    }
                }
                matched
            }
        }
    }

    fn selected_peers<'a>(&self, selector: SelectorId, peers: &'a PodPeers<'_>) -> &'a BitSet {
        peers.selected[selector.0 as usize].get_or_init(|| {
            let matches =
                |index: usize| self.identities.get(peers.list[index].identity).selected_by(&self.selectors, selector);
            BitSet::of(peers.list.len(), matches)
        })
    }
}

fn refine(sets: &mut Vec<BitSet>, by: &BitSet) {
    for index in 0..sets.len() {
        if let Some((inside, outside)) = sets[index].split(by) {
            sets[index] = inside;
            sets.push(outside);
        }
    }
}
