//! Cells: a verdict and its grounds for each row and target, a few bytes each.

use super::ground::{Ground, GroundId, Grounds};
use super::verdict::Verdict;

/// The cells of a grid; the index of a cell is that of its row times the number of targets, plus that of its target.
#[derive(Debug)]
pub(super) struct Cells {
    targets: usize,
    verdicts: Vec<Option<Verdict>>,
    /// Where the grounds of a cell begin and end in `listed`.
    spans: Vec<(u32, u8)>,
    listed: Vec<GroundId>,
    pub(super) grounds: Grounds,
}

impl Cells {
    pub(super) fn new(rows: usize, targets: usize) -> Self {
        let size = rows * targets;
        Self {
            targets,
            verdicts: vec![None; size],
            spans: vec![(0, 0); size],
            listed: Vec::new(),
            grounds: Grounds::default(),
        }
    }

    fn index(&self, row: usize, target: usize) -> usize {
        row * self.targets + target
    }

    pub(super) fn verdict(&self, row: usize, target: usize) -> Verdict {
        self.verdicts[self.index(row, target)].unwrap_or(Verdict::Absent)
    }

    pub(super) fn is_open(&self, row: usize, target: usize) -> bool {
        self.verdicts[self.index(row, target)].is_none()
    }

    /// Settles a cell. Grounds beyond 255 are left out: no way has that many checkpoints.
    pub(super) fn settle(&mut self, row: usize, target: usize, verdict: Verdict, grounds: &[GroundId]) {
        let index = self.index(row, target);
        self.verdicts[index] = Some(verdict);
        let start = u32::try_from(self.listed.len()).unwrap_or(u32::MAX);
        let present = grounds.iter().copied().filter(|id| *id != GroundId::NONE).take(usize::from(u8::MAX));
        self.listed.extend(present);
        let length = self.listed.len() - start as usize;
        self.spans[index] = (start, u8::try_from(length).unwrap_or(u8::MAX));
    }

    /// The verdict of grounds in the order of their checkpoints.
    pub(super) fn weigh<'a>(&self, grounds: impl IntoIterator<Item = &'a GroundId>) -> Verdict {
        Verdict::of_stamps(grounds.into_iter().filter_map(|id| self.grounds.stamp(*id)))
    }

    pub(super) fn ground_ids(&self, row: usize, target: usize) -> &[GroundId] {
        let (start, length) = self.spans[self.index(row, target)];
        &self.listed[start as usize..start as usize + usize::from(length)]
    }

    pub(super) fn grounds(&self, row: usize, target: usize) -> impl Iterator<Item = &Ground> {
        self.ground_ids(row, target).iter().filter_map(|id| self.grounds.get(*id))
    }
}
