//! Which flows of a cluster the mesh carries in tunnels that only the proxy at their beginning can open.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use airtight_cluster::Cluster;
use airtight_cluster::pod::Pod;
use airtight_cluster::read::{items, list, text};
use airtight_model::path::Destination;
use airtight_probe::wire::{Family, Member, Target};
use serde_json::Value;

use crate::evidence::endpoints;

/// Namespace and name.
type Name = (String, String);

/// Istio's label on the proxies of waypoints and gateways, which speak HBONE alike
/// (`manifests/charts/istio-control/istio-discovery/files/{waypoint,kube-gateway}.yaml`).
const MANAGED: &str = "gateway.istio.io/managed";

/// What istio-cni writes on pods that ztunnel captures (`cni/pkg/util/podutil.go`).
const REDIRECTION: &str = "ambient.istio.io/redirection";

/// What gateways write on their own pods, so that ztunnel takes only what they send (Istio
/// `cni/pkg/iptables/iptables.go`).
const BYPASS_INBOUND: &str = "ambient.istio.io/bypass-inbound-capture";

/// The files of Istio's proxies: by these names their volumes are mounted where they are looked for
/// (`manifests/charts/istio-control/istio-discovery/files/{waypoint,kube-gateway}.yaml`).
pub(super) const CREDENTIALS: [(&str, &str); 2] =
    [("istio-token", "/var/run/secrets/tokens"), ("istiod-ca-cert", "/var/run/secrets/istio")];

/// Where certificates are issued, if the proxy is not told otherwise (Istio `pkg/config/mesh/mesh.go`).
const AUTHORITY: &str = "istiod.istio-system.svc:15012";

/// Who is in the mesh.
#[derive(Debug, Clone, Default)]
pub(super) struct Mesh {
    /// Workloads that are proxies of Istio's, as members of the mesh: as far as the probe beside them can be one.
    proxies: BTreeMap<Name, Option<Member>>,
    /// Workloads whose pods ztunnel captures.
    captured: BTreeSet<Name>,
    /// Those of them to whose pods traffic comes past ztunnel.
    entered_straight: BTreeSet<Name>,
    /// Services with pods of the mesh behind them; none if nobody may know.
    fronts: Option<BTreeMap<Name, Front>>,
}

/// By port of a Service: a pod of the mesh behind it; none where pods outside of the mesh stand there as well, one of
/// which the proxy may choose.
type Front = BTreeMap<u16, Option<SocketAddr>>;

/// How a workload's proxy carries a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carries<'a> {
    /// As it stands: it is no proxy of the mesh, or the other end is none of its members.
    Clear,
    /// In a tunnel that it opens as itself; without a member, the probe beside it cannot.
    Tunnel(Option<&'a Member>),
    /// Nobody may know who is at the other end.
    Unknown,
}

impl Mesh {
    /// Tells from pods, as they are listed and as they are read, and where there is a proxy from Services (none if they
    /// cannot be listed) and EndpointSlices.
    pub(super) fn read(cluster: &dyn Cluster, pods: &[(Value, Pod)], services: Option<&[Value]>) -> Self {
        let workload = |pod: &Pod| (pod.namespace.clone(), pod.workload.clone());
        let mut proxies: BTreeMap<Name, Option<Member>> = BTreeMap::new();
        for (object, pod) in pods.iter().filter(|(object, _)| entry(object, "labels", MANAGED).is_some()) {
            let own = proxies.entry(workload(pod)).or_default();
            *own = own.take().or_else(|| member(object, pod));
        }
        let captured: Vec<&(Value, Pod)> =
            pods.iter().filter(|(object, _)| entry(object, "annotations", REDIRECTION) == Some("enabled")).collect();
        let addresses: BTreeSet<IpAddr> = captured.iter().filter_map(|(_, pod)| pod.address).collect();
        let is_entered = |object: &Value| entry(object, "annotations", BYPASS_INBOUND) == Some("true");
        let entered_straight =
            captured.iter().filter(|(object, _)| is_entered(object)).map(|(_, pod)| workload(pod)).collect();
        let captured = captured.iter().map(|(_, pod)| workload(pod)).collect();
        if proxies.is_empty() {
            return Self { captured, entered_straight, ..Self::default() };
        }
        let slices = list(cluster, "/apis/discovery.k8s.io/v1/endpointslices").ok();
        let fronts = services.zip(slices).map(|(services, slices)| fronts(services, &slices, &addresses));
        Self { proxies, captured, entered_straight, fronts }
    }

    /// Whether ztunnel takes what goes to a workload's pods.
    pub(super) fn captures(&self, namespace: &str, workload: &str) -> bool {
        let own = (namespace.to_owned(), workload.to_owned());
        self.captured.contains(&own) && !self.entered_straight.contains(&own)
    }

    /// How a workload carries a flow. Where nobody may know, a denial of the same flow in clear text could be taken for
    /// one of the proxy's.
    pub(super) fn carries(&self, namespace: &str, workload: &str, to: &Destination) -> Carries<'_> {
        let Some(member) = self.proxies.get(&(namespace.to_owned(), workload.to_owned())) else {
            return Carries::Clear;
        };
        let is_member = match to {
            Destination::Pod(namespace, name) => Some(self.captured.contains(&(namespace.clone(), name.clone()))),
            Destination::Service(namespace, name) => {
                let own = (namespace.clone(), name.clone());
                self.fronts.as_ref().map(|fronts| fronts.contains_key(&own))
            }
            Destination::Host(_)
            | Destination::Name(_)
            | Destination::Address(_)
            | Destination::Gateway(..)
            | Destination::Node(_)
            | Destination::Object(_) => Some(false),
        };
        match is_member {
            Some(true) => Carries::Tunnel(member.as_ref()),
            Some(false) => Carries::Clear,
            None => Carries::Unknown,
        }
    }

    /// The pod of the mesh that stands behind a Service's port, if all do that stand there. A proxy of Istio's goes there straight, past the waypoint
    /// of the Service (Istio `pilot/pkg/xds/endpoints/endpoint_builder.go`, `findServiceWaypoint`).
    pub(super) fn backend(&self, to: &Destination, port: u16) -> Option<SocketAddr> {
        let Destination::Service(namespace, name) = to else { return None };
        self.fronts.as_ref()?.get(&(namespace.clone(), name.clone()))?.get(&port).copied().flatten()
    }
}

/// The proxy of a pod as a member of the mesh, if the probe beside it has its credentials.
fn member(object: &Value, pod: &Pod) -> Option<Member> {
    let probe = pod.probe.as_ref()?;
    let containers = ["/spec/containers", "/spec/ephemeralContainers"].into_iter().flat_map(|list| items(object, list));
    let mut own = containers.filter(|container| text(container, "/name") == probe.container);
    let mounts = items(own.next()?, "/volumeMounts");
    let is_mounted = |(name, path): &(&str, &str)| {
        mounts.iter().any(|mount| text(mount, "/name") == *name && text(mount, "/mountPath") == *path)
    };
    let told = |name: &str| {
        let variables = items(object, "/spec/containers").iter().flat_map(|container| items(container, "/env"));
        let mut values = variables.filter(|variable| text(variable, "/name") == name);
        values.next().map(|variable| text(variable, "/value").to_owned()).filter(|value| !value.is_empty())
    };
    let (host, port) = told("CA_ADDR")
        .unwrap_or_else(|| AUTHORITY.to_owned())
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))?;
    let authority = Target { host, port, family: Family::Any };
    let cluster = told("ISTIO_META_CLUSTER_ID");
    CREDENTIALS.iter().all(is_mounted).then(|| Member { cluster, ..Member::of(authority) })
}

/// The Services with pods of the mesh behind them.
fn fronts(services: &[Value], slices: &[Value], members: &BTreeSet<IpAddr>) -> BTreeMap<Name, Front> {
    let front = |service: &Value| -> Option<(Name, Front)> {
        let own = (text(service, "/metadata/namespace").to_owned(), text(service, "/metadata/name").to_owned());
        let behind: Vec<&Value> = slices.iter().filter(|slice| service_of(slice).as_ref() == Some(&own)).collect();
        let at_port = |port: &Value| {
            let number = u16::try_from(port.get("port")?.as_u64()?).ok()?;
            let at = behind.iter().flat_map(|slice| endpoints(slice, text(port, "/name")));
            let (inside, outside): (Vec<_>, Vec<_>) = at.partition(|at| members.contains(&at.ip()));
            Some((number, inside.first().copied().filter(|_| outside.is_empty()))).filter(|_| !inside.is_empty())
        };
        let ports: Front = items(service, "/spec/ports").iter().filter_map(at_port).collect();
        (!ports.is_empty()).then_some((own, ports))
    };
    services.iter().filter_map(front).collect()
}

fn entry<'a>(object: &'a Value, map: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(map)?.get(key)?.as_str()
}

/// The Service of an EndpointSlice (Kubernetes `discovery/v1`, `LabelServiceName`).
fn service_of(slice: &Value) -> Option<Name> {
    let name = entry(slice, "labels", "kubernetes.io/service-name")?;
    Some((text(slice, "/metadata/namespace").to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use airtight_cluster::{ApiAnswer, ApiCall, Container, Execution};
    use airtight_manifest::Failure;
    use serde_json::json;

    use super::*;

    /// A cluster that lists EndpointSlices, or lets nobody list them.
    struct Slices(u16);

    impl Cluster for Slices {
        fn send(&self, _: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
            let slice = |service: &str, addresses: &[&str]| {
                let endpoints: Vec<Value> = addresses.iter().map(|address| json!({"addresses": [address]})).collect();
                json!({"metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
                    "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints})
            };
            let slices = [slice("web", &["10.0.0.3"]), slice("mixed", &["10.0.0.3", "10.0.0.4"])];
            Ok(ApiAnswer { status: self.0, body: json!({"items": slices}) })
        }

        fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
            unreachable!("nothing is run")
        }

        fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
            unreachable!("nothing is read")
        }
    }

    fn pod(name: &str, address: &str, labels: &Value, annotations: &Value, spec: &Value) -> (Value, Pod) {
        let object = json!({
            "metadata": {"namespace": "shop", "name": name, "labels": labels, "annotations": annotations},
            "spec": spec,
            "status": {"podIP": address, "ephemeralContainerStatuses":
                [{"name": "airtight-probe", "state": {"running": {}}}]},
        });
        let read = Pod::read(&object, "airtight-probe:dev").unwrap();
        (object, read)
    }

    fn proxy(mounts: &Value) -> Value {
        json!({
            "containers": [{"name": "istio-proxy", "image": "proxyv2", "env": [{"name": "ISTIO_META_CLUSTER_ID", "value": "east"}]}],
            "ephemeralContainers": [{"name": "airtight-probe", "image": "airtight-probe:dev", "volumeMounts": mounts}],
        })
    }

    fn mesh(status: u16) -> Mesh {
        let credentials = json!(CREDENTIALS.map(|(name, path)| json!({"name": name, "mountPath": path})));
        let managed = json!({MANAGED: "istio.io-gateway-controller"});
        let (none, captured) = (json!({}), json!({REDIRECTION: "enabled"}));
        let pods = [
            pod("waypoint", "10.0.0.1", &managed, &none, &proxy(&credentials)),
            pod("ingress", "10.0.0.2", &managed, &none, &proxy(&json!([]))),
            pod("web", "10.0.0.3", &none, &captured, &none),
            pod("plain", "10.0.0.4", &none, &none, &none),
        ];
        let ports = json!([{"name": "http", "port": 80}]);
        let service = |name: &str| json!({"metadata": {"namespace": "shop", "name": name}, "spec": {"ports": ports}});
        Mesh::read(&Slices(status), &pods, Some(&["web", "mixed", "plain"].map(service)))
    }

    fn service(name: &str) -> Destination {
        Destination::Service("shop".to_owned(), name.to_owned())
    }

    #[test]
    fn what_proxies_send_to_pods_of_the_mesh_is_tunnelled() {
        let pod = |name: &str| Destination::Pod("shop".to_owned(), name.to_owned());
        for proxy in ["waypoint", "ingress"] {
            for (to, tunnelled) in
                [(pod("web"), true), (service("web"), true), (pod("plain"), false), (service("plain"), false)]
            {
                let mesh = mesh(200);
                let carries = mesh.carries("shop", proxy, &to);
                assert_eq!(matches!(carries, Carries::Tunnel(_)), tunnelled, "{proxy} to {to}");
            }
            // Who may not list what is behind a Service does not know.
            assert_eq!(mesh(403).carries("shop", proxy, &service("plain")), Carries::Unknown, "{proxy}");
        }
        assert_eq!(mesh(200).carries("shop", "plain", &pod("web")), Carries::Clear);
    }

    #[test]
    fn a_probe_with_the_proxys_credentials_is_a_member() {
        let mesh = mesh(200);
        let Carries::Tunnel(Some(member)) = mesh.carries("shop", "waypoint", &service("web")) else {
            panic!("the waypoint's probe has no way into the mesh");
        };
        assert_eq!((member.authority.host.as_str(), member.authority.port), ("istiod.istio-system.svc", 15012));
        assert_eq!(member.cluster.as_deref(), Some("east"));
        assert_eq!(mesh.backend(&service("web"), 80), Some("10.0.0.3:8080".parse().unwrap()));
        assert_eq!(mesh.backend(&service("web"), 81), None);
        // The proxy may choose the pod that is outside of the mesh, which the probe would never try.
        assert!(matches!(mesh.carries("shop", "waypoint", &service("mixed")), Carries::Tunnel(Some(_))));
        assert_eq!(mesh.backend(&service("mixed"), 80), None);
        assert_eq!(mesh.carries("shop", "ingress", &service("web")), Carries::Tunnel(None));
    }
}
