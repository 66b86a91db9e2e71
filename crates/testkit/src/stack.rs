//! Stacks: those that come with the program, and any other versions.

use airtight_manifest::Document;
use airtight_manifest::stack::{CiliumOptions, IstioOptions, KyvernoSettings, Stack, Versions};

use crate::repository;

/// A stack that is small enough to be brought up in a second, with everything that a stack can have.
pub const SMALL: &str = include_str!("../fixtures/small-stack.yaml");

/// The document of a stack that comes with the program.
#[must_use]
pub fn document(name: &str) -> Document {
    repository::document(&format!("kind/stacks/{name}.yaml"))
}

/// A stack that comes with the program.
#[must_use]
pub fn shipped(name: &str) -> Stack {
    Stack::read(&document(name)).unwrap()
}

/// The components of the reference stack, on a later Kubernetes and without options, once `change` has set some.
pub fn with(change: impl FnOnce(&mut Versions)) -> Stack {
    let version = |text: &str| text.parse().unwrap();
    let mut versions = Versions {
        kubernetes: version("1.33.0"),
        cilium: version("1.17.5"),
        istio: version("1.26.2"),
        gateway_api: version("1.2.1"),
        kgateway: version("2.0.3"),
        agentgateway: None,
        kyverno: version("1.14.4"),
    };
    change(&mut versions);
    Stack {
        name: "vectors".to_owned(),
        versions,
        cilium: CiliumOptions::default(),
        istio: IstioOptions::default(),
        kyverno: KyvernoSettings::default(),
    }
}
