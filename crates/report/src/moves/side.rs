//! One set of manifests: its world, who reaches whom in it, and the objects that exist.

use airtight_manifest::Document;
use airtight_matrix::run::draft::Seen;
use airtight_model::path::Engine;
use airtight_model::path::reach::Reachability;

use super::document::Set;
use crate::reach::Summary;

/// One set of manifests.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What the reader calls it.
    pub name: &'a str,
    /// Its policies.
    pub engine: &'a Engine<'a>,
    /// Who reaches whom.
    pub reach: &'a Reachability<'a, 'a>,
    /// The objects that exist after admission.
    pub documents: &'a [Document],
}

impl<'a> Side<'a> {
    pub(super) fn seen(self) -> Seen<'a> {
        Seen { engine: self.engine, reach: self.reach }
    }

    /// What a reader is told of it.
    pub(super) fn set(self, policies: usize) -> Set {
        let world = self.engine.world();
        Set {
            name: self.name.to_owned(),
            stack: world.stack.name.clone(),
            policies,
            objects: self.documents.len(),
            pods: world.pods.len(),
            services: world.services.len(),
            flows: Summary::of(self.reach)
                .words()
                .into_iter()
                .map(|(word, number)| (word.to_owned(), number))
                .collect(),
        }
    }
}
