//! What is done to bring a cluster up: steps with their order, exact calls, gates and limits. Pure.

mod cluster;
mod coredns;
mod images;
mod install;
mod kind_config;
mod mirror;
mod payload;
mod serving;
mod stand_in;

#[cfg(feature = "live")]
pub(super) use cluster::node;
pub use coredns::{CorefileError, HostName, with_names};
pub(super) use install::manifest_file;

use std::collections::BTreeMap;
use std::path::PathBuf;

use airtight_manifest::digest;
use serde::Serialize;
use serde_json::json;

use super::docker_call::DockerThing;
use super::gate::Gate;
use super::invocation::Invocation;
use super::options::Options;
use super::payload::{Manifest, Payload};
use super::probe_image::ProbeProgram;
use super::program::Call;
use super::recipe::Recipe;
use super::site::Site;

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

/// One step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Name.
    pub id: String,
    /// What it does, for the reader.
    pub title: String,
    /// Steps that must be done before.
    pub needs: Vec<String>,
    /// What is done, in order.
    pub actions: Vec<Action>,
    /// What must hold before the step is done.
    pub gates: Vec<Gate>,
    /// How long it may take, in seconds.
    pub timeout_seconds: u64,
}

/// One part of a step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Writes a file.
    Write {
        /// Where.
        path: PathBuf,
        /// What.
        text: String,
    },
    /// Calls a program, or Docker.
    Run(Invocation),
    /// Calls a program; should it be stuck in an earlier call that was cut off, clears that away and calls again.
    RunAfresh {
        /// The call.
        call: Call,
        /// What clears away.
        clear: Call,
    },
    /// Makes something that is kept if it is there.
    Ensure(Ensure),
    /// Applies manifests by server-side apply.
    Apply(Source),
    /// Writes the archive of the probe's image.
    Pack(ProbeProgram),
    /// Makes an authority for certificates in a folder, unless it has one.
    Authority(PathBuf),
    /// Issues a certificate.
    Certify(Certificate),
    /// Lets CoreDNS resolve names.
    Name(Vec<HostName>),
}

/// Something that is made unless it is there.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ensure {
    /// What it is, for the reader.
    pub what: String,
    /// What Docker is asked about: it says nothing when it is not there.
    pub ask: DockerThing,
    /// A word that every line of the answer has if the thing is ours; none where nobody owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<String>,
    /// What is said when it is there as it should be; none when it is enough that the question succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Removes one that another, unfinished or differing attempt of ours left; none when one that is there is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<Invocation>,
    /// Makes it.
    pub make: Vec<Invocation>,
    /// Whether one that another content made must not be touched without the user's word.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub guarded: bool,
}

/// A certificate of a cluster's own authority.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Folder of the authority.
    pub authority: PathBuf,
    /// Folder for `tls.crt` and `tls.key`.
    pub folder: PathBuf,
    /// Names and addresses that it is for.
    pub names: Vec<String>,
}

/// Manifests to apply.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A file or URL.
    Location(String),
    /// A text.
    Text {
        /// Name, for the reader.
        name: String,
        /// The manifests.
        text: String,
    },
}

impl From<&Manifest> for Source {
    fn from(manifest: &Manifest) -> Self {
        Self::Text { name: manifest.name.clone(), text: manifest.text.clone() }
    }
}

impl Step {
    fn new(id: impl Into<String>, title: impl Into<String>, timeout_seconds: u64) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            needs: Vec::new(),
            actions: Vec::new(),
            gates: Vec::new(),
            timeout_seconds,
        }
    }

    fn needs(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.needs.extend(ids.into_iter().map(Into::into));
        self
    }

    fn acts(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }

    fn gates(mut self, gates: impl IntoIterator<Item = Gate>) -> Self {
        self.gates.extend(gates);
        self
    }

    /// The calls that it makes when nothing is there yet.
    #[must_use]
    pub fn calls(&self) -> Vec<Invocation> {
        self.actions.iter().flat_map(Action::calls).collect()
    }
}

impl Action {
    fn calls(&self) -> Vec<Invocation> {
        match self {
            Self::Write { .. }
            | Self::Apply(_)
            | Self::Pack(_)
            | Self::Authority(_)
            | Self::Certify(_)
            | Self::Name(_) => Vec::new(),
            Self::Run(call) => vec![call.clone()],
            Self::RunAfresh { call, .. } => vec![call.clone().into()],
            Self::Ensure(ensure) => ensure.make.clone(),
        }
    }
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
