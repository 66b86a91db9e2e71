//! Policy entries: what every kind of policy compiles to (Cilium `pkg/policy/types/policyentry.go`).

use airtight_manifest::RuleRef;
use airtight_manifest::cilium::{AuthenticationMode, Direction, Entity};
use ipnet::IpNet;

use super::groups::GroupPeers;
use super::l7::Layer7;
use super::name::NamePattern;
use super::port::PortMatch;
use super::selector::SelectorId;

/// Where an entry stands; the lowest is looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Tier {
    /// ClusterNetworkPolicy of tier Admin.
    Admin,
    /// NetworkPolicy, CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy alike.
    Normal,
    /// ClusterNetworkPolicy of tier Baseline.
    Baseline,
}

/// What an entry does; within one priority a denial comes first, a pass last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum EntryVerdict {
    /// Drops.
    Deny,
    /// Lets through.
    Allow,
    /// Leaves the decision to the next tier.
    Pass,
}

/// The order in which entries speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Precedence {
    pub(super) tier: Tier,
    /// Within the tier: a hundred times the policy's priority, and the index of the rule.
    pub(super) priority: u32,
    pub(super) verdict: EntryVerdict,
}

impl Precedence {
    pub(super) fn normal(verdict: EntryVerdict) -> Self {
        Self { tier: Tier::Normal, priority: 0, verdict }
    }

    /// Whether both speak at the same moment, verdict aside.
    pub(super) fn level(self) -> (Tier, u32) {
        (self.tier, self.priority)
    }
}

/// Whom an entry binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Managed pods.
    Endpoints(SelectorId),
    /// Nodes.
    Nodes(SelectorId),
}

/// The other end.
#[derive(Debug, Clone)]
pub(super) enum Peers {
    /// No one: a list that is present and empty, or a rule without any peers and ports.
    Nobody,
    /// Everyone, outside and inside.
    Everyone,
    /// Any of these.
    Any(Vec<PeerMatch>),
}

/// One kind of other end.
#[derive(Debug, Clone)]
pub(super) enum PeerMatch {
    /// By label.
    Labels(SelectorId),
    /// By class.
    Entity(Entity),
    /// By address.
    Addresses(Addresses),
    /// By the groups that an address is in.
    Groups(GroupPeers),
    /// By the name that led to the address.
    Name(NamePattern),
}

impl PeerMatch {
    /// The prefixes that it compares addresses with.
    pub(super) fn networks(&self) -> impl Iterator<Item = &IpNet> {
        let (within, except): (&[IpNet], &[IpNet]) = match self {
            Self::Addresses(addresses) => (&addresses.within, &addresses.except),
            Self::Groups(groups) => (groups.networks(), groups.except()),
            Self::Labels(_) | Self::Entity(_) | Self::Name(_) => (&[], &[]),
        };
        within.iter().chain(except)
    }

    /// The pattern of names, if it is one.
    pub(super) fn name(&self) -> Option<&NamePattern> {
        match self {
            Self::Name(pattern) => Some(pattern),
            Self::Labels(_) | Self::Entity(_) | Self::Addresses(_) | Self::Groups(_) => None,
        }
    }
}

/// Prefixes less exceptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) within: Vec<IpNet>,
    pub(super) except: Vec<IpNet>,
}

impl Addresses {
    pub(super) fn contain(&self, address: std::net::IpAddr) -> bool {
        self.within.iter().any(|net| net.contains(&address)) && !self.except.iter().any(|net| net.contains(&address))
    }
}

/// Ports, and what may be said on them.
#[derive(Debug, Clone)]
pub(super) struct PortEntry {
    pub(super) ports: Vec<PortMatch>,
    pub(super) layer7: Layer7,
}

/// One rule of one policy, ready to match.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) precedence: Precedence,
    pub(super) direction: Direction,
    pub(super) subject: Subject,
    /// Whether it isolates its subjects in its direction.
    pub(super) isolates: bool,
    pub(super) peers: Peers,
    /// None: every port and protocol, ICMP included.
    pub(super) ports: Option<Vec<PortEntry>>,
    pub(super) authentication: Option<AuthenticationMode>,
    pub(super) rule: RuleRef,
    /// Groups of addresses that the rule refers to.
    pub(super) groups: Vec<RuleRef>,
    /// Demands on every peer by label of the subjects (before 1.19).
    pub(super) requires: Vec<SelectorId>,
    /// Why it is not certain that the entry binds all that it seems to bind.
    pub(super) subject_doubt: Option<String>,
    /// Why it is not certain that the entry matches what it seems to match.
    pub(super) doubt: Option<String>,
}
