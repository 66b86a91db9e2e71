//! Security identities: what policies can see of an endpoint (Cilium `pkg/identity`, `pkg/labelsfilter`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};

use airtight_manifest::Labels;
use airtight_manifest::cilium::Entity;

use super::dialect::Dialect;
use super::selector::{CLUSTER, Label, NAMESPACE, NAMESPACE_LABELS, SERVICE_ACCOUNT, SelectorId, Selectors};
use crate::world::{Endpoint, Node, NodeId, Pod, PodId, World};

/// Where the kubelet's probes of ambient pods come from (Istio `cni/README.md`, `HOST_PROBE_SNAT_IP`).
const PROBE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 7, 127));
/// The same for IPv6 (`HOST_PROBE_SNAT_IPV6`).
const PROBE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd16, 0x9254, 0x7127, 0x1337, 0xffff, 0xffff, 0xffff, 0xffff));

/// Index of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct IdentityId(u32);

impl IdentityId {
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// What kind of thing an identity stands for; the API server's flag comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// A managed pod.
    Pod,
    /// The local node.
    Host,
    /// Another node.
    RemoteNode,
    /// Anything outside the cluster.
    World,
}

/// An identity.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: IdentityId,
    pub(super) labels: Vec<Label>,
    pub(super) class: Class,
    pub(super) api_server: bool,
    /// The pod's namespace.
    pub(super) namespace: Option<Arc<str>>,
    selected: OnceLock<Box<[u64]>>,
}

impl Identity {
    fn new(
        id: IdentityId,
        mut labels: Vec<Label>,
        class: Class,
        api_server: bool,
        namespace: Option<Arc<str>>,
    ) -> Self {
        labels.sort();
        Self { id, labels, class, api_server, namespace, selected: OnceLock::new() }
    }

    /// Whether a selector matches; computed for all selectors at the first question.
    pub(super) fn selected_by(&self, selectors: &Selectors, id: SelectorId) -> bool {
        let bits = self.selected.get_or_init(|| selectors.matching(&self.labels));
        let index = id.0 as usize;
        bits.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Whether it belongs to an entity (Cilium `pkg/policy/api/entity.go`).
    pub(super) fn is(&self, entity: Entity) -> bool {
        match entity {
            Entity::All => true,
            Entity::World => self.class == Class::World,
            Entity::Cluster | Entity::ClusterMesh => self.class != Class::World,
            Entity::Host => self.class == Class::Host,
            Entity::RemoteNode => self.class == Class::RemoteNode,
            Entity::KubeApiserver => self.api_server,
            // Such endpoints are in no world: Cilium's own, and pods at the moment of their birth.
            Entity::Init | Entity::Ingress | Entity::Unmanaged | Entity::Health | Entity::None => false,
        }
    }
}

/// A peer as one side of a hop sees it.
#[derive(Debug, Clone)]
pub(super) struct Peer<'a> {
    pub(super) identity: IdentityId,
    pub(super) addresses: Vec<IpAddr>,
    /// The name whose lookup gave the address.
    pub(super) name: Option<&'a str>,
}

/// Every identity of a world.
#[derive(Debug)]
pub(super) struct Identities {
    list: Vec<Identity>,
    pods: Vec<IdentityId>,
    /// Nodes as subjects, with their labels.
    nodes: Vec<IdentityId>,
    local: [IdentityId; 2],
    remote: [IdentityId; 2],
    world: IdentityId,
    world_v4: IdentityId,
    world_v6: IdentityId,
    dual_stack: bool,
    node_at: HashMap<IpAddr, NodeId>,
    pod_at: HashMap<IpAddr, PodId>,
}

impl Identities {
    pub(super) fn of(world: &World, dialect: &Dialect) -> Self {
        let mut known = Known::default();
        let namespaces: HashMap<&str, Vec<Label>> =
            world.namespaces.iter().map(|(name, namespace)| (&**name, namespace_labels(&namespace.labels))).collect();
        let empty = Vec::new();
        let pods = world
            .pods
            .iter()
            .map(|pod| {
                let home = namespaces.get(&*pod.namespace).unwrap_or(&empty);
                known.intern(pod_labels(pod, home, dialect), Class::Pod, false, Some(&pod.namespace))
            })
            .collect();
        let nodes = world
            .nodes
            .iter()
            .map(|node| known.intern(node_labels(node), Class::Host, node.control_plane, None))
            .collect();
        let mut node = |key: &str, class, api_server: bool| {
            let mut labels = vec![Label::reserved(key)];
            labels.extend(api_server.then(|| Label::reserved("kube-apiserver")));
            known.intern(labels, class, api_server, None)
        };
        let local = [node("host", Class::Host, false), node("host", Class::Host, true)];
        let remote = [node("remote-node", Class::RemoteNode, false), node("remote-node", Class::RemoteNode, true)];
        let mut outside = |key: &str| known.intern(vec![Label::reserved(key)], Class::World, false, None);
        Self {
            world: outside("world"),
            world_v4: outside("world-ipv4"),
            world_v6: outside("world-ipv6"),
            pods,
            nodes,
            local,
            remote,
            dual_stack: world
                .pods
                .iter()
                .any(|pod| pod.addresses.iter().any(IpAddr::is_ipv4) && pod.addresses.iter().any(IpAddr::is_ipv6)),
            node_at: node_addresses(&world.nodes),
            pod_at: pod_addresses(&world.pods),
            list: known.list,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, id: IdentityId) -> &Identity {
        &self.list[id.0 as usize]
    }

    pub(super) fn iter_pods<'w>(&'w self, world: &'w World) -> impl Iterator<Item = (&'w Pod, &'w Identity)> {
        world.pods.iter().filter(|pod| !pod.host_network).map(|pod| (pod, self.get(self.pod(pod.id))))
    }

    pub(super) fn pod(&self, id: PodId) -> IdentityId {
        self.pods[id.0 as usize]
    }

    pub(super) fn node_subject(&self, id: NodeId) -> IdentityId {
        self.nodes[id.0 as usize]
    }

    /// An address of a node or a pod is that node or pod, a host-network pod its node.
    pub(super) fn resolve(&self, endpoint: Endpoint, world: &World) -> Endpoint {
        match endpoint {
            Endpoint::Address(address) | Endpoint::Host(_, address) => {
                if let Some(node) = self.node_at.get(&address) {
                    Endpoint::Node(*node)
                } else if let Some(pod) = self.pod_at.get(&address) {
                    Endpoint::Pod(*pod)
                } else {
                    endpoint
                }
            }
            Endpoint::Pod(id) if world.pod(id).host_network => Endpoint::Node(world.pod(id).node),
            Endpoint::HostNetworkPod(id) => Endpoint::Node(world.pod(id).node),
            Endpoint::Pod(_) | Endpoint::Node(_) | Endpoint::ProbeAddress(_) => endpoint,
        }
    }

    /// `endpoint` as seen from node `from`; a probe's address has the family of `towards`.
    pub(super) fn peer<'a>(
        &self,
        world: &World,
        endpoint: Endpoint,
        from: NodeId,
        towards: Option<IpAddr>,
        name: Option<&'a str>,
    ) -> Peer<'a> {
        match endpoint {
            Endpoint::Pod(id) | Endpoint::HostNetworkPod(id) => {
                Peer { identity: self.pod(id), addresses: world.pod(id).addresses.clone(), name: None }
            }
            Endpoint::Node(id) => {
                let node = world.node(id);
                let which = if id == from { self.local } else { self.remote };
                Peer { identity: which[usize::from(node.control_plane)], addresses: node.addresses.clone(), name: None }
            }
            Endpoint::ProbeAddress(_) => {
                self.outside(if towards.is_some_and(|address| address.is_ipv6()) { PROBE_V6 } else { PROBE_V4 }, None)
            }
            Endpoint::Host(_, address) | Endpoint::Address(address) => self.outside(address, name),
        }
    }

    fn outside<'a>(&self, address: IpAddr, name: Option<&'a str>) -> Peer<'a> {
        let identity = match (self.dual_stack, address) {
            (false, _) => self.world,
            (true, IpAddr::V4(_)) => self.world_v4,
            (true, IpAddr::V6(_)) => self.world_v6,
        };
        Peer { identity, addresses: vec![address], name }
    }
}

#[derive(Default)]
struct Known {
    list: Vec<Identity>,
    ids: HashMap<(Vec<Label>, Class), IdentityId>,
}

impl Known {
    fn intern(
        &mut self,
        labels: Vec<Label>,
        class: Class,
        api_server: bool,
        namespace: Option<&Arc<str>>,
    ) -> IdentityId {
        let id = IdentityId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        let identity = Identity::new(id, labels, class, api_server, namespace.cloned());
        let key = (identity.labels.clone(), class);
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        self.list.push(identity);
        self.ids.insert(key, id);
        id
    }
}

/// The labels of a namespace, each behind a prefix that the default filter lets in; but the shorter pattern of what it
/// keeps out is then tried on the whole key (Cilium `pkg/labelsfilter/filter.go`, `Filter`).
fn namespace_labels(labels: &Labels) -> Vec<Label> {
    let reaching = labels.iter().filter(|(key, _)| !key.contains(BETA));
    reaching.map(|(key, value)| Label::k8s(format!("{NAMESPACE_LABELS}{key}"), value)).collect()
}

fn pod_labels(pod: &Pod, namespace: &[Label], dialect: &Dialect) -> Vec<Label> {
    let own =
        pod.labels.iter().filter(|(key, _)| reaches_identity(key, dialect)).map(|(key, value)| Label::k8s(key, value));
    let mut labels: Vec<Label> = own.chain(namespace.iter().cloned()).collect();
    // What Kubernetes says of the pod beats labels that happen to have these keys.
    for (key, value) in [
        (NAMESPACE, &*pod.namespace),
        (SERVICE_ACCOUNT, &*pod.service_account),
        (CLUSTER, dialect.options.cluster_name.as_str()),
    ] {
        labels.retain(|label| label.key != key);
        labels.push(Label::k8s(key, value));
    }
    labels
}

fn node_labels(node: &Node) -> Vec<Label> {
    let own = node.labels.iter().map(|(key, value)| Label::k8s(key, value));
    own.chain([Label::reserved("host")]).chain(node.control_plane.then(|| Label::reserved("kube-apiserver"))).collect()
}

/// Part of a key that the default label filter keeps out wherever it stands.
const BETA: &str = "beta.kubernetes.io";

/// What Cilium itself says of a pod, such as its namespace's labels; a pod that says so of itself is not heard
/// (Cilium `pkg/k8s/utils/utils.go`, `RemoveCiliumLabels`).
const OWN: &str = "io.cilium.k8s";

/// Keys that the default label filter keeps out of identities, by their beginning
/// (Cilium `pkg/labelsfilter/filter.go`).
const EXCLUDED: &[&str] = &[
    "io.kubernetes",
    "kubernetes.io",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/controller-uid",
    "k8s.io",
    "pod-template-generation",
    "pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "annotation",
    "etcd_node",
];

/// Whether a pod's label becomes part of its identity, so that selectors can see it.
pub(super) fn reaches_identity(key: &str, dialect: &Dialect) -> bool {
    let excluded = EXCLUDED.iter().any(|prefix| key.starts_with(prefix))
        || key.starts_with(OWN)
        || key.contains(BETA)
        || (key.starts_with("topology.kubernetes.io") && dialect.since(19));
    !excluded
}

fn node_addresses(nodes: &[Node]) -> HashMap<IpAddr, NodeId> {
    let numbered = (0_u32..).zip(nodes);
    numbered.flat_map(|(index, node)| node.addresses.iter().map(move |address| (*address, NodeId(index)))).collect()
}

fn pod_addresses(pods: &[Pod]) -> HashMap<IpAddr, PodId> {
    let managed = pods.iter().filter(|pod| !pod.host_network);
    managed.flat_map(|pod| pod.addresses.iter().map(|address| (*address, pod.id))).collect()
}
