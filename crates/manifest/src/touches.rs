//! By what rule objects of kinds that are not modelled touch flows.

use super::kinds::UNMODELLED;

/// Which flows an object of a kind that is not modelled could end otherwise. What it cannot touch stays certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touches {
    /// No flow that is certain otherwise: sidecars alone read the kind, whose flows are all unknown.
    Nothing,
    /// Flows from and to the pods that its subject selects, unless Cilium is the CNI: no version of it reads the kind.
    SubjectPods,
    /// Every flow.
    Everything,
    /// Flows through Istio's waypoints and gateways of its namespace (of all, in the root namespace) that its selector
    /// or its targets name.
    IstioProxies,
    /// Flows through the waypoints of the Services and ServiceEntries that its hosts name, unless it names gateways and
    /// `mesh` is none of them.
    MeshRoutes,
    /// Flows to the pods that its selector names, in any namespace.
    SelectedPods,
    /// Flows of pods in the mesh to its namespace or out of the cluster.
    MeshEndpoints,
    /// Flows to what backs the Services that it names.
    RedirectedServices,
    /// Flows to what backs the Service, or has the address, that it takes over.
    RedirectedFrontend,
    /// Flows out of the cluster from the pods that it selects.
    LeavingPods,
    /// Flows of users outside to what no Gateway serves.
    UsersOutside,
    /// Flows through the Gateways that are its parents; through waypoints, if its parent is a Service.
    ParentGateways,
    /// Flows through the Gateways of its namespace that it targets.
    TargetGateways,
    /// Flows through proxies of Kgateway.
    KgatewayProxies,
    /// Flows through any gateway or waypoint.
    Gateways,
    /// Flows that an object bears on which its rules, kinds, namespaces and selectors match at its creation.
    MatchedObjects,
    /// Flows that objects of the kind bear on which could not be read.
    Unread,
}

impl Touches {
    /// The rule in words, as the documentation has it.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::Nothing => "no flow that is certain otherwise",
            Self::SubjectPods => "flows of the pods that its subject selects on another CNI than Cilium",
            Self::Everything => "every flow",
            Self::IstioProxies => {
                "flows through Istio's waypoints and gateways that its namespace, selector or targets name"
            }
            Self::MeshRoutes => {
                "flows through the waypoints of what its hosts name, unless it names gateways without `mesh`"
            }
            Self::SelectedPods => "flows to the pods that its selector names",
            Self::MeshEndpoints => "flows of pods in the mesh to its namespace or out of the cluster",
            Self::RedirectedServices => "flows to what backs the Services that it names",
            Self::RedirectedFrontend => "flows to what backs the Service, or has the address, that it takes over",
            Self::LeavingPods => "flows out of the cluster from the pods that it selects",
            Self::UsersOutside => "flows of users outside to what no Gateway serves",
            Self::ParentGateways => "flows through the Gateways (of a Service: the waypoints) that are its parents",
            Self::TargetGateways => "flows through the Gateways that it targets",
            Self::KgatewayProxies => "flows through proxies of Kgateway",
            Self::Gateways => "flows through gateways and waypoints",
            Self::MatchedObjects => "flows that an object bears on which it could refuse, change or delete",
            Self::Unread => "flows that objects of the kind could bear on which were not read",
        }
    }

    /// Every kind that is not modelled, with its group and its rule.
    pub fn table() -> impl Iterator<Item = (&'static str, &'static str, Self)> {
        UNMODELLED.iter().copied()
    }
}
