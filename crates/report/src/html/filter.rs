//! What cases can be filtered by.

use std::collections::BTreeSet;

use airtight_matrix::run::RunRecord;

use super::case::layers;
use crate::standing::Standing;
use crate::text::one_line;

/// The choices of each filter; only what occurs.
pub(super) struct FilterView {
    /// Standing and how many cases stand like it.
    pub(super) standings: Vec<(&'static str, usize)>,
    pub(super) scenarios: Vec<String>,
    pub(super) layers: Vec<String>,
    pub(super) controls: Vec<String>,
}

impl FilterView {
    pub(super) fn of(record: &RunRecord) -> Self {
        let standings = Standing::ALL.iter().map(|standing| {
            let number = record.cases.iter().filter(|case| Standing::of(case) == *standing).count();
            (standing.word(), number)
        });
        let scenarios: BTreeSet<String> = record.cases.iter().map(|case| one_line(&case.case.scenario)).collect();
        let layers: BTreeSet<_> = record.cases.iter().flat_map(layers).collect();
        let controls: BTreeSet<String> =
            record.cases.iter().flat_map(|case| &case.case.controls).map(|control| one_line(control)).collect();
        Self {
            standings: standings.filter(|(_, number)| *number > 0).collect(),
            scenarios: scenarios.into_iter().collect(),
            layers: layers.into_iter().map(|layer| layer.to_string()).collect(),
            controls: controls.into_iter().collect(),
        }
    }
}
