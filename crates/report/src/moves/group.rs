//! Cells that the same rules moved in the same way, put together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use airtight_manifest::RuleRef;
use airtight_matrix::run::draft::At;
use airtight_model::path::reach::{CellVerdict, Reachability};

use super::align::{Aligned, Pair};
use super::document::{Change, End, Flows, Group};
use super::words;

/// Groups that still grow.
#[derive(Default)]
pub(super) struct Groups<'a> {
    rules: HashMap<&'a RuleRef, usize>,
    groups: HashMap<Key, Vec<At>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    change: Change,
    verdicts: [CellVerdict; 2],
    makers: [Vec<usize>; 2],
    requests: Vec<String>,
}

impl<'a> Groups<'a> {
    /// Puts a cell to its like.
    pub(super) fn add(
        &mut self,
        change: Change,
        verdicts: [CellVerdict; 2],
        makers: [Vec<&'a RuleRef>; 2],
        requests: &[String],
        cell: At,
    ) {
        let makers = makers.map(|rules| rules.into_iter().map(|rule| self.id(rule)).collect());
        let key = Key { change, verdicts, makers, requests: requests.to_vec() };
        self.groups.entry(key).or_default().push(cell);
    }

    fn id(&mut self, rule: &'a RuleRef) -> usize {
        let next = self.rules.len();
        *self.rules.entry(rule).or_insert(next)
    }

    /// The groups, the gravest first, and the largest of those.
    pub(super) fn finish(
        self,
        before: &Reachability<'_, '_>,
        after: &Reachability<'_, '_>,
        aligned: &Aligned,
    ) -> Vec<Group> {
        let mut rules: Vec<(&RuleRef, usize)> = self.rules.into_iter().collect();
        rules.sort_by_key(|(_, id)| *id);
        let names = Names::of(before, after, aligned);
        let group = |(key, cells): (Key, Vec<At>)| {
            let end = |side: usize| End {
                verdict: words::verdict(key.verdicts[side]).to_owned(),
                layer: words::layer(key.verdicts[side]),
                rules: key.makers[side].iter().map(|id| rules[*id].0.clone()).collect(),
            };
            Group {
                change: key.change,
                before: end(0),
                after: end(1),
                cells: cells.len(),
                flows: names.flows(&cells),
                requests: key.requests.clone(),
            }
        };
        let mut groups: Vec<Group> = self.groups.into_iter().map(group).collect();
        groups.sort_by(|a, b| {
            let rank = |group: &Group| (group.change, std::cmp::Reverse(group.cells));
            rank(a).cmp(&rank(b)).then_with(|| a.flows.cmp(&b.flows)).then_with(|| a.requests.cmp(&b.requests))
        });
        groups
    }
}

/// What a reader calls the sources and destinations that both matrices have.
struct Names {
    rows: Vec<String>,
    targets: Vec<String>,
}

impl Names {
    fn of(before: &Reachability<'_, '_>, after: &Reachability<'_, '_>, aligned: &Aligned) -> Self {
        let row = |pair: &Pair| match (before.rows()[pair.before].near, after.rows()[pair.after].near) {
            (Some(_), None) => before.row_name(pair.before),
            (_, Some(_)) | (None, None) => after.row_name(pair.after),
        };
        let target = |pair: &Pair| match (before.targets()[pair.before].near, after.targets()[pair.after].near) {
            (Some(_), None) => words::target(before, pair.before),
            (_, Some(_)) | (None, None) => words::target(after, pair.after),
        };
        Self { rows: aligned.rows.iter().map(row).collect(), targets: aligned.targets.iter().map(target).collect() }
    }

    /// Destinations with the same sources together.
    fn flows(&self, cells: &[At]) -> Vec<Flows> {
        let mut sources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (row, target) in cells {
            sources.entry(&self.targets[*target]).or_default().insert(&self.rows[*row]);
        }
        let mut destinations: BTreeMap<Vec<String>, BTreeSet<&str>> = BTreeMap::new();
        for (target, rows) in sources {
            destinations.entry(words::wherever(&rows)).or_default().insert(target);
        }
        let flows = destinations.into_iter().map(|(from, to)| Flows { to: words::wherever(&to), from });
        let mut flows: Vec<Flows> = flows.collect();
        flows.sort();
        flows
    }
}
