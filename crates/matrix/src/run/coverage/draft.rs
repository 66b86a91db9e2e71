//! Drafted cases for allowed flows that no case asserts.

use airtight_model::path::Engine;

use super::super::draft::{Unasserted, draft_allowed};
use super::record::{CoverageRecord, OpenFlow};

impl CoverageRecord {
    /// A scenario file with an allowed case for each flow that no case asserts; those that the model does not confirm are
    /// left out. None if nothing is left.
    #[must_use]
    pub fn draft(&self, engine: &Engine<'_>) -> Option<String> {
        let flows = self
            .unasserted
            .iter()
            .map(|open: &OpenFlow| Unasserted { flow: open.flow.clone(), rules: open.rules.clone() });
        draft_allowed(engine, flows.collect())
    }
}
