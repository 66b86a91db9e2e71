//! The Docker network, the nodes' image, and the kind cluster.

use super::kind_config;
use super::mirror;
use super::{Action, Ensure, Step};
use crate::provision::gate::Gate;
use crate::provision::image::ImageRef;
use crate::provision::options::Options;
use crate::provision::program::Program;
use crate::provision::recipe::Recipe;
use crate::provision::site::{KIND_LABEL, LABEL, Site};

pub(super) const NETWORK: &str = "network";
pub(super) const NODE_IMAGE: &str = "node-image";
pub(super) const CLUSTER: &str = "cluster";

/// A subnet of our own: Docker gives fixed addresses only on a network whose subnet was named.
pub(super) fn network(site: &Site) -> Step {
    let network = site.network();
    let format = format!("{{{{index .Labels \"{LABEL}\"}}}} {{{{range .IPAM.Config}}}}{{{{.Subnet}}}}{{{{end}}}}");
    let ask = Program::Docker.call(["network", "inspect", "--format", &format, &network]);
    let mut make = vec!["network".to_owned(), "create".to_owned(), "--driver".to_owned(), "bridge".to_owned()];
    make.extend(["--subnet".to_owned(), site.subnet.to_string(), "--ip-range".to_owned(), site.dynamic_range()]);
    make.extend(site.label());
    make.push(network.clone());
    let ensure = Ensure {
        what: format!("Docker network {network}"),
        ask,
        ours: Some(site.name.to_string()),
        expect: Some(format!("{} {}", site.name, site.subnet)),
        remove: None,
        make: vec![Program::Docker.call(make)],
        guarded: true,
    };
    Step::new(NETWORK, format!("Docker network {network} ({})", site.subnet), 30).acts([Action::Ensure(ensure)])
}

/// The image that the nodes run.
pub(in crate::provision) fn node(recipe: &Recipe, options: &Options) -> ImageRef {
    let pinned = options.node_image.clone().unwrap_or_else(|| recipe.provision.node.image.value.clone());
    // Docker keeps no digest of an image that came from an archive; the archive's content is what it is.
    let archived = options.image_archive.is_some();
    if archived { ImageRef { digest: None, ..pinned } } else { pinned }
}

/// Pulled, or loaded from an archive, or there already.
pub(super) fn node_image(recipe: &Recipe, options: &Options) -> Step {
    let image = node(recipe, options);
    let make = match &options.image_archive {
        Some(folder) => {
            vec!["load".to_owned(), "--input".to_owned(), folder.join(image.archive_name()).display().to_string()]
        }
        None => vec!["pull".to_owned(), image.to_string()],
    };
    let may = options.pull || options.image_archive.is_some();
    let ensure = Ensure {
        what: format!("node image {image}"),
        ask: Program::Docker.call(["image", "inspect", "--format", "{{.Id}}", &image.to_string()]),
        ours: None,
        expect: None,
        remove: None,
        make: if may { vec![Program::Docker.call(make)] } else { Vec::new() },
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
    let labelled = format!("label={KIND_LABEL}={name}");
    let ask = ["ps", "--all", "--filter", &labelled, "--format", "{{.Names}} {{.Networks}} {{.State}}"];
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
        ask: Program::Docker.call(ask),
        ours: Some(site.network()),
        expect: Some(nodes.join("\n")),
        remove: Some(Program::Kind.call(["delete", "cluster", "--name", name, "--kubeconfig", &kubeconfig])),
        make: vec![Program::Kind.call(create).with("KIND_EXPERIMENTAL_DOCKER_NETWORK", site.network())],
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
