//! What the forms of a matrix say alike: verdicts and rules in words.

use std::collections::HashSet;

use airtight_model::path::reach::{Cell, CellVerdict};
use airtight_model::policy::Layer;

/// A verdict in one word.
pub(crate) fn word(verdict: CellVerdict) -> &'static str {
    match verdict {
        CellVerdict::Allowed => "allowed",
        CellVerdict::ByRequest => "by request",
        CellVerdict::Denied(_) => "denied",
        CellVerdict::Unknown => "unknown",
        CellVerdict::Absent => "absent",
    }
}

/// The layer that denies.
pub(crate) fn layer(verdict: CellVerdict) -> Option<Layer> {
    match verdict {
        CellVerdict::Denied(layer) => Some(layer),
        CellVerdict::Allowed | CellVerdict::ByRequest | CellVerdict::Unknown | CellVerdict::Absent => None,
    }
}

/// How many rules a line names before it counts them.
const NAMED: usize = 2;

/// The rules that decided a cell, each once, the first few by name.
pub(super) fn deciding(cell: &Cell<'_>) -> String {
    let mut known = HashSet::new();
    let mut rules: Vec<String> = Vec::new();
    for rule in cell.deciding().flat_map(|basis| &basis.rules) {
        if known.insert((&rule.object, &rule.rule)) && rules.len() < NAMED {
            rules.push(match &rule.rule {
                Some(path) => format!("{} {path}", rule.object),
                None => rule.object.to_string(),
            });
        }
    }
    match known.len() - rules.len() {
        0 if rules.is_empty() => "no rule".to_owned(),
        0 => rules.join("; "),
        more => format!("{}; and {more} more", rules.join("; ")),
    }
}
