//! Kinds whose objects could not be read from a cluster: what they could bear on is not known.

use std::collections::BTreeSet;

use airtight_manifest::{Diagnostic, Enforcer, Reads, Resource, Severity, Touches, kind_info, reads};
use serde_json::Value;

use super::World;
use super::intake::Item;
use super::touched::{Reach, Touched};

/// The kind that says so.
pub(crate) const UNREAD: &str = "Unread";

/// What stands for the API server where it runs outside of the cluster.
pub(super) const API_SERVER: &str = "ApiServer";

/// Kinds of the API server's own by which it limits what a namespace may hold.
const LIMITS: &[&str] = &["ResourceQuota", "LimitRange"];

/// What the objects of a kind can bear on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bearing {
    /// No flow: what is there is there, and how it came about is past.
    Nothing,
    /// Flows of users outside.
    Users,
    /// Flows through gateways and waypoints.
    Proxies,
    /// Flows that begin or end in their namespace.
    Home,
    /// Every flow.
    Everything,
}

/// What the objects of a kind could bear on that were not read, if only those of a namespace are missing, of this one.
pub(super) fn reach(world: &World, spec: &Value, home: Option<&str>) -> Vec<Reach> {
    match (bearing(text(spec, "kind"), text(spec, "group")), home) {
        (Bearing::Nothing, _) => Vec::new(),
        (Bearing::Users, _) => vec![Reach::Beyond(BTreeSet::from(["outside".to_owned()]))],
        (Bearing::Proxies, _) => {
            let proxies = world.proxies.iter().map(|proxy| format!("{}/{}", proxy.key.0, proxy.key.1));
            vec![Reach::Ends(proxies.collect())]
        }
        (Bearing::Home, Some(home)) => vec![Reach::Ends(ends_in(world, home))],
        (Bearing::Home, None) | (Bearing::Everything, _) => vec![Reach::Everything],
    }
}

/// Whether objects of the kind decide what else may be there.
pub(super) fn admits(spec: &Value) -> bool {
    let (kind, group) = (text(spec, "kind"), text(spec, "group"));
    let acts = match reads(kind, group) {
        Some(Reads::Modelled(info)) => info.enforcer == Enforcer::Admission,
        Some(Reads::Touching(touches)) => touches == Touches::MatchedObjects,
        Some(Reads::Inert) | None => false,
    };
    acts || LIMITS.contains(&kind)
}

fn bearing(kind: &str, group: &str) -> Bearing {
    match reads(kind, group) {
        Some(Reads::Inert) => Bearing::Nothing,
        Some(Reads::Touching(touches)) => of_touches(touches),
        Some(Reads::Modelled(info)) => of_kind(info.kind, info.enforcer),
        // Policies of other networks, and settings of components.
        None => Bearing::Home,
    }
}

fn of_kind(kind: &str, enforcer: Enforcer) -> Bearing {
    let is_of_kubernetes = kind_info(kind).is_some_and(|info| info.group == "networking.k8s.io");
    match (enforcer, kind) {
        (Enforcer::Cluster, "Pod" | "Service" | "EndpointSlice" | "Endpoints")
        | (Enforcer::Cni, "CiliumNetworkPolicy") => Bearing::Home,
        (Enforcer::Cni, _) if is_of_kubernetes => Bearing::Home,
        // Those of the root namespace count everywhere.
        (Enforcer::Ztunnel | Enforcer::ProxyController | Enforcer::Cni, _)
        | (Enforcer::Cluster, "Namespace")
        | (Enforcer::Waypoint, "ServiceEntry") => Bearing::Everything,
        // Pods are read as they run, whoever made them.
        (Enforcer::Cluster | Enforcer::Admission, _) => Bearing::Nothing,
        (Enforcer::Waypoint | Enforcer::Gateway, _) => Bearing::Proxies,
    }
}

fn of_touches(touches: Touches) -> Bearing {
    match touches {
        Touches::Nothing | Touches::MatchedObjects | Touches::Unread => Bearing::Nothing,
        Touches::UsersOutside => Bearing::Users,
        Touches::IstioProxies
        | Touches::MeshRoutes
        | Touches::ParentGateways
        | Touches::TargetGateways
        | Touches::KgatewayProxies
        | Touches::Gateways => Bearing::Proxies,
        Touches::Everything
        | Touches::SubjectPods
        | Touches::SelectedPods
        | Touches::MeshEndpoints
        | Touches::RedirectedServices
        | Touches::RedirectedFrontend
        | Touches::LeavingPods => Bearing::Everything,
    }
}

/// Pods and Services of a namespace, as ends of hops.
fn ends_in(world: &World, home: &str) -> BTreeSet<String> {
    let pods = world.pods.iter().filter(|pod| *pod.namespace == *home);
    let services = world.services.iter().filter(|service| *service.namespace == *home);
    let pods = pods.map(|pod| format!("{}/{}", pod.namespace, pod.workload));
    pods.chain(services.map(|service| format!("{}/{}", service.namespace, service.name))).collect()
}

/// What is said of each: a warning where flows depend on it.
pub(super) fn findings(touched: &[Touched], items: &[Item]) -> Vec<Diagnostic> {
    let gaps = touched.iter().filter(|one| one.by == Touches::Unread);
    gaps.map(|gap| {
        let why = items.iter().find(|item| matches!(&item.resource, Resource::Unmodelled(rule) if *rule == gap.rule));
        let why = why.map(|item| text(&item.json["spec"], "why").to_owned()).unwrap_or_default();
        let (severity, what) = match gap.reach.first() {
            None => (Severity::Note, "no flow depends on it"),
            Some(Reach::Everything) => (Severity::Warning, "every flow is unknown"),
            Some(Reach::Ends(_) | Reach::To(_)) => (Severity::Warning, "flows that it could bear on are unknown"),
            Some(Reach::Beyond(_)) => (Severity::Note, "flows of users outside are unknown"),
        };
        let message = format!("{} could not be read from the cluster: {what}", gap.rule.object.name);
        Diagnostic::new(severity, "unread", message).at(gap.rule.at.clone()).hint(why)
    })
    .collect()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
