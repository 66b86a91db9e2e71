//! Worlds for the tests of the CNI layer.

#![expect(clippy::unwrap_used, reason = "a world that cannot be built is a failed test")]

use std::sync::{Arc, LazyLock};

use airtight_manifest::stack::{CiliumOptions, Stack};
use airtight_manifest::{Diagnostic, Document, yaml};
use airtight_model::world::{AdmissionEvent, Endpoint, Environment, HostId, NodeId, World, build};
use airtight_testkit::{stack, vectors};

/// A world, and why the API server refused objects on the way.
pub(crate) struct Fixture {
    pub(crate) world: World,
    pub(crate) refused: Vec<Diagnostic>,
}

pub(crate) fn stack(cilium: &str, options: CiliumOptions) -> Stack {
    let stack = stack::with(|versions| versions.cilium = cilium.parse().unwrap());
    Stack { cilium: options, ..stack }
}

/// The base world, read once.
static BASE: LazyLock<(Environment, Vec<Document>)> = LazyLock::new(|| {
    let mut documents = vectors::File::at("tests/vectors/cni/_world.yaml").documents();
    let environment = documents.remove(0);
    (Environment::read(&environment).unwrap(), documents)
});

/// The base world and the policies of `manifests`, less what the API server refuses.
pub(crate) fn build_world(manifests: &str, cilium: &str, options: CiliumOptions) -> Fixture {
    let (environment, mut documents) = (&BASE.0, BASE.1.clone());
    documents.extend(
        yaml::parse(&Arc::from("policies.yaml"), manifests).unwrap_or_else(|error| panic!("{error}\n{manifests}")),
    );
    let built = build(&documents, environment, stack(cilium, options)).unwrap_or_else(|error| panic!("{error:#?}"));
    let refused = rejected(&built.world);
    Fixture { world: built.world, refused }
}

fn rejected(world: &World) -> Vec<Diagnostic> {
    let of = |event: &AdmissionEvent| match event {
        AdmissionEvent::Rejected { findings, .. } => findings.clone(),
        AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => Vec::new(),
    };
    world.admission.iter().flat_map(of).collect()
}

/// `NAMESPACE/POD`, `node/NAME`, `probe/NODE`, `host/NAME`, `outside` or an address.
pub(crate) fn endpoint(world: &World, text: &str) -> Endpoint {
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
