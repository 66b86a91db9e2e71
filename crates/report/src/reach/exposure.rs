//! What is open wide: to users outside, or to every namespace.

use std::collections::{BTreeMap, BTreeSet};

use airtight_model::path::reach::{CellVerdict, Reachability, Who};
use serde::Serialize;

/// Destinations that are reached from where nobody chose who may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exposure {
    /// From outside of the cluster.
    pub(super) from_outside: Vec<String>,
    /// From every namespace that has pods, but for their own.
    pub(super) from_any_namespace: Vec<String>,
}

impl Exposure {
    /// The exposure that the cells show.
    pub(super) fn of(reach: &Reachability<'_, '_>) -> Self {
        let mut outside = BTreeSet::new();
        let mut open: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for cell in reach.cells().filter(|cell| gets_through(cell.verdict)) {
            if reach.rows()[cell.row].who == Who::Outside {
                outside.insert(cell.target);
            }
            if let Some(namespace) = reach.row_namespace(cell.row) {
                open.entry(cell.target).or_default().insert(namespace);
            }
        }
        let homes: BTreeSet<&str> = (0..reach.rows().len()).filter_map(|row| reach.row_namespace(row)).collect();
        let wide = open.iter().filter(|(target, namespaces)| {
            let own = reach.target_namespace(**target);
            let mut others = homes.iter().filter(|home| Some(**home) != own).peekable();
            own.is_some() && others.peek().is_some() && others.all(|home| namespaces.contains(home))
        });
        let name = |target: &usize| reach.target_name(*target);
        Self {
            from_outside: outside.iter().map(name).collect(),
            from_any_namespace: wide.map(|(target, _)| name(target)).collect(),
        }
    }

    /// The lines of a section; none where nothing is exposed.
    pub(super) fn lines(&self) -> Vec<String> {
        let line =
            |title: &str, names: &[String]| (!names.is_empty()).then(|| format!("- {title}: {}", names.join(", ")));
        let parts = [line("from outside", &self.from_outside), line("from every namespace", &self.from_any_namespace)];
        parts.into_iter().flatten().collect()
    }
}

fn gets_through(verdict: CellVerdict) -> bool {
    match verdict {
        CellVerdict::Allowed | CellVerdict::ByRequest => true,
        CellVerdict::Denied(_) | CellVerdict::Unknown | CellVerdict::Absent => false,
    }
}
