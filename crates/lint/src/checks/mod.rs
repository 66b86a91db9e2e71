//! Checks that only a reader of manifests wants, each asked of the world and its engine where these can answer.
//!
//! `waypoint`: who is bound to one, and who gets past it. `principal`: identities that are nobody's, or never arrive.
//! `token`: tokens that nobody demands. `peer`: STRICT that lets plaintext in. `grant`: ReferenceGrants without a user.
//! `route`: what routes leave to the client. `guard`: denials that a label, an edit or an addition takes away.
//! `release`: admission policies that release more than they say. `names`: annotations and names that mislead.
//! `outside`: peers that are no outside.

mod grant;
mod guard;
mod names;
mod outside;
mod peer;
mod principal;
mod release;
mod route;
mod token;
mod waypoint;

use std::collections::BTreeMap;

use airtight_manifest::{Diagnostic, Document, Location, Node, ObjectRef, Position};
use airtight_model::path::Engine;
use airtight_model::world::World;

use crate::place::object;

/// Kinds of the mesh that select pods.
const SELECTING: [&str; 2] = ["AuthorizationPolicy", "PeerAuthentication"];

/// Kinds that make pods, or are one.
const WORKLOADS: [&str; 7] = ["Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];

/// What the checks look at, and what they found.
pub(crate) struct Checks<'a, 'w> {
    engine: &'a Engine<'w>,
    world: &'w World,
    documents: BTreeMap<ObjectRef, &'a Document>,
    found: Vec<Diagnostic>,
}

impl<'a, 'w> Checks<'a, 'w> {
    /// Checks of a world; `admitted` are its objects as they were written.
    pub(crate) fn of(engine: &'a Engine<'w>, admitted: &'a [Document]) -> Self {
        let documents = admitted.iter().filter_map(|document| Some((object(document)?, document))).collect();
        Self { engine, world: engine.world(), documents, found: Vec::new() }
    }

    /// What all of them find.
    pub(crate) fn found(mut self) -> Vec<Diagnostic> {
        self.waypoints();
        self.principals();
        self.tokens();
        self.peer_authentications();
        self.grants();
        self.routes();
        self.guards();
        self.releases();
        self.names();
        self.outsides();
        self.found
    }

    /// What of the engine's findings holds where it does not know the workloads: that a selector of the mesh selects nobody
    /// is then no news.
    pub(crate) fn retain(&self, findings: &mut Vec<Diagnostic>) {
        if !self.knows_workloads() {
            let of_mesh = |finding: &Diagnostic| finding.about.iter().any(|object| SELECTING.contains(&&*object.kind));
            findings.retain(|finding| finding.code != "selects-nobody" || !of_mesh(finding));
        }
    }

    /// Whether anybody wrote down which workloads there are: without, nobody knows who is missing.
    fn knows_workloads(&self) -> bool {
        self.documents.keys().any(|object| WORKLOADS.contains(&&*object.kind))
    }

    fn tell(&mut self, code: &str, object: &ObjectRef, at: Location, message: &str, hint: &str) {
        let finding = Diagnostic::warning(code, format!("{object}: {message}"));
        self.found.push(finding.at(at).hint(hint).about(object));
    }

    /// The place of the value at a path of keys, or of the key itself if it is the last; none if it is not written.
    fn place(&self, object: &ObjectRef, path: &[&str]) -> Option<Location> {
        let document = self.documents.get(object)?;
        let (last, above) = path.split_last()?;
        let mut node: &Node = &document.root;
        for key in above {
            node = node.get(key)?;
        }
        node.entry(last).map(|(key, _)| document.location(key.at))
    }

    /// A position in the file of an object's metadata.
    fn at(meta: &airtight_manifest::Meta, at: Position) -> Location {
        Location::new(&meta.at.file, at)
    }
}
