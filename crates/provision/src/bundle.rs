//! What an offline site needs, and the calls that fetch it where there is a network. Pure.

use std::path::Path;

use super::component::Install;
use super::image::ImageRef;
use super::plan::manifest_file;
use super::program::{Call, Program};
use super::recipe::Recipe;

/// One thing to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What it is, for the reader.
    pub what: String,
    /// Its file in the bundle.
    pub file: String,
    /// How it is fetched, in order.
    pub calls: Vec<Call>,
}

/// Everything that `airtight up --image-archive DIR --chart-dir DIR` wants, for one platform such as `linux/amd64`.
#[must_use]
pub fn fetches(recipe: &Recipe, folder: &Path, platform: &str) -> Vec<Fetch> {
    let images = recipe.images().into_iter().map(|(_, image)| fetch_image(image, folder, platform));
    recipe
        .provision
        .components
        .iter()
        .map(|component| match &component.install {
            Install::Chart(chart) => {
                let mut arguments = vec!["pull".to_owned()];
                arguments.extend(chart.arguments());
                arguments.extend(["--destination".to_owned(), folder.display().to_string()]);
                Fetch {
                    what: format!("chart {}", chart.name),
                    file: chart.file_name(),
                    calls: vec![Program::Helm.call(arguments)],
                }
            }
            Install::Manifest(url) => {
                let file = manifest_file(&component.name);
                let to = folder.join(&file).display().to_string();
                let call =
                    Program::Curl.call(["--fail", "--silent", "--show-error", "--location", "--output", &to, url]);
                Fetch { what: format!("manifest of {}", component.name), file, calls: vec![call] }
            }
        })
        .chain(images)
        .collect()
}

/// An archive of one platform: with several, and Docker's containerd store, the nodes miss the layers of the others
/// (kind#3795).
fn fetch_image(image: &ImageRef, folder: &Path, platform: &str) -> Fetch {
    let file = image.archive_name();
    let to = folder.join(&file).display().to_string();
    let pinned = image.by_digest().unwrap_or_else(|| image.to_string());
    let tagged = image.tagged();
    let mut calls = vec![Program::Docker.call(["pull", "--platform", platform, &pinned])];
    if pinned != tagged {
        calls.push(Program::Docker.call(["tag", &pinned, &tagged]));
    }
    calls.push(Program::Docker.call(["save", "--output", &to, &tagged]));
    Fetch { what: format!("image {image}"), file, calls }
}
