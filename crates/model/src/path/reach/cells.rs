//! Cells: a verdict and its bases for each row and target, a few bytes each.

use super::basis::{Bases, Basis, BasisId};
use super::verdict::CellVerdict;

/// The cells of a grid; the index of a cell is that of its row times the number of targets, plus that of its target.
#[derive(Debug)]
pub(super) struct Cells {
    targets: usize,
    verdicts: Vec<Option<CellVerdict>>,
    /// Where the bases of a cell begin and end in `listed`.
    spans: Vec<(u32, u8)>,
    listed: Vec<BasisId>,
    pub(super) bases: Bases,
}

impl Cells {
    pub(super) fn new(rows: usize, targets: usize) -> Self {
        let size = rows * targets;
        Self {
            targets,
            verdicts: vec![None; size],
            spans: vec![(0, 0); size],
            listed: Vec::new(),
            bases: Bases::default(),
        }
    }

    /// The cells of fewer rows and targets, each of which stands for some; of a cell's likes the first that has ends counts.
    pub(super) fn put_together(self, rows: &[Vec<usize>], targets: &[Vec<usize>]) -> Self {
        let cells = rows.iter().flat_map(|row| targets.iter().map(move |target| (row, target)));
        let chosen = cells.map(|(row, target)| {
            let mut likes = row.iter().flat_map(|row| target.iter().map(|target| self.index(*row, *target)));
            let first = self.index(row[0], target[0]);
            likes.find(|index| self.verdicts[*index].is_some()).unwrap_or(first)
        });
        let (verdicts, spans) = chosen.map(|index| (self.verdicts[index], self.spans[index])).unzip();
        Self { targets: targets.len(), verdicts, spans, listed: self.listed, bases: self.bases }
    }

    fn index(&self, row: usize, target: usize) -> usize {
        row * self.targets + target
    }

    pub(super) fn verdict(&self, row: usize, target: usize) -> CellVerdict {
        self.verdicts[self.index(row, target)].unwrap_or(CellVerdict::Absent)
    }

    pub(super) fn is_open(&self, row: usize, target: usize) -> bool {
        self.verdicts[self.index(row, target)].is_none()
    }

    /// Settles a cell. Bases beyond 255 are left out: no way has that many checkpoints.
    pub(super) fn settle(&mut self, row: usize, target: usize, verdict: CellVerdict, bases: &[BasisId]) {
        let index = self.index(row, target);
        self.verdicts[index] = Some(verdict);
        let start = u32::try_from(self.listed.len()).unwrap_or(u32::MAX);
        let present = bases.iter().copied().filter(|id| *id != BasisId::NONE).take(usize::from(u8::MAX));
        self.listed.extend(present);
        let length = self.listed.len() - start as usize;
        self.spans[index] = (start, u8::try_from(length).unwrap_or(u8::MAX));
    }

    /// The verdict of bases in the order of their checkpoints.
    pub(super) fn weigh<'a>(&self, bases: impl IntoIterator<Item = &'a BasisId>) -> CellVerdict {
        CellVerdict::of_stamps(bases.into_iter().filter_map(|id| self.bases.stamp(*id)))
    }

    pub(super) fn basis_ids(&self, row: usize, target: usize) -> &[BasisId] {
        let (start, length) = self.spans[self.index(row, target)];
        &self.listed[start as usize..start as usize + usize::from(length)]
    }

    pub(super) fn bases(&self, row: usize, target: usize) -> impl Iterator<Item = &Basis> {
        self.basis_ids(row, target).iter().filter_map(|id| self.bases.get(*id))
    }
}
