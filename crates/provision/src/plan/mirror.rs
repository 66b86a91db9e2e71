//! A registry mirror: containerd on the nodes asks it for every registry of the stack, digests and all.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Action;
use crate::options::Options;
use crate::recipe::Recipe;
use crate::site::Site;

/// The folder that the nodes see as `/etc/containerd/certs.d`.
pub(super) fn folder(site: &Site) -> PathBuf {
    site.folder.rendered("certs.d")
}

pub(super) fn files(recipe: &Recipe, options: &Options, site: &Site) -> Vec<Action> {
    let Some(mirror) = &options.mirror else { return Vec::new() };
    let registries: BTreeSet<&str> = recipe.images().into_iter().map(|(_, image)| image.registry.as_str()).collect();
    let file = |registry: &str| Action::Write {
        path: folder(site).join(registry).join("hosts.toml"),
        text: hosts(registry, mirror),
    };
    registries.into_iter().map(file).collect()
}

/// containerd's `hosts.toml`; Docker Hub answers under another name than its own.
fn hosts(registry: &str, mirror: &str) -> String {
    let server = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    let mirror = mirror.trim_end_matches('/');
    format!(
        "server = \"https://{server}\"\n\n[host.\"{mirror}/v2/{registry}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n"
    )
}
