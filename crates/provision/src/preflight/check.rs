//! The host of a cluster, measured and judged.

use super::host::measure;
use super::judge::judge;
use super::need::Need;
use crate::docker::Docker;
use crate::options::Options;
use crate::recipe::Recipe;
use crate::site::Site;

/// Everything that a cluster of `recipe` at `site` needs, measured on this machine.
#[must_use]
pub fn preflight(recipe: &Recipe, options: &Options, site: &Site, docker: &Docker) -> Vec<Need> {
    judge(&measure(recipe, options, docker), recipe, options, site)
}
