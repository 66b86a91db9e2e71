//! What differs between versions and options of Cilium.

use airtight_manifest::stack::{CiliumOptions, EnforcementMode, Stack, at_least};
use semver::Version;

/// The rules of one version of Cilium under one configuration.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub(super) version: Version,
    pub(super) options: CiliumOptions,
}

/// How a version reads wildcards in TLS server names (Cilium `pkg/policy/api/l4.go`, `serverNames`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerNameWildcards {
    /// None: names are literal (before 1.18).
    Literal,
    /// `*.` and `**.` at the front (1.18 and 1.19).
    Prefix,
    /// `*` anywhere (1.20 and later).
    Anywhere,
}

impl Dialect {
    pub(super) fn of(stack: &Stack) -> Self {
        Self { version: stack.versions.cilium.clone(), options: stack.cilium.clone() }
    }

    pub(super) fn since(&self, minor: u64) -> bool {
        at_least(&self.version, 1, minor)
    }

    fn minor_is(&self, minor: u64) -> bool {
        (self.version.major, self.version.minor) == (1, minor)
    }

    pub(super) fn enforces(&self) -> bool {
        match self.options.policy_enforcement_mode {
            EnforcementMode::Default | EnforcementMode::Always => true,
            EnforcementMode::Never => false,
        }
    }

    pub(super) fn always_isolates(&self) -> bool {
        match self.options.policy_enforcement_mode {
            EnforcementMode::Always => true,
            EnforcementMode::Default | EnforcementMode::Never => false,
        }
    }

    /// The cluster to which peers by label are confined (`policy-default-local-cluster`: an option
    /// since 1.18, the default since 1.19).
    pub(super) fn local_cluster(&self) -> Option<&str> {
        let on = self.options.default_local_cluster.unwrap_or(self.since(19)) && self.since(18);
        on.then_some(self.options.cluster_name.as_str())
    }

    /// Whether the local node's exemption from a default deny is a rule of the lowest tier, so that L7
    /// rules come before it (1.20 and later, `pkg/policy/repository.go`).
    pub(super) fn host_exemption_is_last(&self) -> bool {
        self.since(20)
    }

    /// Whether identities are looked up by their aggregates as well (1.20 and later, `pkg/policy/aggregate.go`).
    pub(super) fn aggregates_identities(&self) -> bool {
        self.since(20)
    }

    /// Whether a `cidrGroupSelector` is tried on pods and nodes as well, whose lack of groups meets a negative demand
    /// (before 1.19, which asks for an address first: `pkg/policy/types/selector.go`, `CIDRSelector.Matches`).
    pub(super) fn groups_are_asked_of_everyone(&self) -> bool {
        !self.since(19)
    }

    /// Whether an address has one value of each key from all groups that it is in (before 1.20,
    /// `pkg/labels/labels.go`, `EncodedCIDRGroupLabel`).
    pub(super) fn labels_of_groups_collide(&self) -> bool {
        !self.since(20)
    }

    /// Whether port zero is every port even at the beginning of a range (1.20 and later, `pkg/policy/l4.go`); before,
    /// the range counts from zero.
    pub(super) fn zero_is_every_port(&self) -> bool {
        self.since(20)
    }

    /// Whether `**.` stands for one or more labels, and a lone `**` for every name (1.19 and later,
    /// `pkg/fqdn/matchpattern`).
    pub(super) fn deep_wildcards(&self) -> bool {
        self.since(19)
    }

    pub(super) fn server_names(&self) -> ServerNameWildcards {
        if self.since(20) {
            ServerNameWildcards::Anywhere
        } else if self.since(18) {
            ServerNameWildcards::Prefix
        } else {
            ServerNameWildcards::Literal
        }
    }

    /// Whether named ports of egress rules are those of the destination (1.20 and later) rather than
    /// one table of the whole cluster.
    pub(super) fn named_ports_per_destination(&self) -> bool {
        self.since(20)
    }

    /// Whether an L7 rule of a policy that does not isolate leaves other requests alone (1.17.4 and
    /// later, `ensureWildcard` in `pkg/policy/l4.go`).
    pub(super) fn l7_leaves_unisolated_alone(&self) -> bool {
        self.version >= Version::new(1, 17, 4)
    }

    /// Whether an `ipBlock` of a NetworkPolicy's ingress admits the policy's whole namespace
    /// (CVE-2026-56743): 1.19.0 to 1.19.4 whenever peers are confined to the local cluster.
    pub(super) fn ip_block_admits_namespace(&self) -> bool {
        self.local_cluster().is_some() && self.minor_is(19) && self.version.patch <= 4
    }

    /// Whether the same is possible without being certain: 1.18 with the option switched on.
    pub(super) fn ip_block_may_admit_namespace(&self) -> bool {
        self.local_cluster().is_some() && self.minor_is(18)
    }

    /// Whether `toServices` follows Services that have a selector (1.17 and later).
    pub(super) fn services_by_selector(&self) -> bool {
        self.since(17)
    }

    /// Whether a Service's selector with a dotted key leads `toServices` nowhere (cilium/cilium#41151,
    /// fixed in 1.17.15, 1.18.9 and 1.19.3).
    pub(super) fn dotted_selectors_broken(&self) -> bool {
        match (self.version.major, self.version.minor) {
            (1, 17) => self.version.patch < 15,
            (1, 18) => self.version.patch < 9,
            (1, 19) => self.version.patch < 3,
            (major, minor) => (major, minor) < (1, 17),
        }
    }

    /// Whether a `k8sServiceSelector` with a dotted key may match no Service (cilium/cilium#46732).
    pub(super) fn dotted_service_labels_doubtful(&self) -> bool {
        !self.since(20)
    }

    /// Whether a nodeSelector in `specs` of a CiliumNetworkPolicy is refused (1.18.2 and later).
    pub(super) fn refuses_node_selector_in_specs(&self) -> bool {
        self.version >= Version::new(1, 18, 2)
    }

    /// Whether ClusterNetworkPolicy is in force (1.20 and later, when switched on).
    pub(super) fn cluster_network_policy(&self) -> bool {
        self.since(20) && self.options.cluster_network_policy
    }

    /// Whether the agents' mutual authentication runs; since 1.19 only when switched on.
    pub(super) fn authentication(&self) -> Option<bool> {
        self.options.authentication
    }

    /// Whether an address rule can match nodes (`policy-cidr-match-mode`).
    pub(super) fn addresses_match_nodes(&self) -> bool {
        self.options.cidr_match_nodes
    }

    /// Whether an address rule can match pods (`policy-cidr-match-mode`, 1.20 and later).
    pub(super) fn addresses_match_pods(&self) -> bool {
        self.options.cidr_match_pods && self.since(20)
    }

    /// Whether `0.0.0.0/0` and match mode `nodes` do not work together reliably (cilium/cilium#39656).
    pub(super) fn whole_range_and_nodes_doubtful(&self) -> bool {
        self.addresses_match_nodes() && self.minor_is(17)
    }
}
