//! What is around a cluster, as an `Environment`: its nodes and its ranges of addresses. Which hosts there are outside
//! nobody can ask, so that those are left to be assumed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use airtight_cluster::read::{items, text};
use ipnet::IpNet;
use serde_json::{Value, json};

/// An address for documentation, from which a user on the Internet comes.
const OUTSIDE: &str = "192.0.2.10";

/// A node where none is known.
const NODE: &str = "node-1";
const NODE_ADDRESS: &str = "192.0.2.250";

/// Labels of nodes on which the API server runs (kubeadm `cmd/kubeadm/app/constants/constants.go`, and before 1.24).
const CONTROL_PLANE: &[&str] = &["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// What was read that says something of what is around.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Nodes as the API server describes them.
    pub(super) nodes: Vec<Value>,
    /// Ranges of Services, by the API server's own word.
    pub(super) service_ranges: Vec<IpNet>,
    /// Addresses of the API servers, by the Service `default/kubernetes`.
    pub(super) api_servers: BTreeSet<IpAddr>,
    /// Nodes of which pods speak, with their addresses.
    hosts: BTreeMap<String, BTreeSet<IpAddr>>,
    pods: BTreeSet<IpNet>,
    services: BTreeSet<IpNet>,
}

impl Surroundings {
    /// Learns from an object of the cluster.
    pub(super) fn learn(&mut self, kind: &str, object: &Value) {
        match kind {
            "Pod" => self.pod(object),
            "Service" => {
                let listed = items(object, "/spec/clusterIPs").iter().filter_map(address);
                self.services.extend(listed.map(|address| around(address, 16, 112)));
            }
            "EndpointSlice" if is_of_api_server(object) => {
                let endpoints = items(object, "/endpoints").iter();
                let listed = endpoints.flat_map(|endpoint| items(endpoint, "/addresses")).filter_map(address);
                self.api_servers.extend(listed);
            }
            _ => {}
        }
    }

    fn pod(&mut self, pod: &Value) {
        let node = text(pod, "/spec/nodeName");
        if !node.is_empty() {
            let host: Option<IpAddr> = text(pod, "/status/hostIP").parse().ok();
            self.hosts.entry(node.to_owned()).or_default().extend(host);
        }
        if pod.pointer("/spec/hostNetwork").and_then(Value::as_bool) == Some(true) {
            return;
        }
        let listed = items(pod, "/status/podIPs").iter().filter_map(|entry| address(entry.get("ip")?));
        self.pods.extend(listed.map(|address| around(address, 24, 64)));
    }

    /// Whether the API servers are nodes of the cluster, as far as one can tell.
    pub(super) fn runs_its_api_server(&self) -> bool {
        let nodes: BTreeSet<IpAddr> = self.nodes.iter().flat_map(addresses).collect();
        self.api_servers.is_empty() || self.api_servers.iter().any(|address| nodes.contains(address))
    }

    /// The document.
    pub(super) fn document(&self) -> Value {
        let mut nodes: Vec<Value> = self.nodes.iter().map(|node| self.node(node)).collect();
        if nodes.is_empty() {
            let told = self.hosts.iter().filter(|(_, addresses)| !addresses.is_empty());
            nodes = told.map(|(name, addresses)| json!({"name": name, "addresses": addresses})).collect();
        }
        if nodes.is_empty() {
            nodes.push(json!({"name": NODE, "addresses": [NODE_ADDRESS]}));
        }
        json!({
            "apiVersion": "airtight.dev/v1alpha1",
            "kind": "Environment",
            "metadata": {"name": "snapshot"},
            "spec": {
                "nodes": nodes,
                "outside": OUTSIDE,
                "podCidrs": self.pod_ranges(),
                "serviceCidrs": self.service_ranges(),
            },
        })
    }

    fn node(&self, node: &Value) -> Value {
        let labels = node.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        let addresses: BTreeSet<IpAddr> = addresses(node).collect();
        let labelled = CONTROL_PLANE.iter().any(|label| labels.get(*label).is_some());
        // Where the Service names the API servers, it knows.
        let control_plane = if self.api_servers.is_empty() || !self.runs_its_api_server() {
            labelled
        } else {
            addresses.iter().any(|address| self.api_servers.contains(address))
        };
        let mut made = json!({"name": text(node, "/metadata/name"), "labels": labels, "addresses": addresses});
        if control_plane {
            made["controlPlane"] = json!(true);
        }
        made
    }

    fn pod_ranges(&self) -> Vec<IpNet> {
        let of_nodes = self.nodes.iter().flat_map(|node| {
            let listed = items(node, "/spec/podCIDRs").iter().filter_map(Value::as_str);
            listed.chain([text(node, "/spec/podCIDR")]).filter_map(|range| range.parse::<IpNet>().ok())
        });
        let mut ranges: Vec<IpNet> = of_nodes.collect();
        let unknown: Vec<IpNet> =
            self.pods.iter().filter(|pods| !ranges.iter().any(|range| range.contains(*pods))).copied().collect();
        ranges.extend(unknown);
        or_usual(IpNet::aggregate(&ranges), "10.244.0.0/16")
    }

    fn service_ranges(&self) -> Vec<IpNet> {
        let own = &self.service_ranges;
        let ranges = if own.is_empty() { self.services.iter().copied().collect() } else { own.clone() };
        or_usual(IpNet::aggregate(&ranges), "10.96.0.0/16")
    }
}

/// IPv4 first, as addresses are given.
fn or_usual(mut ranges: Vec<IpNet>, usual: &str) -> Vec<IpNet> {
    if ranges.is_empty() {
        ranges.extend(usual.parse::<IpNet>());
    }
    ranges.sort();
    ranges
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

fn addresses(node: &Value) -> impl Iterator<Item = IpAddr> {
    let listed = items(node, "/status/addresses").iter();
    listed.filter_map(|entry| address(entry.get("address")?))
}

/// The range of a usual size around an address.
fn around(address: IpAddr, of_four: u8, of_six: u8) -> IpNet {
    let length = if address.is_ipv4() { of_four } else { of_six };
    IpNet::new(address, length).unwrap_or_else(|_| address.into()).trunc()
}

fn is_of_api_server(slice: &Value) -> bool {
    text(slice, "/metadata/namespace") == "default"
        && text(slice, "/metadata/labels/kubernetes.io~1service-name") == "kubernetes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_ranges_are_those_of_the_cluster() {
        let mut around = Surroundings {
            nodes: vec![json!({
                "metadata": {"name": "a", "labels": {"node-role.kubernetes.io/control-plane": ""}},
                "spec": {"podCIDRs": ["10.1.0.0/24"]},
                "status": {"addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": "172.18.0.2"}]},
            })],
            ..Surroundings::default()
        };
        for ip in ["10.1.0.7", "10.9.0.7"] {
            around.learn("Pod", &json!({"spec": {"nodeName": "a"}, "status": {"podIPs": [{"ip": ip}]}}));
        }
        around.learn("Pod", &json!({"spec": {"hostNetwork": true}, "status": {"podIPs": [{"ip": "172.18.0.2"}]}}));
        around.learn("Service", &json!({"spec": {"clusterIPs": ["10.96.4.4", "None"]}}));
        let spec = &around.document()["spec"];
        assert_eq!(spec["nodes"][0]["addresses"], json!(["172.18.0.2"]));
        assert_eq!(spec["nodes"][0]["controlPlane"], json!(true));
        assert_eq!(spec["podCidrs"], json!(["10.1.0.0/24", "10.9.0.0/24"]));
        assert_eq!(spec["serviceCidrs"], json!(["10.96.0.0/16"]));
        assert!(spec.get("hosts").is_none());
    }

    #[test]
    fn the_api_server_is_where_its_service_says() {
        let slice = |ip: &str| {
            json!({"metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
                "endpoints": [{"addresses": [ip]}]})
        };
        let node = json!({"metadata": {"name": "a"}, "status": {"addresses": [{"address": "172.18.0.2"}]}});
        let mut around = Surroundings { nodes: vec![node], ..Surroundings::default() };
        around.learn("EndpointSlice", &slice("203.0.113.1"));
        assert!(!around.runs_its_api_server());
        around.learn("EndpointSlice", &slice("172.18.0.2"));
        assert!(around.runs_its_api_server());
        assert_eq!(around.document()["spec"]["nodes"][0]["controlPlane"], json!(true));
    }

    #[test]
    fn pods_speak_of_nodes_that_nobody_may_list() {
        let mut around = Surroundings::default();
        around.learn("Pod", &json!({"spec": {"nodeName": "b"}, "status": {"hostIP": "172.18.0.3"}}));
        assert_eq!(around.document()["spec"]["nodes"], json!([{"name": "b", "addresses": ["172.18.0.3"]}]));
        assert_eq!(Surroundings::default().document()["spec"]["nodes"][0]["name"], json!("node-1"));
    }
}
