//! Which cases the removal of an object can touch at all.
//!
//! Most policies bind the pods of one namespace, and most flows never come near it. What is left out here is
//! only what cannot matter; when in doubt a case is in.

use std::collections::{BTreeMap, BTreeSet};

use super::record::CaseRecord;
use crate::manifest::{ObjectRef, Resource};
use crate::path::{Destination, Source};
use crate::policy::Checkpoint;
use crate::scenario::{CaseId, Plan};

/// How far an object reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// Flows with an end of a hop in this namespace.
    Namespace(String),
    /// Flows through a waypoint.
    Waypoints,
    /// Every flow.
    Everywhere,
}

impl Reach {
    /// How far a resource reaches; the mesh's root namespace reaches everywhere.
    pub(super) fn of(resource: &Resource, root_namespace: &str) -> Self {
        match resource {
            Resource::NetworkPolicy(_) | Resource::CiliumNetworkPolicy(_) | Resource::PeerAuthentication(_) => {
                Self::home(resource.object(), root_namespace)
            }
            Resource::AuthorizationPolicy(object) if object.body.spec.targets().next().is_some() => Self::Waypoints,
            Resource::RequestAuthentication(_) => Self::Waypoints,
            Resource::AuthorizationPolicy(_) => Self::home(resource.object(), root_namespace),
            _ => Self::Everywhere,
        }
    }

    /// How far an object that admission generated reaches.
    pub(super) fn of_generated(object: &ObjectRef, root_namespace: &str) -> Self {
        match &*object.kind {
            "NetworkPolicy" | "CiliumNetworkPolicy" => Self::home(object, root_namespace),
            _ => Self::Everywhere,
        }
    }

    fn home(object: &ObjectRef, root_namespace: &str) -> Self {
        match object.namespace.as_deref() {
            Some(namespace) if namespace != root_namespace => Self::Namespace(namespace.to_owned()),
            Some(_) | None => Self::Everywhere,
        }
    }
}

/// The namespaces and waypoints on the way of every case.
#[derive(Debug)]
pub(super) struct Ways {
    namespaces: BTreeMap<CaseId, BTreeSet<String>>,
    through_waypoints: BTreeSet<CaseId>,
}

impl Ways {
    pub(super) fn of(cases: &[CaseRecord]) -> Self {
        let namespaces = cases.iter().map(|case| (case.case.id.clone(), namespaces(case))).collect();
        let waypoint = |case: &&CaseRecord| {
            trace(case).is_none_or(|trace| trace.checks().any(|check| check.checkpoint == Checkpoint::Waypoint))
        };
        let through_waypoints = cases.iter().filter(waypoint).map(|case| case.case.id.clone()).collect();
        Self { namespaces, through_waypoints }
    }

    /// The part of a plan that an object of this reach can touch: cases on whose way it lies, cases that
    /// have such a case as twin, and the twins of all of them.
    pub(super) fn part(&self, plan: &Plan, reach: &Reach) -> Plan {
        let on_the_way = |id: &CaseId| match reach {
            Reach::Namespace(name) => self.namespaces.get(id).is_none_or(|names| names.contains(name)),
            Reach::Waypoints => self.through_waypoints.contains(id),
            Reach::Everywhere => true,
        };
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
        Plan { scenarios: plan.scenarios.clone(), cases: kept.cloned().collect() }
    }
}

fn trace(case: &CaseRecord) -> Option<&crate::path::Trace> {
    case.observation.as_ref()?.evidence.trace.as_ref()
}

/// Namespaces of the flow's own ends and of every hop's.
fn namespaces(case: &CaseRecord) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Source::Workload(namespace, _) = &case.case.flow.from {
        names.insert(namespace.clone());
    }
    match &case.case.flow.to {
        Destination::Service(namespace, _) | Destination::Pod(namespace, _) | Destination::Gateway(namespace, _) => {
            names.insert(namespace.clone());
        }
        _ => {}
    }
    let ends = trace(case).into_iter().flat_map(|trace| &trace.hops).flat_map(|hop| [&hop.from, &hop.to]);
    names.extend(ends.filter_map(|end| end.split_once('/')).map(|(namespace, _)| namespace.to_owned()));
    names
}
