//! Which cases a mutant of an object can touch at all.
//!
//! A policy of a namespace decides at hops that begin or end there, whatever it says; what a flow does before it comes to
//! such a hop is the same with every mutant. So cases are left out none of whose hops, on no branch, has an end in the
//! object's namespace. When in doubt a case is in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use airtight_manifest::{Enforcer, ObjectRef, Resource};
use airtight_model::path::{Destination, Engine, Flow, Source};

use super::super::affected::{Reach, Ways, with_twins};
use crate::run::CaseRecord;
use crate::scenario::{CaseId, Plan};

/// How far mutants of an object reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Range {
    /// Flows with an end in a namespace, on any of their hops.
    Home(Arc<str>),
    /// Those, and flows through proxies.
    HomeAndProxies(Arc<str>),
    /// Flows through a waypoint or a gateway, and those that aim at one.
    Proxies,
    /// Every flow.
    Everywhere,
}

/// Where lookups are answered: every name that a flow begins with leads there.
const RESOLVERS: &str = "kube-system";

impl Range {
    /// How far any mutant of a resource reaches, as long as it stays what it is and where it is.
    pub(super) fn of(resource: &Resource, root_namespace: &str) -> Self {
        let home = resource.object().namespace.clone();
        let home = home.filter(|home| &**home != RESOLVERS && &**home != root_namespace);
        match (resource, home) {
            (
                Resource::NetworkPolicy(_) | Resource::CiliumNetworkPolicy(_) | Resource::PeerAuthentication(_),
                Some(home),
            ) => Self::Home(home),
            // One with a target decides at the target's waypoint, wherever that is.
            (Resource::AuthorizationPolicy(_) | Resource::RequestAuthentication(_), Some(home)) => {
                Self::HomeAndProxies(home)
            }
            (other, _) if other.enforcer() == Some(Enforcer::Gateway) => Self::Proxies,
            _ => Self::Everywhere,
        }
    }
}

/// What lies on the way of every case of a plan.
#[derive(Debug)]
pub(super) struct Touching<'a> {
    plan: &'a Plan,
    ways: Ways,
    /// Namespaces of the ends of all hops; none where nobody knows.
    homes: BTreeMap<&'a CaseId, Option<BTreeSet<String>>>,
    requested: BTreeSet<ObjectRef>,
    parts: Mutex<BTreeMap<Range, Arc<Plan>>>,
}

impl<'a> Touching<'a> {
    pub(super) fn of(plan: &'a Plan, cases: &[CaseRecord], engine: &Engine<'_>) -> Self {
        let flows = || plan.cases.iter().map(|planned| &planned.case);
        Self {
            plan,
            ways: Ways::of(cases, engine),
            homes: flows().map(|case| (&case.id, homes(engine, &case.flow))).collect(),
            requested: flows().flat_map(|case| requested(&case.flow)).collect(),
            parts: Mutex::default(),
        }
    }

    /// Whether a case asks the API server to change the object.
    pub(super) fn is_requested(&self, object: &ObjectRef) -> bool {
        self.requested.contains(object)
    }

    /// The part of the plan that a mutant can touch, with the twins that it takes.
    pub(super) fn part(&self, range: &Range) -> Arc<Plan> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(parts.entry(range.clone()).or_insert_with(|| Arc::new(self.chosen(range))))
    }

    fn chosen(&self, range: &Range) -> Plan {
        let at_home = |id: &CaseId, home: &str| {
            self.homes.get(id).is_none_or(|homes| homes.as_ref().is_none_or(|homes| homes.contains(home)))
        };
        let by_proxy = |id: &CaseId| self.ways.touches(&Reach::Proxies, id);
        match range {
            Range::Home(home) => with_twins(self.plan, |id| at_home(id, home)),
            Range::HomeAndProxies(home) => with_twins(self.plan, |id| at_home(id, home) || by_proxy(id)),
            Range::Proxies => with_twins(self.plan, by_proxy),
            Range::Everywhere => self.plan.clone(),
        }
    }
}

/// Namespaces in which a flow, or one of its hops, begins or ends; none if the engine cannot tell.
fn homes(engine: &Engine<'_>, flow: &Flow) -> Option<BTreeSet<String>> {
    let ends = engine.ends(flow).ok()?;
    let mut homes: BTreeSet<String> =
        ends.iter().filter_map(|end| end.split_once('/')).map(|(home, _)| home.to_owned()).collect();
    if let Source::Workload(home, _) = &flow.from {
        homes.insert(home.clone());
    }
    match &flow.to {
        Destination::Service(home, _) | Destination::Pod(home, _) | Destination::Gateway(home, _) => {
            homes.insert(home.clone());
        }
        Destination::Host(_)
        | Destination::Address(_)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => {}
    }
    Some(homes)
}

fn requested(flow: &Flow) -> impl Iterator<Item = ObjectRef> + '_ {
    flow.attempt()
        .into_iter()
        .chain(flow.after.iter().map(|request| &request.change))
        .map(|change| change.target.clone())
}
