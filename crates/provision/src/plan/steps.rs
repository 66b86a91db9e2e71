//! All steps of a cluster, in an order that respects what they need.

use std::collections::BTreeMap;

use airtight_manifest::digest;
use serde::Serialize;
use serde_json::json;

use super::step::Step;
use super::{cluster, images, install, payload};
use crate::options::Options;
use crate::payload::Payload;
use crate::recipe::Recipe;
use crate::site::Site;

/// Everything that is done, each step after those that it needs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Name of the stack.
    pub stack: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Steps; a step stands after all that it needs.
    pub steps: Vec<Step>,
    /// What is left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl Plan {
    /// What brings `recipe` up at `site`, with `payload` on it.
    #[must_use]
    pub fn new(recipe: &Recipe, options: &Options, site: &Site, payload: &Payload) -> Self {
        let mut steps = vec![cluster::network(site), cluster::node_image(recipe, options)];
        steps.push(cluster::cluster(recipe, options, site));
        steps.extend(images::steps(recipe, options, site));
        steps.extend(install::steps(recipe, options, site));
        let mut left_out = Vec::new();
        steps.extend(payload::steps(recipe, options, site, payload, &mut left_out));
        let plan = Self { stack: recipe.stack.name.clone(), cluster: site.name.to_string(), steps, left_out };
        plan.sorted()
    }

    /// Steps in an order that respects their needs, otherwise as they are.
    fn sorted(mut self) -> Self {
        let mut sorted: Vec<Step> = Vec::with_capacity(self.steps.len());
        while !self.steps.is_empty() {
            let ready = |step: &Step| step.needs.iter().all(|need| sorted.iter().any(|done| done.id == *need));
            // A recipe has no circles, so there is always a step whose needs stand already.
            let next = self.steps.iter().position(ready).unwrap_or_default();
            sorted.push(self.steps.remove(next));
        }
        Self { steps: sorted, ..self }
    }

    /// The digest of each step: of its content, and of everything that it builds upon.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<&str, String> {
        let mut digests: BTreeMap<&str, String> = BTreeMap::new();
        for step in &self.steps {
            let below: Vec<&String> = step.needs.iter().filter_map(|need| digests.get(need.as_str())).collect();
            let content = json!({"actions": step.actions, "gates": step.gates, "below": below});
            digests.insert(&step.id, digest(&content));
        }
        digests
    }
}
