//! Worlds for the tests of the CNI layer.

use std::path::Path;
use std::sync::Arc;

use airtight::manifest::cilium::{cidr_group_findings, cluster_network_policy_findings, crd_findings};
use airtight::manifest::network::network_policy_findings;
use airtight::manifest::{Diagnostic, Document, yaml};
use airtight::world::{
    AdmissionEvent, CiliumOptions, Endpoint, Environment, HostId, IstioOptions, NodeId, Stack, Versions, World, build,
};
use semver::Version;

/// A world, and why the API server refused objects on the way.
pub struct Fixture {
    pub world: World,
    pub refused: Vec<Diagnostic>,
}

pub fn stack(cilium: &str, options: CiliumOptions) -> Stack {
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

fn base() -> (Environment, Vec<Document>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cni/world.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut documents = yaml::parse(&Arc::from("world.yaml"), &text).unwrap();
    let environment = documents.remove(0);
    (Environment::read(&environment).unwrap(), documents)
}

/// The base world and the policies of `manifests`, less what the API server refuses.
pub fn build_world(manifests: &str, cilium: &str, options: CiliumOptions) -> Fixture {
    let (environment, mut documents) = base();
    documents.extend(
        yaml::parse(&Arc::from("policies.yaml"), manifests).unwrap_or_else(|error| panic!("{error}\n{manifests}")),
    );
    let built = build(&documents, &environment, stack(cilium, options)).unwrap_or_else(|error| panic!("{error:#?}"));
    let mut world = built.world;
    let mut refused: Vec<Diagnostic> = rejected(&world);
    refuse(&mut world, &mut refused);
    Fixture { world, refused }
}

fn rejected(world: &World) -> Vec<Diagnostic> {
    let of = |event: &AdmissionEvent| match event {
        AdmissionEvent::Rejected { findings, .. } => findings.clone(),
        AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => Vec::new(),
    };
    world.admission.iter().flat_map(of).collect()
}

/// What the world's admission does with the findings of the API server's schemas.
fn refuse(world: &mut World, refused: &mut Vec<Diagnostic>) {
    let cilium = world.stack.versions.cilium.clone();
    let mut keep = |findings: Vec<Diagnostic>| {
        let fine = findings.is_empty();
        refused.extend(findings);
        fine
    };
    let objects = &mut world.objects;
    objects.network_policies.retain(|object| keep(network_policy_findings(object)));
    objects.cilium_policies.retain(|object| keep(crd_findings(object, &cilium)));
    objects.cilium_clusterwide_policies.retain(|object| keep(crd_findings(object, &cilium)));
    objects.cidr_groups.retain(|object| keep(cidr_group_findings(object, &cilium)));
    objects.cluster_network_policies.retain(|object| keep(cluster_network_policy_findings(object, &cilium)));
}

/// `NAMESPACE/POD`, `node/NAME`, `probe/NODE`, `host/NAME`, `outside` or an address.
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
