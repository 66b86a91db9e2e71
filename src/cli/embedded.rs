//! The reference policy set, the scenarios and the stacks, as they are part of the program.

use airtight_manifest::File;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "manifests"]
#[prefix = "manifests/"]
#[include = "*.yaml"]
struct Manifests;

#[derive(RustEmbed)]
#[folder = "scenarios"]
#[prefix = "scenarios/"]
#[include = "*.yaml"]
struct Scenarios;

#[derive(RustEmbed)]
#[folder = "kind/stacks"]
#[prefix = "kind/stacks/"]
#[include = "*.yaml"]
struct Stacks;

/// The reference policy set.
#[must_use]
pub fn manifests() -> Vec<File> {
    files::<Manifests>()
}

/// The scenarios.
#[must_use]
pub fn scenarios() -> Vec<File> {
    files::<Scenarios>()
}

/// The stacks.
#[must_use]
pub fn stacks() -> Vec<File> {
    files::<Stacks>()
}

fn files<E: RustEmbed>() -> Vec<File> {
    let mut names: Vec<_> = E::iter().collect();
    names.sort();
    names
        .into_iter()
        .filter_map(|name| E::get(&name).map(|file| File { name: name.into_owned(), bytes: file.data.into_owned() }))
        .collect()
}
