//! Which entries bind an identity, and which peers they take.

use std::sync::Arc;

use airtight_manifest::cilium::Direction;

use super::entry::{EntryVerdict, PeerMatch, Peers, Subject};
use super::identity::{Class, Identity, Peer};
use super::name::NamePattern;
use super::policy::CniPolicy;
use super::selector::SelectorId;

/// Indices of the entries that select an identity, in order of precedence.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) ingress: Bound,
    pub(super) egress: Bound,
}

/// The entries of one direction.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) entries: Vec<u32>,
    /// Whether one of them isolates.
    pub(super) isolated: bool,
    /// Demands on the peers by label of all that allow.
    pub(super) requires: Vec<SelectorId>,
    /// The same of all that deny.
    pub(super) requires_of_denials: Vec<SelectorId>,
    /// An entry that need not bind it.
    pub(super) in_doubt: Option<u32>,
}

impl CniPolicy {
    /// The entries that bind an identity, found once.
    pub(super) fn rules<'a>(&'a self, identity: &'a Identity) -> &'a Rules {
        self.bound[identity.id.number() as usize].get_or_init(|| self.bind(identity))
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
                list.in_doubt = list.in_doubt.or_else(|| entry.subject_doubt.as_ref().map(|_| *index));
                match entry.precedence.verdict {
                    EntryVerdict::Deny => list.requires_of_denials.extend(&entry.requires),
                    EntryVerdict::Allow | EntryVerdict::Pass => list.requires.extend(&entry.requires),
                }
            }
        }
        for list in [&mut rules.ingress, &mut rules.egress] {
            list.entries.sort_by_key(|index| (self.entries[*index as usize].precedence, *index));
        }
        rules
    }

    pub(super) fn matches_peer(&self, peers: &Peers, peer: &Peer<'_>) -> bool {
        match peers {
            Peers::Nobody => false,
            Peers::Everyone => true,
            Peers::Any(list) => list.iter().any(|wanted| self.is_peer(wanted, peer)),
        }
    }

    pub(super) fn is_peer(&self, wanted: &PeerMatch, peer: &Peer<'_>) -> bool {
        let identity = self.identities.get(peer.identity);
        match wanted {
            PeerMatch::Labels(selector) => {
                identity.selected_by(&self.selectors, *selector)
                    || self.selects_the_aggregate(*selector, identity, peer)
            }
            PeerMatch::Entity(entity) => identity.is(*entity),
            PeerMatch::Addresses(addresses) => {
                self.has_address_identity(identity.class)
                    && peer.addresses.iter().any(|address| addresses.contain(*address))
            }
            PeerMatch::Groups(groups) if self.has_address_identity(identity.class) => {
                peer.addresses.iter().any(|address| groups.contain(*address))
            }
            PeerMatch::Groups(groups) => self.dialect.groups_are_asked_of_everyone() && groups.take_unlabelled(),
            PeerMatch::Name(pattern) => {
                identity.class == Class::World && peer.name.is_some_and(|name| pattern.matches(name))
            }
        }
    }

    /// Since 1.20 the agents look a pod up by the identity of all pods too, and an address that some rule or group names
    /// by that of all such addresses. These have no labels: a selector of negative demands alone picks them, against
    /// what is meant (Cilium `pkg/policy/aggregate.go`, an upstream bug).
    fn selects_the_aggregate(&self, selector: SelectorId, identity: &Identity, peer: &Peer<'_>) -> bool {
        let aggregated = match identity.class {
            Class::Pod => true,
            Class::World => self.has_identity_of_its_own(peer),
            Class::Host | Class::RemoteNode => false,
        };
        aggregated && self.dialect.aggregates_identities() && self.selectors.get(selector).is_negative()
    }

    /// Whether what is outside has an identity for its address, or for the name that led there.
    fn has_identity_of_its_own(&self, peer: &Peer<'_>) -> bool {
        let named = |name: &str| self.names().any(|pattern| pattern.matches(name));
        peer.addresses.iter().any(|address| self.prefixes.iter().any(|net| net.contains(address)))
            || peer.name.is_some_and(named)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &NamePattern> {
        self.entries.iter().flat_map(|entry| match &entry.peers {
            Peers::Nobody | Peers::Everyone => Vec::new(),
            Peers::Any(list) => list.iter().filter_map(PeerMatch::name).collect(),
        })
    }

    /// Address rules match what is outside the cluster, pods and nodes only by option
    /// (Cilium `pkg/policy/types/selector.go`, `CIDRSelector.Matches`).
    pub(super) fn has_address_identity(&self, class: Class) -> bool {
        match class {
            Class::World => true,
            Class::Host | Class::RemoteNode => self.dialect.addresses_match_nodes(),
            Class::Pod => self.dialect.addresses_match_pods(),
        }
    }
}
