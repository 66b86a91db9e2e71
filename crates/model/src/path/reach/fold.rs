//! Rows and targets once where it makes no difference after all whether both ends are on one node.

use std::hash::Hash;

use super::basis::Basis;
use super::cells::Cells;
use super::grid::{Grid, GridTarget, Nearness, Row};
use super::verdict::CellVerdict;

/// A row or a target, and who it is wherever it is.
trait Line: Clone {
    type Who: PartialEq + Eq + Hash;

    fn near(&self) -> Option<Nearness>;
    fn who(&self) -> Self::Who;
    fn anywhere(&self) -> Self;
}

impl Line for Row {
    type Who = super::grid::Who;

    fn near(&self) -> Option<Nearness> {
        self.near
    }

    fn who(&self) -> Self::Who {
        self.who
    }

    fn anywhere(&self) -> Self {
        Self { near: None, ..*self }
    }
}

impl Line for GridTarget {
    type Who = Self;

    fn near(&self) -> Option<Nearness> {
        self.near
    }

    fn who(&self) -> Self::Who {
        self.anywhere()
    }

    fn anywhere(&self) -> Self {
        Self { near: None, ..self.clone() }
    }
}

/// Puts the two rows of a source together whose cells say the same, then the two targets of a destination.
pub(super) fn fold(grid: &mut Grid, cells: Cells) -> Cells {
    let rows = twins(&grid.rows, |one, other| {
        (0..grid.targets.len()).all(|target| alike(&cells, (one, target), (other, target)))
    });
    let cells = cells.put_together(&rows, &each(grid.targets.len()));
    grid.fold_rows(&rows);
    let targets =
        twins(&grid.targets, |one, other| (0..grid.rows.len()).all(|row| alike(&cells, (row, one), (row, other))));
    let folded = cells.put_together(&each(grid.rows.len()), &targets);
    grid.fold_targets(&targets);
    folded
}

fn each(number: usize) -> Vec<Vec<usize>> {
    (0..number).map(|index| vec![index]).collect()
}

/// The lines that stay, each with those that it stands for.
fn twins<L: Line>(lines: &[L], same: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let previous = kept.last_mut().filter(|group| {
            let near = &lines[group[0]];
            line.near().is_some() && near.near().is_some() && near.who() == line.who() && same(group[0], index)
        });
        match previous {
            Some(group) => group.push(index),
            None => kept.push(vec![index]),
        }
    }
    kept
}

/// Whether two cells say the same; where one has no ends, there is nothing that it could say otherwise.
fn alike(cells: &Cells, one: (usize, usize), other: (usize, usize)) -> bool {
    let [first, second] = [one, other].map(|(row, target)| cells.verdict(row, target));
    let absent = [first, second].contains(&CellVerdict::Absent);
    let told = |(row, target)| cells.bases(row, target).map(words).collect::<Vec<_>>();
    absent || (first == second && told(one) == told(other))
}

fn words(basis: &Basis) -> (crate::policy::Effect, &[airtight_manifest::RuleRef]) {
    (basis.effect, &basis.rules)
}

impl Grid {
    fn fold_rows(&mut self, kept: &[Vec<usize>]) {
        (self.rows, self.row_labels) = folded(&self.rows, &self.row_labels, kept);
    }

    fn fold_targets(&mut self, kept: &[Vec<usize>]) {
        (self.targets, self.target_labels) = folded(&self.targets, &self.target_labels, kept);
    }
}

fn folded<L: Line>(lines: &[L], labels: &[String], kept: &[Vec<usize>]) -> (Vec<L>, Vec<String>) {
    let line = |group: &Vec<usize>| {
        let first = &lines[group[0]];
        if group.len() > 1 { first.anywhere() } else { first.clone() }
    };
    let label = |group: &Vec<usize>| labels[group[0]].clone();
    (kept.iter().map(line).collect(), kept.iter().map(label).collect())
}
