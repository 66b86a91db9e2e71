//! Worlds for the tests of the CNI layer.

#![expect(clippy::unwrap_used, reason = "a world that cannot be built is a failed test")]

use std::sync::{Arc, LazyLock};

use airtight_manifest::stack::{CiliumOptions, Stack};
use airtight_manifest::{Diagnostic, Document, yaml};
use airtight_model::world::{AdmissionEvent, Environment, World, build};
pub(crate) use airtight_testkit::worlds::endpoint;
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
