//! Worlds for the tests of the CNI layer.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use airtight_manifest::stack::{CiliumOptions, IstioOptions, Stack, Versions};
use airtight_manifest::{Diagnostic, Document, yaml};
use airtight_model::world::{AdmissionEvent, Endpoint, Environment, HostId, NodeId, World, build};
use semver::Version;

/// A world, and why the API server refused objects on the way.
pub(crate) struct Fixture {
    pub(crate) world: World,
    pub(crate) refused: Vec<Diagnostic>,
}

pub(crate) fn stack(cilium: &str, options: CiliumOptions) -> Stack {
    let version = |text: &str| text.parse::<Version>().unwrap();
    let versions = Versions {
        kubernetes: version("1.33.0"),
        cilium: version(cilium),
        istio: version("1.26.2"),
        gateway_api: version("1.2.1"),
        kgateway: version("2.0.3"),
        agentgateway: None,
        kyverno: version("1.14.4"),
    };
    Stack { name: "vectors".to_owned(), versions, cilium: options, istio: IstioOptions::default() }
}

/// The base world, read once.
static BASE: LazyLock<(Environment, Vec<Document>)> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cni/world.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut documents = yaml::parse(&Arc::from("world.yaml"), &text).unwrap();
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
