//! Which cases the removal of an object can touch at all.
//!
//! Most policies bind the pods of one namespace, and most flows never come near it. What is left out here is
//! only what cannot matter: the removal of an object that no way of a flow names changes nothing about the flow,
//! which is a law of the engine. When in doubt a case is in.

use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::{ObjectRef, Resource};
use airtight_model::path::{Destination, Engine, Source};
use airtight_model::policy::Checkpoint;
use airtight_model::world::is_service_host;

use super::record::CaseRecord;
use crate::scenario::{CaseId, Plan};

/// How far an object reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Flows through a waypoint or a gateway, and those that aim at one.
    Proxies,
    /// Flows that aim outside of the cluster by name or address, and those through a proxy.
    Outward,
    /// Attempts to change objects, and flows that changes come before.
    Changes,
    /// Flows that name the object.
    Named(ObjectRef),
    /// Every flow.
    Everywhere,
}

impl Reach {
    /// How far a resource reaches.
    pub(super) fn of(resource: &Resource) -> Self {
        match resource {
            // Their removal changes nothing about a flow that does not name them.
            Resource::NetworkPolicy(_)
            | Resource::CiliumNetworkPolicy(_)
            | Resource::CiliumClusterwideNetworkPolicy(_)
            | Resource::CiliumCidrGroup(_)
            | Resource::AuthorizationPolicy(_)
            | Resource::PeerAuthentication(_)
            | Resource::RequestAuthentication(_)
            | Resource::DestinationRule(_)
            | Resource::HttpRoute(_)
            | Resource::ReferenceGrant(_) => Self::Named(resource.object().clone()),
            Resource::Gateway(_)
            | Resource::GatewayParameters(_)
            | Resource::AgentgatewayParameters(_)
            | Resource::GrpcRoute(_)
            | Resource::TlsRoute(_)
            | Resource::BackendTlsPolicy(_)
            | Resource::TrafficPolicy(_)
            | Resource::Backend(_)
            | Resource::DirectResponse(_)
            | Resource::AgentgatewayBackend(_)
            | Resource::AgentgatewayPolicy(_) => Self::Proxies,
            Resource::ServiceEntry(entry) if !entry.body.spec.hosts.iter().any(|host| is_service_host(host)) => {
                Self::Outward
            }
            // What exists, what admission makes of it, and a host that is a Service of the cluster bear on everything.
            Resource::ServiceEntry(_)
            | Resource::ClusterNetworkPolicy(_)
            | Resource::GatewayClass(_)
            | Resource::ClusterPolicy(_)
            | Resource::Policy(_)
            | Resource::PolicyException(_)
            | Resource::CelPolicyException(_)
            | Resource::ValidatingPolicy(_)
            | Resource::GeneratingPolicy(_)
            | Resource::MutatingPolicy(_)
            | Resource::Namespace(_)
            | Resource::Pod(_)
            | Resource::Service(_)
            | Resource::ServiceAccount(_)
            | Resource::Deployment(_)
            | Resource::StatefulSet(_)
            | Resource::DaemonSet(_)
            | Resource::ReplicaSet(_)
            | Resource::Job(_)
            | Resource::CronJob(_)
            | Resource::EndpointSlice(_)
            | Resource::Endpoints(_)
            | Resource::Inert(_)
            | Resource::Unmodelled(_) => Self::Everywhere,
        }
    }

    /// How far an object that admission generated reaches.
    pub(super) fn of_generated(object: &ObjectRef) -> Self {
        match &*object.kind {
            "NetworkPolicy" | "CiliumNetworkPolicy" => Self::Named(object.clone()),
            _ => Self::Everywhere,
        }
    }
}

/// What lies on the way of every case.
#[derive(Debug)]
pub(super) struct Ways {
    /// Cases by the objects that their flows name.
    named: BTreeMap<ObjectRef, BTreeSet<CaseId>>,
    through_proxies: BTreeSet<CaseId>,
    outward: BTreeSet<CaseId>,
    changes: BTreeSet<CaseId>,
}

impl Ways {
    pub(super) fn of(cases: &[CaseRecord], engine: &Engine<'_>) -> Self {
        let which = |chosen: &dyn Fn(&CaseRecord) -> bool| {
            cases.iter().filter(|case| chosen(case)).map(|case| case.case.id.clone()).collect()
        };
        let proxies = engine.world().proxies.iter();
        let keys: BTreeSet<String> = proxies.map(|proxy| format!("{}/{}", proxy.key.0, proxy.key.1)).collect();
        Self {
            named: named(cases, engine),
            through_proxies: which(&|case| {
                passes(case, &[Checkpoint::Waypoint, Checkpoint::Gateway]) || meets(case, &keys)
            }),
            outward: which(&aims_outside),
            changes: which(&|case| !case.case.flow.after.is_empty() || case.case.flow.attempt().is_some()),
        }
    }

    /// The part of a plan that an object of this reach can touch: cases on whose way it lies, cases that
    /// have such a case as twin, and the twins of all of them.
    pub(super) fn part(&self, plan: &Plan, reach: &Reach) -> Plan {
        with_twins(plan, |id| self.touches(reach, id))
    }

    /// Whether an object of this reach lies on the way of a case.
    pub(super) fn touches(&self, reach: &Reach, id: &CaseId) -> bool {
        match reach {
            Reach::Named(object) => self.named.get(object).is_some_and(|cases| cases.contains(id)),
            Reach::Proxies => self.through_proxies.contains(id),
            Reach::Outward => self.outward.contains(id) || self.through_proxies.contains(id),
            Reach::Changes => self.changes.contains(id),
            Reach::Everywhere => true,
        }
    }
}

/// Cases of a plan that are on a way, cases that have such a case as twin, and the twins of all of them.
pub(super) fn with_twins(plan: &Plan, on_the_way: impl Fn(&CaseId) -> bool) -> Plan {
    let touched = |planned: &&crate::scenario::PlannedCase| {
        on_the_way(&planned.case.id) || planned.case.twin.as_ref().is_some_and(&on_the_way)
    };
    let chosen: BTreeSet<&CaseId> = plan.cases.iter().filter(touched).map(|planned| &planned.case.id).collect();
    let twins: BTreeSet<&CaseId> = plan
        .cases
        .iter()
        .filter(|planned| chosen.contains(&planned.case.id))
        .filter_map(|planned| planned.case.twin.as_ref())
        .collect();
    let kept =
        plan.cases.iter().filter(|planned| chosen.contains(&planned.case.id) || twins.contains(&planned.case.id));
    Plan { scenarios: plan.scenarios.clone(), cases: kept.cloned().collect(), waivers: Vec::new(), partial: true }
}
/// Cases by the objects that their flows name.
fn named(cases: &[CaseRecord], engine: &Engine<'_>) -> BTreeMap<ObjectRef, BTreeSet<CaseId>> {
    let mut named: BTreeMap<ObjectRef, BTreeSet<CaseId>> = BTreeMap::new();
    for case in cases {
        let objects = engine.named_objects(&case.case.flow).unwrap_or_default();
        for object in objects {
            named.entry(object).or_default().insert(case.case.id.clone());
        }
    }
    named
}

/// Whether a case passes one of these checkpoints; nobody knows it of a case without a trace.
fn passes(case: &CaseRecord, checkpoints: &[Checkpoint]) -> bool {
    trace(case).is_none_or(|trace| trace.checks().any(|check| checkpoints.contains(&check.checkpoint)))
}

/// Whether one of the proxies is an end of the flow or of one of its hops.
fn meets(case: &CaseRecord, proxies: &BTreeSet<String>) -> bool {
    let ends = trace(case).into_iter().flat_map(|trace| &trace.hops).flat_map(|hop| [&hop.from, &hop.to]);
    let own = match &case.case.flow.from {
        Source::Workload(namespace, name) => proxies.contains(&format!("{namespace}/{name}")),
        Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => false,
    };
    let aim = match &case.case.flow.to {
        Destination::Gateway(..) => true,
        Destination::Service(namespace, name) | Destination::Pod(namespace, name) => {
            proxies.contains(&format!("{namespace}/{name}"))
        }
        Destination::Host(_)
        | Destination::Address(_)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => false,
    };
    own || aim || ends.into_iter().any(|end| proxies.contains(end))
}

fn aims_outside(case: &CaseRecord) -> bool {
    match &case.case.flow.to {
        Destination::Host(_) | Destination::Address(_) | Destination::Name(_) => true,
        Destination::Service(..)
        | Destination::Pod(..)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Object(_) => trace(case).is_none(),
    }
}

fn trace(case: &CaseRecord) -> Option<&airtight_model::path::Trace> {
    case.observation.as_ref()?.evidence.trace.as_ref()
}
