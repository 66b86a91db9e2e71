//! Worlds that come with the program, and those that a file describes.

use airtight_manifest::Document;
use airtight_model::world::{Environment, World, build};

use crate::{repository, stack};

/// The reference policy set and its workloads.
pub fn manifests() -> Vec<Document> {
    ["manifests/workloads", "manifests/system", "manifests/policies"].into_iter().flat_map(repository::folder).collect()
}

/// What is around the reference set.
#[must_use]
pub fn environment() -> Environment {
    Environment::read(&repository::document("manifests/environment.yaml")).unwrap()
}

/// The reference set on a stack that comes with the program.
#[must_use]
pub fn reference(stack: &str) -> World {
    of(&manifests(), stack)
}

/// These manifests around which is what is around the reference set, on a stack that comes with the program.
#[must_use]
pub fn of(manifests: &[Document], stack: &str) -> World {
    let built = build(manifests, &environment(), stack::shipped(stack));
    built.unwrap_or_else(|findings| panic!("{findings:#?}")).world
}
