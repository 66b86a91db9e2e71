//! The state of a cluster: everything that exists once admission has acted on the manifests.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Labels, ObjectRef, Resource, RuleRef};

use super::admission::AdmissionEvent;
use super::api_server::ApiServer;
use super::endpoint::{Host, HostId, Node, NodeId};
use super::lookup::Lookup;
use super::objects::Objects;
use super::pod::{Pod, PodId};
use super::proxy::Proxy;
use super::service::Service;
use super::touched::Touched;

/// Everything that exists once admission has acted on the manifests.
#[derive(Debug, Clone)]
pub struct World {
    /// Versions and options.
    pub stack: Stack,
    /// Namespaces by name.
    pub namespaces: Arc<BTreeMap<Arc<str>, Namespace>>,
    /// Nodes; a [`NodeId`] is an index.
    pub nodes: Arc<[Node]>,
    /// Pods; a [`PodId`] is an index.
    pub pods: Arc<[Pod]>,
    /// Services.
    pub services: Arc<[Service]>,
    /// Proxies that controllers made for Gateways.
    pub proxies: Arc<[Proxy]>,
    /// Hosts outside the cluster; a [`HostId`] is an index.
    pub hosts: Arc<[Host]>,
    /// Where a user on the Internet comes from.
    pub outside: IpAddr,
    /// Policy and routing objects in force.
    pub objects: Objects,
    /// What admission did.
    pub admission: Arc<[AdmissionEvent]>,
    /// Pods about which nobody knows what admission makes of them, with the rules to blame.
    pub doubts: Arc<BTreeMap<PodId, Vec<RuleRef>>>,
    /// Objects of kinds that are not modelled, and what each of them touches.
    pub touched: Arc<[Touched]>,
    /// What answers requests to change objects.
    pub api_server: Arc<ApiServer>,
    /// Policy objects that were taken out of `objects` since (see [`World::without`]).
    pub removed: Vec<ObjectRef>,
    /// Policy objects of `objects` that were written otherwise since (see [`World::with_changed`]).
    pub changed: Vec<Resource>,
    /// Pods and Services by name.
    pub(super) lookup: Lookup,
}

/// A namespace with its labels, the implied `kubernetes.io/metadata.name` among them.
#[derive(Debug, Clone, PartialEq)]
pub struct Namespace {
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
}

impl World {
    /// The pod of an id.
    ///
    /// # Panics
    /// If the id belongs to another world.
    #[must_use]
    pub fn pod(&self, id: PodId) -> &Pod {
        &self.pods[id.0 as usize]
    }

    /// The node of an id.
    ///
    /// # Panics
    /// If the id belongs to another world.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The host of an id.
    ///
    /// # Panics
    /// If the id belongs to another world.
    #[must_use]
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0 as usize]
    }

    /// The same with other policy and routing objects in force.
    #[must_use]
    pub fn with_objects(&self, objects: Objects) -> Self {
        Self { objects, ..self.clone() }
    }

    /// The same with other pods, of which each id is the index.
    #[must_use]
    pub fn with_pods(&self, pods: Arc<[Pod]>) -> Self {
        Self { pods, lookup: Lookup::default(), ..self.clone() }
    }

    /// Pods of a workload (or the pod of that name).
    pub fn workload<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = &'a Pod> {
        let known = self.lookup.workload(&self.pods, namespace, name);
        let indexed = known.into_iter().flatten().map(|place| &self.pods[*place]);
        // Without an index of these pods, each is looked at.
        let others = if known.is_some() { &[][..] } else { &*self.pods };
        let is_meant = move |pod: &&Pod| &*pod.namespace == namespace && (&*pod.workload == name || &*pod.name == name);
        indexed.chain(others.iter().filter(is_meant))
    }

    /// A Service by namespace and name.
    #[must_use]
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        match self.lookup.service(&self.services, namespace, name) {
            Some(places) => places.first().map(|place| &self.services[*place]),
            None => self.services.iter().find(|service| &*service.namespace == namespace && &*service.name == name),
        }
    }

    /// Whether the API server has an object, of whatever kind.
    #[must_use]
    pub fn stores(&self, object: &ObjectRef) -> bool {
        self.api_server.item(object).is_some()
    }

    /// Labels of a namespace; empty if it does not exist.
    #[must_use]
    pub fn namespace_labels(&self, name: &str) -> &Labels {
        static NONE: Labels = Labels::new();
        self.namespaces.get(name).map_or(&NONE, |namespace| &namespace.labels)
    }
}
