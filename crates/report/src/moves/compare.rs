//! Every cell of one matrix held against its like in the other.

use airtight_matrix::run::draft::{At, MovedRequests, moved_requests};
use airtight_model::world::ranges_of_sources;

use super::align::{Aligned, Pair};
use super::change::{Held, decided_alike, ends_alike_everywhere, held, makers};
use super::document::{Change, Counts, Moves};
use super::group::Groups;
use super::objects::Objects;
use super::side::Side;

impl Moves {
    /// Compares a set of manifests with an earlier one.
    #[must_use]
    pub fn between(before: Side<'_>, after: Side<'_>) -> Self {
        let objects = [Objects::of(before.documents), Objects::of(after.documents)];
        let (policies, others) = objects[0].changes(&objects[1]);
        let same_objects = policies.is_empty() && others.is_empty();
        let same_stack = before.engine.world().stack == after.engine.world().stack;
        let aligned = Aligned::of(before.reach, after.reach);
        let mut comparison = Comparison {
            before,
            after,
            objects: [&objects[0], &objects[1]],
            nothing_changed: same_objects && same_stack,
            aligned: &aligned,
            compared: 0,
            changed: Counts::default(),
            groups: Groups::default(),
            asked: Vec::new(),
        };
        comparison.compare();
        comparison.try_requests();
        let Comparison { compared, changed, groups, .. } = comparison;
        Self {
            before: before.set(objects[0].policies()),
            after: after.set(objects[1].policies()),
            compared,
            changed,
            groups: groups.finish(before.reach, after.reach, &aligned),
            only_before: aligned.only_before,
            only_after: aligned.only_after,
            policies,
            others,
            ranges: ranges(before, after),
        }
    }
}

/// Ranges of senders that one side alone names.
fn ranges(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let [before, after] = [before, after].map(|side| ranges_of_sources(side.documents));
    before.symmetric_difference(&after).cloned().collect()
}

struct Comparison<'a> {
    before: Side<'a>,
    after: Side<'a>,
    objects: [&'a Objects; 2],
    /// Both sets are the same: then requests need not be tried.
    nothing_changed: bool,
    aligned: &'a Aligned,
    compared: usize,
    changed: Counts,
    groups: Groups<'a>,
    /// Cells that requests decide on both sides: indices among the rows and targets that both have.
    asked: Vec<At>,
}

impl Comparison<'_> {
    fn compare(&mut self) {
        for (row, sources) in self.aligned.rows.iter().enumerate() {
            for (target, destinations) in self.aligned.targets.iter().enumerate() {
                let [was, is] = at(*sources, *destinations);
                let held = held(&self.before.reach.cell(was.0, was.1), &self.after.reach.cell(is.0, is.1));
                self.compared += usize::from(held != Held::Absent);
                match held {
                    Held::Absent | Held::Same => {}
                    Held::Changed(change) => self.add(change, (row, target), &[]),
                    Held::ByRequests => self.asked.push((row, target)),
                    Held::InDoubt if self.is_decided_alike((row, target)) || self.ends_alike((row, target)) => {}
                    Held::InDoubt => self.add(Change::Unclear, (row, target), &[]),
                }
            }
        }
    }

    fn try_requests(&mut self) {
        if self.nothing_changed {
            return;
        }
        let asked = std::mem::take(&mut self.asked);
        let pairs: Vec<[At; 2]> = asked.iter().map(|cell| self.at(*cell)).collect();
        let moved = moved_requests(self.before.seen(), self.after.seen(), &pairs);
        for (cell, moved) in asked.into_iter().zip(moved) {
            self.judge_requests(cell, moved);
        }
    }

    /// Where no request that was tried tells the sides apart, they are the same only if the same rules decide.
    fn judge_requests(&mut self, cell: At, moved: Option<MovedRequests>) {
        let Some(MovedRequests { opened, closed, unclear }) = moved else {
            self.add(Change::Unclear, cell, &[]);
            return;
        };
        let both = [(Change::Opened, &opened), (Change::Closed, &closed)];
        for (change, requests) in both.into_iter().filter(|(_, requests)| !requests.is_empty()) {
            self.add(change, cell, requests);
        }
        if opened.is_empty() && closed.is_empty() && (unclear || !self.is_decided_alike(cell)) {
            self.add(Change::Unclear, cell, &[]);
        }
    }

    fn at(&self, (row, target): At) -> [At; 2] {
        at(self.aligned.rows[row], self.aligned.targets[target])
    }

    fn is_decided_alike(&self, cell: At) -> bool {
        let [was, is] = self.at(cell);
        let (was, is) = (self.before.reach.cell(was.0, was.1), self.after.reach.cell(is.0, is.1));
        decided_alike(&was, &is, self.objects)
    }

    fn ends_alike(&self, cell: At) -> bool {
        let [was, is] = self.at(cell);
        ends_alike_everywhere(&self.before.reach.cell(was.0, was.1), &self.after.reach.cell(is.0, is.1))
    }

    fn add(&mut self, change: Change, cell: At, requests: &[String]) {
        let [was, is] = self.at(cell);
        let (was, is) = (self.before.reach.cell(was.0, was.1), self.after.reach.cell(is.0, is.1));
        self.changed.add(change, 1);
        self.groups.add(change, [was.verdict, is.verdict], makers(&was, &is, self.objects), requests, cell);
    }
}

fn at(row: Pair, target: Pair) -> [At; 2] {
    [(row.before, target.before), (row.after, target.after)]
}
