//! Which addresses a flow to an address may show up with: endpoints behind a service, and waypoints before it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use airtight_cluster::Cluster;
use airtight_cluster::read;
use airtight_cluster::read::{items, text};
use airtight_manifest::Failure;
use airtight_model::policy::Checkpoint;
use serde_json::Value;

use super::proxy::ProxyPod;

const USE_WAYPOINT: &str = "istio.io/use-waypoint";
const USE_WAYPOINT_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
const WAYPOINT_FOR: &str = "istio.io/waypoint-for";

/// What lies between the address that a client dials and the pods that take the flow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ways {
    /// By address and port of a service: the pods' addresses and ports.
    pub endpoints: BTreeMap<SocketAddr, BTreeSet<SocketAddr>>,
    /// By address of a service or pod: the addresses of its waypoint's pods.
    pub waypoints: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
    /// By address: the pods of waypoints and gateways, and which of both they are.
    pub proxies: BTreeMap<IpAddr, Checkpoint>,
}

/// A Gateway that is a waypoint.
struct Waypoint {
    pods: BTreeSet<IpAddr>,
    /// `service` (the default), `workload`, `all` or `none`.
    serves: String,
}

impl Ways {
    /// Reads Services, ServiceEntries, EndpointSlices, Namespaces, Gateways and the pods with a waypoint of their own. `proxies` are
    /// the pods of all Gateways.
    ///
    /// A label on the object goes before its namespace's, and `none` is no waypoint (Istio
    /// `pilot/pkg/serviceregistry/kube/controller/ambient/waypoints.go`).
    ///
    /// # Errors
    /// When one of them cannot be read: which, and why.
    pub fn read(cluster: &dyn Cluster, proxies: &[ProxyPod]) -> Result<Self, Failure> {
        let services = read::list(cluster, "/api/v1/services")?;
        let slices = read::list(cluster, "/apis/discovery.k8s.io/v1/endpointslices")?;
        let namespaces = read::list(cluster, "/api/v1/namespaces")?;
        let gateways =
            read::list_if_served(cluster, "/apis/gateway.networking.k8s.io/v1/gateways")?.unwrap_or_default();
        let entries = read::list_if_served(cluster, "/apis/networking.istio.io/v1/serviceentries")?.unwrap_or_default();
        let pods = read::list(cluster, "/api/v1/pods?labelSelector=istio.io%2Fuse-waypoint")?;
        let waypoints = waypoints(&gateways, proxies);
        let known = proxies.iter().map(|pod| (pod.ip, pod.checkpoint)).collect();
        let mut ways = Self { proxies: known, ..Self::default() };
        for service in &services {
            ways.add_service(service, &slices);
        }
        let by_name: BTreeMap<&str, &Value> =
            namespaces.iter().map(|each| (text(each, "/metadata/name"), each)).collect();
        let namespace = |object: &Value| by_name.get(text(object, "/metadata/namespace")).copied();
        let service = (&["service", "all"][..], &["/spec/clusterIPs", "/spec/addresses", "/status/addresses"][..]);
        let workload = (&["workload", "all"][..], &["/status/podIPs"][..]);
        let bindable = services.iter().chain(&entries).map(|object| (object, service));
        for (object, (serving, pointers)) in bindable.chain(pods.iter().map(|pod| (pod, workload))) {
            let bound = bound(object, namespace(object), &waypoints, serving);
            let addresses = pointers.iter().flat_map(|pointer| addresses(object, pointer));
            for address in addresses.filter(|_| !bound.is_empty()) {
                ways.waypoints.entry(address).or_default().extend(&bound);
            }
        }
        Ok(ways)
    }

    /// The address itself, and the endpoints behind it.
    #[must_use]
    pub fn targets(&self, to: SocketAddr) -> BTreeSet<SocketAddr> {
        let behind = self.endpoints.get(&to).into_iter().flatten().copied();
        std::iter::once(to).chain(behind).collect()
    }

    /// Where a client in the mesh may open HBONE to, for a flow to this address.
    #[must_use]
    pub fn tunnels(&self, to: SocketAddr) -> BTreeSet<IpAddr> {
        match self.waypoints.get(&to.ip()) {
            Some(waypoints) => waypoints.clone(),
            None => self.targets(to).into_iter().map(|address| address.ip()).collect(),
        }
    }

    fn add_service(&mut self, service: &Value, slices: &[Value]) {
        let (namespace, name) = (text(service, "/metadata/namespace"), text(service, "/metadata/name"));
        let own = slices.iter().filter(|slice| {
            text(slice, "/metadata/namespace") == namespace
                && text(slice, "/metadata/labels/kubernetes.io~1service-name") == name
        });
        let own: Vec<&Value> = own.collect();
        for port in items(service, "/spec/ports") {
            let Some(number) = port_of(port) else { continue };
            let behind: BTreeSet<SocketAddr> =
                own.iter().flat_map(|slice| endpoints(slice, text(port, "/name"))).collect();
            for address in addresses(service, "/spec/clusterIPs") {
                self.endpoints.entry(SocketAddr::new(address, number)).or_default().extend(&behind);
            }
        }
    }
}

fn port_of(port: &Value) -> Option<u16> {
    port.get("port").and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok())
}

/// Every endpoint, ready or not: a flow may go to one that has just ceased to be.
pub(crate) fn endpoints<'a>(slice: &'a Value, port: &'a str) -> impl Iterator<Item = SocketAddr> + 'a {
    let ports: Vec<u16> =
        items(slice, "/ports").iter().filter(|each| text(each, "/name") == port).filter_map(port_of).collect();
    items(slice, "/endpoints")
        .iter()
        .flat_map(|endpoint| addresses(endpoint, "/addresses"))
        .flat_map(move |address| ports.clone().into_iter().map(move |port| SocketAddr::new(address, port)))
}

/// Addresses in a list of texts, or of objects with a member `ip` or `value`; a headless service's `None` is none.
fn addresses(object: &Value, pointer: &str) -> Vec<IpAddr> {
    let each = items(object, pointer).iter();
    let written = |item: &Value| {
        [item.as_str(), Some(text(item, "/ip")), Some(text(item, "/value"))]
            .into_iter()
            .flatten()
            .find_map(|written| written.parse().ok())
    };
    each.filter_map(written).collect()
}

fn waypoints(gateways: &[Value], proxies: &[ProxyPod]) -> BTreeMap<(String, String), Waypoint> {
    let mut found = BTreeMap::new();
    for gateway in gateways {
        let key = (text(gateway, "/metadata/namespace").to_owned(), text(gateway, "/metadata/name").to_owned());
        let own = proxies.iter().filter(|pod| pod.gateway == key && pod.checkpoint == Checkpoint::Waypoint);
        let pods: BTreeSet<IpAddr> = own.map(|pod| pod.ip).collect();
        let serves = label(gateway, WAYPOINT_FOR).unwrap_or("service").to_owned();
        if !pods.is_empty() {
            found.insert(key, Waypoint { pods, serves });
        }
    }
    found
}

fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(name)?.as_str()
}

/// The pods of the waypoint that an object is bound to.
fn bound(
    object: &Value,
    namespace: Option<&Value>,
    waypoints: &BTreeMap<(String, String), Waypoint>,
    serving: &[&str],
) -> BTreeSet<IpAddr> {
    let own = text(object, "/metadata/namespace");
    let chosen = [Some(object), namespace].into_iter().flatten().find_map(|labelled| {
        let name = label(labelled, USE_WAYPOINT)?;
        Some((label(labelled, USE_WAYPOINT_NAMESPACE).unwrap_or(own).to_owned(), name.to_owned()))
    });
    let waypoint = chosen.filter(|(_, name)| name != "none").and_then(|key| waypoints.get(&key));
    waypoint
        .filter(|waypoint| serving.contains(&waypoint.serves.as_str()))
        .map(|waypoint| waypoint.pods.clone())
        .unwrap_or_default()
}
