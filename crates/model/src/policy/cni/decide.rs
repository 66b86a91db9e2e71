//! Entries that match one hop → what happens to it (Cilium `pkg/policy/testutils/simulate.go`,
//! `pkg/policy/repository.go`, `bpf/lib/policy.h`).

use std::collections::HashSet;

use airtight_manifest::RuleRef;
use airtight_manifest::cilium::{AuthenticationMode, Direction, Entity};

use super::entry::{Entry, EntryVerdict, PeerMatch, Peers, PortEntry, Tier};
use super::hop::CniHop;
use super::identity::{Class, Identity, Peer};
use super::matching::Bound;
use super::port::{Transport, container_port};
use super::selector::Key;
use super::{CniPolicy, explain};
use crate::policy::{Decision, Effect, Reason};
use crate::world::{Pod, World};

/// Up to so many rules are told apart faster one by one than by their hashes.
const FEW: usize = 16;

/// One side of a hop: the endpoint that policies bind here, and the other end as it sees it.
pub(super) struct Side<'a> {
    pub(super) policy: &'a CniPolicy,
    pub(super) world: &'a World,
    pub(super) hop: &'a CniHop<'a>,
    pub(super) direction: Direction,
    pub(super) identity: &'a Identity,
    /// The pod that policies bind; none for a node.
    pub(super) subject: Option<&'a Pod>,
    pub(super) peer: Peer<'a>,
    pub(super) peer_pod: Option<&'a Pod>,
    pub(super) transport: Transport,
}

/// An entry that matches, with the item of its ports that does.
#[derive(Clone, Copy)]
pub(super) struct Matched<'a> {
    pub(super) entry: &'a Entry,
    pub(super) item: Option<&'a PortEntry>,
}

/// What the entries say before anything above layer 4 is looked at.
pub(super) enum Level4<'a> {
    /// Nothing matches.
    Silent,
    /// These deny.
    Denied(Vec<Matched<'a>>),
    /// These allow.
    Allowed(Vec<Matched<'a>>),
}

impl<'a> Side<'a> {
    /// The entries that bind this side, in order of precedence.
    pub(super) fn bound(&self) -> &'a Bound {
        let rules = self.policy.rules(self.identity);
        match self.direction {
            Direction::Ingress => &rules.ingress,
            Direction::Egress => &rules.egress,
        }
    }

    pub(super) fn peer_identity(&self) -> &'a Identity {
        self.policy.identities.get(self.peer.identity)
    }

    /// Whether the peer is the node that the subject runs on.
    pub(super) fn peer_is_local_host(&self) -> bool {
        self.subject.is_some() && self.peer_identity().class == Class::Host
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &'a Entry> {
        let entries = &self.policy.entries;
        self.bound().entries.iter().map(move |index| &*entries[*index as usize])
    }

    pub(super) fn isolated(&self) -> bool {
        self.policy.dialect.always_isolates() || self.bound().isolated
    }

    /// The rules that isolate the subject.
    pub(super) fn isolating(&self) -> Vec<RuleRef> {
        self.entries().filter(|entry| entry.isolates).map(|entry| entry.rule.clone()).collect()
    }

    /// The entries that match, in order of precedence.
    pub(super) fn matched(&self) -> Vec<Matched<'a>> {
        let mut matched = Vec::new();
        for entry in self.entries() {
            if !self.policy.matches_peer(&entry.peers, &self.peer) || !self.meets_demands(entry) {
                continue;
            }
            match &entry.ports {
                None => matched.push(Matched { entry, item: None }),
                Some(items) => {
                    let items = items.iter().filter(|item| self.takes_port(item));
                    matched.extend(items.map(|item| Matched { entry, item: Some(item) }));
                }
            }
        }
        matched
    }

    /// Whether the peer meets what all rules of the subject demand of peers by label: the demands become a part of each
    /// such selector, that of everyone in a NetworkPolicy among them (before 1.19, Cilium
    /// `pkg/policy/rules.go`, `resolveL4IngressPolicy`; `pkg/policy/api/ingress.go`).
    fn meets_demands(&self, entry: &Entry) -> bool {
        let demands = match entry.precedence.verdict {
            EntryVerdict::Deny => &self.bound().requires_of_denials,
            EntryVerdict::Allow | EntryVerdict::Pass => &self.bound().requires,
        };
        if demands.is_empty() {
            return true;
        }
        let by_label = match &entry.peers {
            Peers::Any(list) => list.iter().all(|peer| matches!(peer, PeerMatch::Labels(_))),
            Peers::Everyone => &*entry.rule.object.kind == "NetworkPolicy",
            Peers::Nobody => false,
        };
        let identity = self.peer_identity();
        !by_label || demands.iter().all(|selector| identity.selected_by(&self.policy.selectors, *selector))
    }

    pub(super) fn takes_port(&self, item: &PortEntry) -> bool {
        let names = |name: &str, protocol| match self.direction {
            Direction::Ingress => container_port(&self.subject?.ports, name, protocol),
            Direction::Egress => self.policy.destination_port(self.peer_pod, name, protocol),
        };
        item.ports.iter().any(|port| port.takes(self.transport, names))
    }

    /// The decision, in doubt about some entries: certain only if it is the same whether they hold or not.
    pub(super) fn decide(&self, settle: impl Fn(Level4<'a>) -> Decision) -> Decision {
        let matched = self.matched();
        if matched.iter().all(|matched| matched.entry.doubt.is_none()) {
            return with_groups(settle(level4(&matched)), &matched);
        }
        let strict = settle(level4(&without(&matched, |verdict| verdict != EntryVerdict::Deny)));
        let lenient = settle(level4(&without(&matched, |verdict| verdict == EntryVerdict::Deny)));
        let decision = match (strict.effect, lenient.effect) {
            (Effect::Allow, Effect::Allow) => strict,
            (Effect::Deny, Effect::Deny) => lenient,
            (_, _) => doubtful(&matched),
        };
        with_groups(decision, &matched)
    }

    /// The decision of this side for the hop.
    pub(super) fn settle(&self, level4: Level4<'a>) -> Decision {
        match level4 {
            Level4::Denied(by) => self.audited(explain::explicit_deny(self, &by)),
            Level4::Allowed(by) => self.allowed(&by),
            Level4::Silent => self.silent(),
        }
    }

    pub(super) fn silent(&self) -> Decision {
        if !self.isolated() {
            return explain::unrestricted(self);
        }
        if self.exempt() {
            return explain::host_exemption(self);
        }
        self.audited(explain::default_deny(self))
    }

    /// Traffic from the pod's own node passes a default deny (`allow-localhost`). Since 1.20 the
    /// exemption is a rule that exists only beside others (cilium/cilium#48444).
    fn exempt(&self) -> bool {
        self.direction == Direction::Ingress
            && self.peer_is_local_host()
            && (!self.policy.dialect.host_exemption_is_last() || !self.bound().entries.is_empty())
    }

    fn allowed(&self, by: &[Matched<'a>]) -> Decision {
        let from_own_node = self.direction == Direction::Ingress && self.peer_is_local_host();
        if from_own_node && !self.policy.dialect.host_exemption_is_last() && self.opened_for_host(by) {
            return super::proxy::opened(self, by);
        }
        match self.authentication(by) {
            Some(decision) => self.audited(decision),
            None => super::proxy::decide(self, by),
        }
    }

    /// Whether one of the rules is opened above layer 4 for the node. To open it, the agent adds a selector of the node
    /// to the rule's own, which does nothing where the rule has this very selector already, with its L7 rules
    /// (before 1.20, Cilium `pkg/policy/l4.go`, `createL4IngressFilter` and `cacheIdentitySelector`).
    fn opened_for_host(&self, by: &[Matched<'a>]) -> bool {
        by.iter().any(|matched| match &matched.entry.peers {
            Peers::Nobody | Peers::Everyone => true,
            Peers::Any(peers) => {
                peers.iter().any(|peer| self.is_everyone(peer)) || !peers.iter().any(|peer| self.is_the_host(peer))
            }
        })
    }

    /// Whether it is the selector of everyone, beside which the agent keeps no other of the rule (`createL4Filter`).
    fn is_everyone(&self, peer: &PeerMatch) -> bool {
        match peer {
            PeerMatch::Entity(entity) => *entity == Entity::All,
            PeerMatch::Labels(id) => self.policy.selectors.get(*id).is_empty(),
            PeerMatch::Addresses(_) | PeerMatch::Groups(_) | PeerMatch::Name(_) => false,
        }
    }

    fn is_the_host(&self, peer: &PeerMatch) -> bool {
        match peer {
            PeerMatch::Entity(Entity::Host | Entity::Cluster) => true,
            PeerMatch::Labels(id) => self.policy.selectors.get(*id).is_just(&Key::reserved("host")),
            PeerMatch::Entity(
                Entity::All
                | Entity::World
                | Entity::ClusterMesh
                | Entity::RemoteNode
                | Entity::KubeApiserver
                | Entity::Init
                | Entity::Ingress
                | Entity::Unmanaged
                | Entity::Health
                | Entity::None,
            )
            | PeerMatch::Addresses(_)
            | PeerMatch::Groups(_)
            | PeerMatch::Name(_) => false,
        }
    }

    /// What mutual authentication does to an allowed hop; none if nothing (Cilium `pkg/auth`).
    fn authentication(&self, by: &[Matched<'a>]) -> Option<Decision> {
        let modes = || by.iter().filter_map(|matched| matched.entry.authentication);
        let demanded = modes().find(|mode| *mode != AuthenticationMode::Disabled)?;
        let why = if modes().any(|mode| mode == AuthenticationMode::Disabled) {
            "one rule demands authentication and another forgoes it"
        } else if self.subject.is_none() || self.peer_pod.is_none() {
            "authentication is demanded of a peer without identity of its own"
        } else {
            match (self.policy.dialect.authentication(), demanded) {
                (Some(true), AuthenticationMode::TestAlwaysFail) => return Some(explain::unauthenticated(self, by)),
                (Some(true), AuthenticationMode::Required | AuthenticationMode::Disabled) => return None,
                (Some(false), _) => "authentication is demanded and switched off in Cilium",
                (None, _) => "authentication is demanded, and the stack does not say whether Cilium's is set up",
            }
        };
        Some(Decision::unknown(rules(by), format!("{why}: {}", self.hop.shown(self.world))))
    }

    /// Audit mode lets through what policies would drop on layers 3 and 4.
    pub(super) fn audited(&self, decision: Decision) -> Decision {
        if !self.policy.dialect.options.audit_mode || decision.effect != Effect::Deny {
            return decision;
        }
        let detail = format!("policyAuditMode lets it through; otherwise: {}", decision.detail);
        let log = decision.log.unwrap_or_default().replace("DROPPED", "AUDIT");
        Decision::allow(Reason::Audited, detail).by(decision.rules).logged(log)
    }
}

/// The first level that decides: a denial before an allow, and a pass skips the rest of its tier.
pub(super) fn level4<'a>(matched: &[Matched<'a>]) -> Level4<'a> {
    let mut skipped: Option<Tier> = None;
    let mut rest = matched;
    while let Some(first) = rest.first() {
        let level = first.entry.precedence.level();
        let size = rest.iter().take_while(|matched| matched.entry.precedence.level() == level).count();
        let (here, after) = rest.split_at(size);
        rest = after;
        if skipped == Some(level.0) {
            continue;
        }
        let with = |verdict| -> Vec<Matched<'a>> {
            here.iter().filter(|matched| matched.entry.precedence.verdict == verdict).copied().collect()
        };
        let denying = with(EntryVerdict::Deny);
        if !denying.is_empty() {
            return Level4::Denied(denying);
        }
        let allowing = with(EntryVerdict::Allow);
        if !allowing.is_empty() {
            return Level4::Allowed(allowing);
        }
        skipped = Some(level.0);
    }
    Level4::Silent
}

/// The entries less the doubtful ones whose verdict is `dropped`.
fn without<'a>(matched: &[Matched<'a>], dropped: impl Fn(EntryVerdict) -> bool) -> Vec<Matched<'a>> {
    let kept = |matched: &&Matched<'a>| matched.entry.doubt.is_none() || !dropped(matched.entry.precedence.verdict);
    matched.iter().filter(kept).copied().collect()
}

/// A decision with the groups of addresses by which its rules match.
fn with_groups(mut decision: Decision, matched: &[Matched<'_>]) -> Decision {
    for entry in matched.iter().map(|matched| matched.entry).filter(|entry| !entry.groups.is_empty()) {
        let decides = decision.rules.iter().any(|rule| rule.object == entry.rule.object);
        for group in entry.groups.iter().filter(|_| decides) {
            if !decision.rules.contains(group) {
                decision.rules.push(group.clone());
            }
        }
    }
    decision
}

fn doubtful(matched: &[Matched<'_>]) -> Decision {
    let in_doubt: Vec<Matched<'_>> = matched.iter().filter(|matched| matched.entry.doubt.is_some()).copied().collect();
    let why = in_doubt.first().and_then(|matched| matched.entry.doubt.clone()).unwrap_or_default();
    Decision::unknown(rules(&in_doubt), why)
}

/// The rules of entries, each once.
pub(super) fn rules(matched: &[Matched<'_>]) -> Vec<RuleRef> {
    let all = matched.iter().map(|matched| &matched.entry.rule);
    if matched.len() < FEW {
        let mut rules: Vec<RuleRef> = Vec::new();
        for rule in all {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
        return rules;
    }
    let mut seen = HashSet::new();
    all.filter(|rule| seen.insert(*rule)).cloned().collect()
}
