//! Which flows of a cluster the mesh carries in tunnels that only the proxy at their beginning can open.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_cluster::pod::Pod;
use airtight_cluster::read::{items, list, text};
use airtight_model::path::Destination;
use serde_json::Value;

/// Namespace and name.
type Name = (String, String);

/// Istio's label on the proxies of waypoints (`manifests/charts/istio-control/istio-discovery/files/waypoint.yaml`).
const MANAGED: &str = "gateway.istio.io/managed";
const WAYPOINT: &str = "istio.io-mesh-controller";

/// What istio-cni writes on pods that ztunnel captures (`cni/pkg/util/podutil.go`).
const REDIRECTION: &str = "ambient.istio.io/redirection";

/// Who is in the mesh.
#[derive(Debug, Clone, Default)]
pub(super) struct Mesh {
    /// Workloads that are waypoints.
    waypoints: BTreeSet<Name>,
    /// Workloads whose pods ztunnel captures.
    captured: BTreeSet<Name>,
    /// Services with such a pod behind them.
    fronts: BTreeSet<Name>,
}

impl Mesh {
    /// Tells from pods, as they are listed and as they are read; Services only where somebody may list them.
    pub(super) fn read(cluster: &dyn Cluster, pods: &[(Value, Pod)]) -> Self {
        let workload = |pod: &Pod| (pod.namespace.clone(), pod.workload.clone());
        let of = |wanted: &dyn Fn(&Value) -> bool| {
            pods.iter().filter(|(object, _)| wanted(object)).map(|(_, pod)| workload(pod)).collect::<BTreeSet<Name>>()
        };
        let is_waypoint = |object: &Value| entry(object, "labels", MANAGED) == Some(WAYPOINT);
        let is_captured = |object: &Value| entry(object, "annotations", REDIRECTION) == Some("enabled");
        let waypoints = of(&is_waypoint);
        if waypoints.is_empty() {
            return Self::default();
        }
        let own: BTreeMap<Name, &Value> =
            pods.iter().map(|(object, pod)| ((pod.namespace.clone(), pod.name.clone()), object)).collect();
        let slices = list(cluster, "/apis/discovery.k8s.io/v1/endpointslices").unwrap_or_default();
        let fronts = slices.iter().filter(|slice| {
            let namespace = text(slice, "/metadata/namespace");
            let mut pods = items(slice, "/endpoints").iter().map(|endpoint| text(endpoint, "/targetRef/name"));
            pods.any(|pod| own.get(&(namespace.to_owned(), pod.to_owned())).is_some_and(|object| is_captured(object)))
        });
        Self { captured: of(&is_captured), fronts: fronts.filter_map(service).collect(), waypoints }
    }

    /// Whether a flow is a waypoint's to a pod of the mesh: the proxy carries it in HBONE, with a certificate of its own.
    pub(super) fn is_tunnelled(&self, namespace: &str, workload: &str, to: &Destination) -> bool {
        if !self.waypoints.contains(&(namespace.to_owned(), workload.to_owned())) {
            return false;
        }
        match to {
            Destination::Pod(namespace, name) => self.captured.contains(&(namespace.clone(), name.clone())),
            Destination::Service(namespace, name) => self.fronts.contains(&(namespace.clone(), name.clone())),
            Destination::Host(_)
            | Destination::Name(_)
            | Destination::Address(_)
            | Destination::Gateway(..)
            | Destination::Node(_)
            | Destination::Object(_) => false,
        }
    }
}

fn entry<'a>(object: &'a Value, map: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(map)?.get(key)?.as_str()
}

/// The Service of an EndpointSlice (Kubernetes `discovery/v1`, `LabelServiceName`).
fn service(slice: &Value) -> Option<Name> {
    let name = entry(slice, "labels", "kubernetes.io/service-name")?;
    Some((text(slice, "/metadata/namespace").to_owned(), name.to_owned()))
}
