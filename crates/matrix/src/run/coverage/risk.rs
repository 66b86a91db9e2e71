//! Why an allowed flow is worth a case.

use airtight_model::path::reach::{Cell, Place, Reachability, Who};
use airtight_model::world::{Enrolment, Pod, PodId, World};
use schemars::JsonSchema;
use serde::Serialize;

/// A reason for which an allowed flow is worth a case, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// It comes from a user on the Internet.
    FromOutside,
    /// It leads to a port on which databases, queues and object stores listen.
    ReachesData,
    /// It leaves the cluster.
    ReachesOutside,
    /// It leads from one environment or tier to another, as labels of namespaces have them.
    CrossesTier,
    /// It leads from one namespace to another.
    CrossesNamespace,
    /// Nobody proves who the client is: one of its ends is not in the mesh.
    Unauthenticated,
}

/// Ports by which data is reached, as IANA's registry or their makers have them.
const DATA_PORTS: &[u16] = &[
    1433, 1521, 2379, 3306, 5432, 5672, 5984, 6333, 6334, 6379, 7687, 8086, 8123, 9042, 9092, 9200, 11211, 19530,
    26257, 27017,
];

/// The last parts of the labels that say to which tier a namespace belongs.
const TIERS: &[&str] = &["environment", "env", "stage", "tier", "zone"];

/// The risks of a cell, the worst first.
pub(super) fn risks(reach: &Reachability<'_, '_>, cell: &Cell<'_>) -> Vec<Risk> {
    let target = &reach.targets()[cell.target];
    let homes = (reach.row_namespace(cell.row), reach.target_namespace(cell.target));
    let is_outside = matches!(target.place, Place::Host(_));
    let mut risks = Vec::new();
    let mut push = |is: bool, risk| risks.extend(is.then_some(risk));
    push(reach.rows()[cell.row].who == Who::Outside, Risk::FromOutside);
    push(!is_outside && DATA_PORTS.contains(&target.port), Risk::ReachesData);
    push(is_outside, Risk::ReachesOutside);
    if let (Some(from), Some(to)) = homes {
        push(crosses_tier(reach.world(), from, to), Risk::CrossesTier);
        push(from != to, Risk::CrossesNamespace);
    }
    push(!is_outside && !is_authenticated(reach, cell), Risk::Unauthenticated);
    risks
}

/// The order of flows by their risks: the worst reason counts first, then how many there are.
pub(super) fn order(risks: &[Risk]) -> (Risk, std::cmp::Reverse<usize>) {
    (risks.first().copied().unwrap_or(Risk::Unauthenticated), std::cmp::Reverse(risks.len()))
}

fn crosses_tier(world: &World, from: &str, to: &str) -> bool {
    let tiers = |namespace: &str| {
        let labels = world.namespace_labels(namespace).iter();
        let is_tier = |key: &str| TIERS.contains(&key.rsplit_once('/').map_or(key, |(_, last)| last));
        labels.filter(|(key, _)| is_tier(key)).map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
    };
    let there = tiers(to);
    tiers(from).iter().any(|(key, value)| there.iter().any(|(other, theirs)| key == other && value != theirs))
}

fn is_authenticated(reach: &Reachability<'_, '_>, cell: &Cell<'_>) -> bool {
    let world = reach.world();
    let Who::Class(from) = reach.rows()[cell.row].who else { return false };
    let pod = |id: &PodId| world.pod(*id);
    let in_mesh = |pod: &Pod| pod.enrolment != Enrolment::None;
    let source = reach.classes()[from.0 as usize].pods.iter().map(pod).all(in_mesh);
    let target = match &reach.targets()[cell.target].place {
        Place::Class(class) => reach.classes()[class.0 as usize].pods.iter().map(pod).all(accepts),
        Place::Service(index) => world.services[*index].backends.iter().map(pod).all(accepts),
        Place::Gateway(_) | Place::Host(_) => false,
    };
    source && target
}

fn accepts(pod: &Pod) -> bool {
    pod.enrolment.accepts_hbone()
}
