//! Images on the nodes, where the nodes must not or cannot pull them by themselves.

use super::cluster::CLUSTER;
use super::{Action, Step};
use crate::component::Component;
use crate::docker_call::DockerCall;
use crate::image::ImageRef;
use crate::invocation::Invocation;
use crate::options::Options;
use crate::program::Program;
use crate::recipe::Recipe;
use crate::site::Site;

/// The step that brings a component's images to the nodes; none when the nodes pull what they run.
pub(super) fn step_of(component: &Component, options: &Options) -> Option<String> {
    let by_itself = options.image_archive.is_none() && (options.pull || options.mirror.is_some());
    (!by_itself && !component.images.is_empty()).then(|| format!("images-{}", component.name))
}

pub(super) fn steps(recipe: &Recipe, options: &Options, site: &Site) -> Vec<Step> {
    let components = recipe.provision.components.iter();
    components.filter_map(|component| Some(step(step_of(component, options)?, component, options, site))).collect()
}

fn step(id: String, component: &Component, options: &Options, site: &Site) -> Step {
    let calls = component.images.iter().flat_map(|image| match &options.image_archive {
        Some(folder) => load(image, &folder.join(image.archive_name()).display().to_string(), site),
        None => site.nodes().iter().map(|node| present(image, node)).collect(),
    });
    Step::new(id, format!("images of {}", component.name), 600).needs([CLUSTER]).acts(calls.map(Action::Run))
}

/// `kind load` names an image by its tag alone; a pod that asks for a digest finds it only under that name too
/// (kind#2394).
fn load(image: &ImageRef, archive: &str, site: &Site) -> Vec<Invocation> {
    let mut calls: Vec<Invocation> =
        vec![Program::Kind.call(["load", "image-archive", archive, "--name", site.name.as_ref()]).into()];
    if let Some(digest) = image.by_digest() {
        let tagged = image.tagged();
        let tag = ["ctr", "--namespace=k8s.io", "images", "tag", "--force", &tagged, &digest];
        calls.extend(site.nodes().iter().map(|node| on(node, &tag)));
    }
    calls
}

fn present(image: &ImageRef, node: &str) -> Invocation {
    on(node, &["crictl", "inspecti", "--quiet", &image.to_string()])
}

fn on(node: &str, command: &[&str]) -> Invocation {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    DockerCall::Exec { container: node.to_owned(), command }.into()
}
