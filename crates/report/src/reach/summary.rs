//! How many cells end in which way.

use std::collections::BTreeMap;

use airtight_model::path::reach::{CellVerdict, Reachability};

use super::word;
use crate::text::count;

/// Cells by verdict.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(super) by_verdict: BTreeMap<CellVerdict, usize>,
}

impl Summary {
    pub(crate) fn of(reach: &Reachability<'_, '_>) -> Self {
        let mut summary = Self::default();
        for cell in reach.cells() {
            *summary.by_verdict.entry(cell.verdict).or_default() += 1;
        }
        summary
    }

    pub(super) fn total(&self) -> usize {
        self.by_verdict.values().sum()
    }

    fn of_word(&self, wanted: &str) -> usize {
        self.by_verdict.iter().filter(|(verdict, _)| word(**verdict) == wanted).map(|(_, number)| number).sum()
    }

    /// Words and numbers, such as `allowed` and 12, zeros left out.
    pub(crate) fn words(&self) -> Vec<(&'static str, usize)> {
        let words = ["allowed", "by request", "denied", "unknown"];
        words.into_iter().map(|word| (word, self.of_word(word))).filter(|(_, number)| *number > 0).collect()
    }

    /// Layers that deny, and how many cells each.
    pub(super) fn layers(&self) -> Vec<(String, usize)> {
        let denied = self.by_verdict.iter().filter_map(|(verdict, number)| match verdict {
            CellVerdict::Denied(layer) => Some((layer.to_string(), *number)),
            CellVerdict::Allowed | CellVerdict::ByRequest | CellVerdict::Unknown | CellVerdict::Absent => None,
        });
        denied.collect()
    }

    /// One line.
    pub(super) fn line(&self, reach: &Reachability<'_, '_>) -> String {
        let words: Vec<String> = self.words().iter().map(|(word, number)| format!("{number} {word}")).collect();
        let layers: Vec<String> = self.layers().iter().map(|(layer, number)| format!("{layer} {number}")).collect();
        let layers = if layers.is_empty() { String::new() } else { format!(" (denied by {})", layers.join(", ")) };
        format!(
            "{} in {}, {}: {}{layers}",
            count(reach.world().pods.len(), "pod", "pods"),
            count(reach.classes().len(), "class", "classes"),
            count(self.total(), "cell", "cells"),
            if words.is_empty() { "nothing is in scope".to_owned() } else { words.join(", ") },
        )
    }
}
