//! Worlds that come with the program, and those that a file describes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use airtight_manifest::{Document, Node, Position};
use airtight_model::world::{Endpoint, Environment, HostId, NodeId, World, build};
use serde_json::Value;

use crate::{repository, stack};

/// The reference policy set and its workloads.
pub fn manifests() -> Vec<Document> {
    ["manifests/workloads", "manifests/system", "manifests/policies"].into_iter().flat_map(repository::folder).collect()
}

/// What is around the reference set.
#[must_use]
pub fn environment() -> Environment {
    Environment::read(&repository::document("manifests/environment.yaml")).unwrap()
}

/// The reference set on a stack that comes with the program. It is built once.
#[must_use]
pub fn reference(stack: &str) -> World {
    static BUILT: Mutex<BTreeMap<String, World>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(stack.to_owned()).or_insert_with(|| of(&manifests(), stack)).clone()
}

/// These manifests around which is what is around the reference set, on a stack that comes with the program.
#[must_use]
pub fn of(manifests: &[Document], stack: &str) -> World {
    let built = build(manifests, &environment(), stack::shipped(stack));
    built.unwrap_or_else(|findings| panic!("{findings:#?}")).world
}

/// Objects as the documents of one file.
#[must_use]
pub fn documents(objects: &[Value]) -> Vec<Document> {
    let at = Position { line: 1, column: 1 };
    let file: Arc<str> = Arc::from("world.yaml");
    let written =
        objects.iter().map(|object| Document { file: Arc::clone(&file), root: Node::from_json(object, at).into() });
    written.collect()
}

/// `NAMESPACE/POD`, `node/NAME`, `probe/NODE`, `host/NAME`, `outside` or an address.
#[must_use]
pub fn endpoint(world: &World, text: &str) -> Endpoint {
    let node =
        |name: &str| NodeId(u32::try_from(world.nodes.iter().position(|node| &*node.name == name).unwrap()).unwrap());
    if text == "outside" {
        return Endpoint::Address(world.outside);
    }
    if let Ok(address) = text.parse() {
        return Endpoint::Address(address);
    }
    match text.split_once('/').unwrap_or_else(|| panic!("no endpoint: {text}")) {
        ("node", name) => Endpoint::Node(node(name)),
        ("probe", name) => Endpoint::ProbeAddress(node(name)),
        ("host", name) => {
            let index = world.hosts.iter().position(|host| host.names.iter().any(|own| &**own == name)).unwrap();
            Endpoint::Host(HostId(u32::try_from(index).unwrap()), world.hosts[index].addresses[0])
        }
        (namespace, name) => {
            let pod = world.workload(namespace, name).next().unwrap_or_else(|| panic!("no pod {text}"));
            if pod.host_network { Endpoint::HostNetworkPod(pod.id) } else { Endpoint::Pod(pod.id) }
        }
    }
}
