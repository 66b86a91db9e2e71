//! The Docker network, the nodes' image, and the kind cluster.

use super::kind_config;
use super::mirror;
use super::{Action, Ensure, Step};
use crate::docker_call::{DockerCall, DockerThing, NetworkSpec};
use crate::gate::Gate;
use crate::image::ImageRef;
use crate::options::Options;
use crate::program::Program;
use crate::recipe::Recipe;
use crate::site::Site;

pub(super) const NETWORK: &str = "network";
pub(super) const NODE_IMAGE: &str = "node-image";
pub(super) const CLUSTER: &str = "cluster";

/// A subnet of our own: Docker gives fixed addresses only on a network whose subnet was named.
pub(super) fn network(site: &Site) -> Step {
    let network = site.network();
    let spec = NetworkSpec {
        name: network.clone(),
        subnet: site.subnet,
        dynamic_range: site.dynamic_range(),
        label: site.label(),
    };
    let ensure = Ensure {
        what: format!("Docker network {network}"),
        ask: DockerThing::Network(network.clone()),
        ours: Some(site.name.to_string()),
        expect: Some(format!("{} {}", site.name, site.subnet)),
        remove: None,
        make: vec![DockerCall::CreateNetwork(spec).into()],
        guarded: true,
    };
    Step::new(NETWORK, format!("Docker network {network} ({})", site.subnet), 30).acts([Action::Ensure(ensure)])
}

/// The image that the nodes run.
pub(crate) fn node(recipe: &Recipe, options: &Options) -> ImageRef {
    let pinned = options.node_image.clone().unwrap_or_else(|| recipe.provision.node.image.value.clone());
    // Docker keeps no digest of an image that came from an archive; the archive's content is what it is.
    let archived = options.image_archive.is_some();
    if archived { ImageRef { digest: None, ..pinned } } else { pinned }
}

/// Pulled, or loaded from an archive, or there already.
pub(super) fn node_image(recipe: &Recipe, options: &Options) -> Step {
    let image = node(recipe, options);
    let make = match &options.image_archive {
        Some(folder) => DockerCall::Load(folder.join(image.archive_name())).into(),
        // Docker's command has the credentials of `docker login` and its helpers.
        None => Program::Docker.call(["pull".to_owned(), image.to_string()]).into(),
    };
    let may = options.pull || options.image_archive.is_some();
    let ensure = Ensure {
        what: format!("node image {image}"),
        ask: DockerThing::Image(image.to_string()),
        ours: None,
        expect: None,
        remove: None,
        make: if may { vec![make] } else { Vec::new() },
        guarded: false,
    };
    Step::new(NODE_IMAGE, format!("node image {image}"), 900).acts([Action::Ensure(ensure)])
}

/// `--retain` keeps the nodes of a failed attempt for their logs; `--wait` would only warn, and cannot succeed before
/// there is a CNI (kind `pkg/cmd/kind/create/cluster`).
pub(super) fn cluster(recipe: &Recipe, options: &Options, site: &Site) -> Step {
    let config = site.folder.rendered("kind.yaml");
    let kubeconfig = site.folder.kubeconfig().display().to_string();
    let name = site.name.as_ref();
    let create = [
        "create",
        "cluster",
        "--name",
        name,
        "--config",
        &config.display().to_string(),
        "--kubeconfig",
        &kubeconfig,
        "--retain",
    ];
    let mut nodes: Vec<String> = site.nodes().iter().map(|node| format!("{node} {} running", site.network())).collect();
    nodes.sort();
    let ensure = Ensure {
        what: format!("kind cluster {name}"),
        ask: DockerThing::Nodes(site.name.to_string()),
        ours: Some(site.network()),
        expect: Some(nodes.join("\n")),
        remove: Some(Program::Kind.call(["delete", "cluster", "--name", name, "--kubeconfig", &kubeconfig]).into()),
        make: vec![Program::Kind.call(create).with("KIND_EXPERIMENTAL_DOCKER_NETWORK", site.network()).into()],
        guarded: true,
    };
    let text = kind_config::render(recipe, options, site);
    let files = mirror::files(recipe, options, site).into_iter();
    let actions = files.chain([Action::Write { path: config, text }, Action::Ensure(ensure)]);
    Step::new(CLUSTER, format!("kind cluster {name}"), 420)
        .needs([NETWORK, NODE_IMAGE])
        .acts(actions)
        .gates([Gate::ApiReady])
}
