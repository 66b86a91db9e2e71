//! Which flows of a cluster the mesh carries in tunnels that only the proxy at their beginning can open.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_cluster::pod::Pod;
use airtight_cluster::read::{items, list, text};
use airtight_model::path::Destination;
use serde_json::Value;

/// Namespace and name.
type Name = (String, String);

/// Istio's label on the proxies of waypoints and gateways, which speak HBONE alike
/// (`manifests/charts/istio-control/istio-discovery/files/{waypoint,kube-gateway}.yaml`).
const MANAGED: &str = "gateway.istio.io/managed";

/// What istio-cni writes on pods that ztunnel captures (`cni/pkg/util/podutil.go`).
const REDIRECTION: &str = "ambient.istio.io/redirection";

/// Who is in the mesh.
#[derive(Debug, Clone, Default)]
pub(super) struct Mesh {
    /// Workloads that are proxies of Istio's.
    proxies: BTreeSet<Name>,
    /// Workloads whose pods ztunnel captures.
    captured: BTreeSet<Name>,
    /// Services with such a pod behind them; none if nobody may know.
    fronts: Option<BTreeSet<Name>>,
}

impl Mesh {
    /// Tells from pods, as they are listed and as they are read, and from EndpointSlices where there is a proxy.
    pub(super) fn read(cluster: &dyn Cluster, pods: &[(Value, Pod)]) -> Self {
        let workload = |pod: &Pod| (pod.namespace.clone(), pod.workload.clone());
        let of = |wanted: &dyn Fn(&Value) -> bool| {
            pods.iter().filter(|(object, _)| wanted(object)).map(|(_, pod)| workload(pod)).collect::<BTreeSet<Name>>()
        };
        let is_proxy = |object: &Value| entry(object, "labels", MANAGED).is_some();
        let is_captured = |object: &Value| entry(object, "annotations", REDIRECTION) == Some("enabled");
        let proxies = of(&is_proxy);
        if proxies.is_empty() {
            return Self::default();
        }
        let own: BTreeMap<Name, &Value> =
            pods.iter().map(|(object, pod)| ((pod.namespace.clone(), pod.name.clone()), object)).collect();
        let leads_there = |slice: &Value| {
            let namespace = text(slice, "/metadata/namespace");
            let mut pods = items(slice, "/endpoints").iter().map(|endpoint| text(endpoint, "/targetRef/name"));
            pods.any(|pod| own.get(&(namespace.to_owned(), pod.to_owned())).is_some_and(|object| is_captured(object)))
        };
        let slices = list(cluster, "/apis/discovery.k8s.io/v1/endpointslices").ok();
        let fronts =
            slices.map(|slices| slices.iter().filter(|slice| leads_there(slice)).filter_map(service).collect());
        Self { captured: of(&is_captured), fronts, proxies }
    }

    /// Whether a flow is a proxy's to a pod of the mesh: the proxy carries it in HBONE, with a certificate of its own.
    /// Where nobody may know, a denial of the same flow in clear text could be taken for one of the proxy's.
    pub(super) fn is_tunnelled(&self, namespace: &str, workload: &str, to: &Destination) -> bool {
        if !self.proxies.contains(&(namespace.to_owned(), workload.to_owned())) {
            return false;
        }
        match to {
            Destination::Pod(namespace, name) => self.captured.contains(&(namespace.clone(), name.clone())),
            Destination::Service(namespace, name) => {
                let own = (namespace.clone(), name.clone());
                self.fronts.as_ref().is_none_or(|fronts| fronts.contains(&own))
            }
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
            let slice = json!({"metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
                "endpoints": [{"targetRef": {"kind": "Pod", "name": "web"}}]});
            Ok(ApiAnswer { status: self.0, body: json!({"items": [slice]}) })
        }

        fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
            unreachable!("nothing is run")
        }

        fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
            unreachable!("nothing is read")
        }
    }

    fn pod(name: &str, labels: &Value, annotations: &Value) -> (Value, Pod) {
        let object =
            json!({"metadata": {"namespace": "shop", "name": name, "labels": labels, "annotations": annotations}});
        let read = Pod::read(&object, "airtight-probe:dev").unwrap();
        (object, read)
    }

    fn mesh(status: u16) -> Mesh {
        let pods = [
            pod("waypoint", &json!({MANAGED: "istio.io-mesh-controller"}), &json!({})),
            pod("ingress", &json!({MANAGED: "istio.io-gateway-controller"}), &json!({})),
            pod("web", &json!({}), &json!({REDIRECTION: "enabled"})),
            pod("plain", &json!({}), &json!({})),
        ];
        Mesh::read(&Slices(status), &pods)
    }

    #[test]
    fn what_proxies_send_to_pods_of_the_mesh_is_tunnelled() {
        let service = |name: &str| Destination::Service("shop".to_owned(), name.to_owned());
        let pod = |name: &str| Destination::Pod("shop".to_owned(), name.to_owned());
        for proxy in ["waypoint", "ingress"] {
            for (to, tunnelled) in
                [(pod("web"), true), (service("web"), true), (pod("plain"), false), (service("plain"), false)]
            {
                assert_eq!(mesh(200).is_tunnelled("shop", proxy, &to), tunnelled, "{proxy} to {to}");
            }
            // Who may not list what is behind a Service does not know.
            assert!(mesh(403).is_tunnelled("shop", proxy, &service("plain")), "{proxy}");
        }
        assert!(!mesh(200).is_tunnelled("shop", "plain", &pod("web")));
    }
}
