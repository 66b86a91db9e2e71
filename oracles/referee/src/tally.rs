//! What came of a comparison, counted.

use std::collections::BTreeMap;
use std::path::Path;

use airtight_manifest::Failure;
use serde::{Deserialize, Serialize};

/// How many worlds and cells were compared, and what came of each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tally {
    /// The engine, for a reader.
    pub(crate) name: String,
    /// Its version.
    pub(crate) engine: String,
    /// The stack whose versions the model took.
    pub(crate) stack: String,
    pub(crate) seed: u64,
    pub(crate) worlds: u64,
    /// Cells in which both say the same.
    pub(crate) agreed: u64,
    /// Cells of which the model says that it cannot tell, by why; no agreement.
    pub(crate) unknown: BTreeMap<String, u64>,
    /// Cells of which the engine, as it is asked here, says nothing, by why.
    pub(crate) unasked: BTreeMap<String, u64>,
    /// Cells in which they differ, by the exception that covers them.
    pub(crate) excepted: BTreeMap<String, u64>,
    /// Cells in which they differ.
    pub(crate) disagreed: u64,
    /// What the comparison leaves out.
    pub(crate) out_of_scope: Vec<String>,
}

impl Tally {
    /// Whether nothing differs, and something was compared.
    pub(crate) fn agrees(&self) -> bool {
        self.disagreed == 0 && self.agreed > 0
    }

    /// Every cell that was asked about.
    pub(crate) fn cells(&self) -> u64 {
        self.agreed + self.disagreed + [&self.unknown, &self.unasked, &self.excepted].map(sum).iter().sum::<u64>()
    }

    /// Adds what one world came to.
    pub(crate) fn add(&mut self, other: &Self) {
        self.worlds += 1;
        self.agreed += other.agreed;
        self.disagreed += other.disagreed;
        merge(&mut self.unknown, &other.unknown);
        merge(&mut self.unasked, &other.unasked);
        merge(&mut self.excepted, &other.excepted);
    }

    /// One line for whoever reads the run.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} {} against stack {}: {} worlds, {} cells, {} agree, {} disagree, {} unknown to the model, {} not \
             answered by the engine, {} excepted",
            self.name,
            self.engine,
            self.stack,
            self.worlds,
            self.cells(),
            self.agreed,
            self.disagreed,
            sum(&self.unknown),
            sum(&self.unasked),
            sum(&self.excepted),
        )
    }

    /// Records it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::new("record", error.to_string()))?;
        std::fs::write(path, text + "\n")
            .map_err(|error| Failure::new("record", format!("{}: {error}", path.display())))
    }
}

/// Everything that a map counts.
pub(crate) fn sum(map: &BTreeMap<String, u64>) -> u64 {
    map.values().sum()
}

fn merge(into: &mut BTreeMap<String, u64>, other: &BTreeMap<String, u64>) {
    for (why, count) in other {
        *into.entry(why.clone()).or_default() += count;
    }
}
