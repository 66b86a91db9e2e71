//! Where the names of scenarios are in the cluster: pods, gateways, nodes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use airtight_cluster::pod::Pod;
use airtight_cluster::read::{items, list, text};
use airtight_cluster::{Cluster, Container};
use airtight_manifest::Failure;
use airtight_model::path::Destination;
use airtight_probe::wire;
use serde_json::Value;

use crate::entrance::Entrance;
use crate::evidence::HBONE;
use crate::mesh::{Carries, Mesh};
use crate::nodes::Nodes;
use crate::temporary::EPHEMERAL;

/// Namespace and name.
type Name = (String, String);

/// Where the names of scenarios are in the cluster, as of one moment.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// By workload, and by name among its pods.
    workloads: BTreeMap<Name, Vec<Pod>>,
    /// Gateways and their addresses (or names); what cannot be listed has a reason.
    gateways: Result<BTreeMap<Name, Option<String>>, String>,
    /// Addresses of Services that stand for gateways, by the gateway.
    fronts: Result<BTreeMap<Name, String>, String>,
    /// How gateways are entered from outside.
    entrances: BTreeMap<Name, Entrance>,
    nodes: Result<Nodes, String>,
    /// Probes on the network of nodes, by the node.
    on_nodes: BTreeMap<String, Pod>,
    mesh: Mesh,
    /// Whether a pod has an IPv6 address.
    has_ipv6: bool,
}

/// By this label the probe pods on the network of nodes are known.
pub(super) const NODE_PROBE: &str = "airtight.dev/node-probe";

/// Why a flow has no place to start from or to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unavailable {
    /// It cannot be tried on this cluster, however long one waits.
    Permanently(String),
    /// It could be tried if the cluster were as it should be.
    Temporarily(String),
}

impl Places {
    /// Lists what is there: pods must be had, the rest only if a flow asks for it.
    pub(super) fn read(cluster: &dyn Cluster, image: &str) -> Result<Self, Failure> {
        let mut workloads: BTreeMap<Name, Vec<Pod>> = BTreeMap::new();
        let mut on_nodes = BTreeMap::new();
        let pods: Vec<(Value, Pod)> = list(cluster, "/api/v1/pods")?
            .into_iter()
            .filter_map(|it| Pod::read(&it, image).map(|pod| (it, pod)))
            .collect();
        let every = |path: &str| list(cluster, path).map_err(|error| error.message);
        let services = every("/api/v1/services");
        let mesh = Mesh::read(cluster, &pods, services.as_deref().ok());
        let has_ipv6 = pods.iter().any(|(object, _)| has_ipv6(object));
        for (object, pod) in pods {
            if is_node_probe(&object) {
                on_nodes.insert(text(&object, "/spec/nodeName").to_owned(), pod);
                continue;
            }
            workloads.entry((pod.namespace.clone(), pod.workload.clone())).or_default().push(pod);
        }
        for pods in workloads.values_mut() {
            pods.sort_by(|one, other| one.name.cmp(&other.name));
        }
        Ok(Self {
            workloads,
            gateways: every("/apis/gateway.networking.k8s.io/v1/gateways")
                .map(|objects| objects.iter().filter_map(gateway).collect()),
            entrances: services.iter().flatten().filter_map(|it| Some((fronted(it)?, Entrance::read(it)))).collect(),
            fronts: services.map(|objects| objects.iter().filter_map(front).collect()),
            nodes: Nodes::read(cluster).map_err(|error| error.message),
            on_nodes,
            mesh,
            has_ipv6,
        })
    }

    /// The tunnel in which a workload's proxy would carry a flow; none if it would not.
    pub(super) fn tunnel(
        &self,
        namespace: &str,
        workload: &str,
        to: &Destination,
        port: u16,
    ) -> Result<Option<wire::Tunnel>, Unavailable> {
        let never = |why: &str| Unavailable::Permanently(format!("refused: {why}"));
        match self.mesh.carries(namespace, workload, to) {
            Carries::Clear => Ok(None),
            Carries::Unknown => Err(never(
                "nobody may list what is behind that Service, and what a proxy of Istio's sends to pods of the mesh goes \
                 through HBONE",
            )),
            Carries::Tunnel(member) => {
                let member = member.ok_or_else(|| {
                    never(
                        "what a proxy of Istio's sends to pods of the mesh goes through HBONE with a certificate of its \
                         own, for which the probe beside it has no token",
                    )
                })?;
                let to = match to {
                    Destination::Pod(namespace, name) => SocketAddr::new(self.pod_address(namespace, name)?, port),
                    other => self.mesh.backend(other, port).ok_or_else(|| {
                        Unavailable::Temporarily(format!("not every pod behind port {port} of {other} is in the mesh"))
                    })?,
                };
                Ok(Some(wire::Tunnel { to, port: HBONE, member: member.clone() }))
            }
        }
    }

    /// Whether ztunnel takes what goes to a workload's pods.
    pub(super) fn captures(&self, namespace: &str, workload: &str) -> bool {
        self.mesh.captures(namespace, workload)
    }

    /// Whether the cluster's network has IPv6.
    pub(super) fn has_ipv6(&self) -> bool {
        self.has_ipv6
    }

    /// The container from which a workload's flows start.
    pub(super) fn probe(&self, namespace: &str, workload: &str) -> Result<&Container, Unavailable> {
        let pods = self.pods(namespace, workload)?;
        if pods.iter().all(|pod| pod.probe.is_none()) {
            return Err(Unavailable::Permanently(format!("no container of {namespace}/{workload} is a probe")));
        }
        let probes = pods.iter().filter(|pod| pod.probe.is_some());
        let pod = ready(probes, namespace, workload)?;
        pod.probe.as_ref().ok_or_else(|| Unavailable::Temporarily(format!("{namespace}/{workload} has no probe")))
    }

    /// The address of a workload's pod.
    pub(super) fn pod_address(&self, namespace: &str, workload: &str) -> Result<IpAddr, Unavailable> {
        let pod = ready(self.pods(namespace, workload)?.iter(), namespace, workload)?;
        pod.address.ok_or_else(|| Unavailable::Temporarily(format!("pod {namespace}/{} has no address", pod.name)))
    }

    /// The address of a workload's pod, and the name of its node.
    pub(super) fn at_node(&self, namespace: &str, workload: &str) -> Result<(IpAddr, String), Unavailable> {
        let pod = ready(self.pods(namespace, workload)?.iter(), namespace, workload)?;
        let node = pod.host.and_then(|host| self.nodes.as_ref().ok()?.at(host));
        let lacks = |what: &str| Unavailable::Temporarily(format!("pod {namespace}/{} has no {what}", pod.name));
        Ok((pod.address.ok_or_else(|| lacks("address"))?, node.ok_or_else(|| lacks("known node"))?.to_owned()))
    }

    /// Whether a workload's pods run the probe as their own server.
    pub(super) fn is_ours(&self, namespace: &str, workload: &str) -> bool {
        let own = |pod: &Pod| pod.probe.as_ref().is_some_and(|probe| !probe.container.starts_with(EPHEMERAL));
        self.pods(namespace, workload).is_ok_and(|pods| pods.iter().all(own))
    }

    /// The workload of a pod, as `namespace/name`; a pod that nobody listed keeps its own name.
    pub(super) fn workload_of(&self, namespace: &str, pod: &str) -> String {
        let found = self.workloads.values().flatten().find(|known| known.namespace == namespace && known.name == pod);
        format!("{namespace}/{}", found.map_or(pod, |pod| pod.workload.as_str()))
    }

    /// A Gateway's address or name, of its status or of its Service.
    pub(super) fn gateway(&self, namespace: &str, name: &str) -> Result<&str, Unavailable> {
        let key = (namespace.to_owned(), name.to_owned());
        let gateways = self.gateways.as_ref().map_err(|why| Unavailable::Temporarily(why.clone()))?;
        let none = |what: &str| Unavailable::Temporarily(format!("gateway {namespace}/{name} {what}"));
        let own = gateways.get(&key).ok_or_else(|| none("does not exist"))?;
        if let Some(address) = own {
            return Ok(address);
        }
        let fronts = self.fronts.as_ref().map_err(|why| Unavailable::Temporarily(why.clone()))?;
        fronts.get(&key).map(String::as_str).ok_or_else(|| none("has no address yet"))
    }

    /// Where a client outside the cluster dials a gateway's port.
    pub(super) fn entrance(&self, namespace: &str, name: &str, port: u16) -> Result<(String, u16), Unavailable> {
        let key = (namespace.to_owned(), name.to_owned());
        let within = self.gateway(namespace, name)?;
        let pods = self.workloads.get(&key).map(Vec::as_slice).unwrap_or_default();
        // Any node leads there, and the proxy's own by the shortest way.
        let node = pods.iter().filter(|pod| pod.unready.is_none()).find_map(|pod| pod.host);
        let node = node.or_else(|| self.nodes.as_ref().ok()?.any());
        let published = self.gateways.as_ref().ok().and_then(|gateways| gateways.get(&key)?.as_deref());
        let found = match self.entrances.get(&key) {
            Some(entrance) => entrance.dialled(published, port, node),
            None => published.map(|host| (host.to_owned(), port)),
        };
        found.ok_or_else(|| {
            let what = format!("gateway {namespace}/{name} is at {within} alone, and port {port} is no port of a node");
            Unavailable::Permanently(format!("refused: {what}"))
        })
    }

    /// A node's internal address.
    pub(super) fn node(&self, name: &str) -> Result<IpAddr, Unavailable> {
        Ok(self.nodes()?.named(name)?.1.address)
    }

    /// The container from which a node's flows start.
    pub(super) fn node_probe(&self, name: &str) -> Result<&Container, Unavailable> {
        let (own, _) = self.nodes()?.named(name)?;
        let pod = self.on_nodes.get(own).ok_or_else(|| {
            Unavailable::Permanently(format!("refused: no probe runs on node {own} itself; --node-probes starts one"))
        })?;
        match (&pod.probe, &pod.unready) {
            (Some(probe), None) => Ok(probe),
            (None, _) => Err(Unavailable::Temporarily(format!("the pod on node {own} has no probe"))),
            (Some(_), Some(why)) => {
                Err(Unavailable::Temporarily(format!("the probe on node {own} cannot be used: {why}")))
            }
        }
    }

    fn nodes(&self) -> Result<&Nodes, Unavailable> {
        self.nodes.as_ref().map_err(|why| Unavailable::Temporarily(why.clone()))
    }

    fn pods(&self, namespace: &str, workload: &str) -> Result<&[Pod], Unavailable> {
        let found = self.workloads.get(&(namespace.to_owned(), workload.to_owned()));
        found
            .map(Vec::as_slice)
            .ok_or_else(|| Unavailable::Temporarily(format!("workload {namespace}/{workload} has no pod")))
    }
}

/// The first pod that can be used, or why none can.
fn ready<'a>(mut pods: impl Iterator<Item = &'a Pod>, namespace: &str, workload: &str) -> Result<&'a Pod, Unavailable> {
    let mut why = None;
    let found = pods.find(|pod| match &pod.unready {
        None => true,
        Some(reason) => {
            why = Some(format!("pod {namespace}/{} cannot be used: {reason}", pod.name));
            false
        }
    });
    found.ok_or_else(|| {
        Unavailable::Temporarily(why.unwrap_or_else(|| format!("workload {namespace}/{workload} has no pod")))
    })
}

fn name_of(object: &Value) -> Option<Name> {
    let metadata = object.get("metadata")?;
    Some((metadata.get("namespace")?.as_str()?.to_owned(), metadata.get("name")?.as_str()?.to_owned()))
}

fn gateway(object: &Value) -> Option<(Name, Option<String>)> {
    let address = object.pointer("/status/addresses/0/value").and_then(Value::as_str).map(str::to_owned);
    Some((name_of(object)?, address))
}

/// A Service that a gateway controller made, or that has a Gateway's name: the Gateway's.
fn fronted(object: &Value) -> Option<Name> {
    let (namespace, name) = name_of(object)?;
    let labels = object.get("metadata")?.get("labels");
    let label = labels.and_then(|labels| labels.get("gateway.networking.k8s.io/gateway-name")?.as_str());
    Some((namespace, label.map_or(name, str::to_owned)))
}

/// The address at which it is found.
fn front(object: &Value) -> Option<(Name, String)> {
    let given = object.pointer("/status/loadBalancer/ingress/0");
    let given = given.and_then(|given| given.get("ip").or_else(|| given.get("hostname")));
    let own = object.pointer("/spec/clusterIP").filter(|address| *address != "None");
    Some((fronted(object)?, given.or(own)?.as_str()?.to_owned()))
}

fn has_ipv6(pod: &Value) -> bool {
    items(pod, "/status/podIPs").iter().any(|address| text(address, "/ip").contains(':'))
}

fn is_node_probe(pod: &Value) -> bool {
    pod.pointer("/metadata/labels").is_some_and(|labels| labels.get(NODE_PROBE).is_some())
}
