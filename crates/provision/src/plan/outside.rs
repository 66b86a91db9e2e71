//! A client outside of the cluster: a container on its network, with ways to the addresses of pods.

use serde::Serialize;

use super::cluster::{CLUSTER, NETWORK, NODE_IMAGE, node};
use super::stand_in::LOAD;
use super::{Action, Ensure, Step};
use crate::docker_call::{ContainerSpec, DockerCall, DockerThing, Label};
use crate::options::Options;
use crate::probe_image::PROBE_IMAGE;
use crate::recipe::Recipe;
use crate::site::Site;

const STEP: &str = "outside";

/// Ways from a container to the addresses of pods: by each node to its own.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ways {
    /// The container that gets them.
    pub container: String,
    /// An image with a program `ip`.
    pub image: String,
    /// Whose they are.
    pub label: Label,
}

/// The container stands behind `stand_ins` others with fixed addresses.
pub(super) fn step(stand_ins: u32, recipe: &Recipe, options: &Options, site: &Site) -> Step {
    let container = site.outside();
    let spec = ContainerSpec {
        name: container.clone(),
        image: PROBE_IMAGE.to_owned(),
        arguments: vec!["pause".to_owned()],
        network: site.network(),
        address: site.fixed_address(stand_ins),
        label: site.label(),
        sysctls: vec![("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned())],
        mount: None,
    };
    let ensure = Ensure {
        what: format!("container {container}"),
        ask: DockerThing::Container(container.clone()),
        ours: Some(site.name.to_string()),
        expect: Some(format!("{} true", site.name)),
        remove: Some(DockerCall::RemoveContainers(vec![container.clone()]).into()),
        make: vec![DockerCall::Start(Box::new(spec)).into()],
        guarded: false,
    };
    let ways = Ways { container, image: node(recipe, options).to_string(), label: site.label() };
    Step::new(STEP, "a client outside of the cluster", 120)
        .needs([NETWORK, NODE_IMAGE, CLUSTER, LOAD])
        .acts([Action::Ensure(ensure), Action::Ways(ways)])
}
