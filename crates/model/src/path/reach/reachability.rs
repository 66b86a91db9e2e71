//! Every cell of a world: computed, and asked for.

use super::basis::Basis;
use super::cells::Cells;
use super::class::Class;
use super::grid::Grid;
use super::grid::{GridTarget, Place, Row, Who};
use super::scope::{Scope, View};
use super::verdict::CellVerdict;
use super::{direct, service, travel};
use crate::path::engine::Engine;
use crate::world::World;

/// Who reaches whom in one world.
#[derive(Debug)]
pub struct Reachability<'e, 'w> {
    engine: &'e Engine<'w>,
    grid: Grid,
    cells: Cells,
}

/// How the flows of one row to one target end.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// Index of the row.
    pub row: usize,
    /// Index of the target.
    pub target: usize,
    /// How they end.
    pub verdict: CellVerdict,
    cells: &'a Cells,
}

impl<'e, 'w> Reachability<'e, 'w> {
    /// Computes every cell in `scope`.
    ///
    /// ```
    /// use airtight_model::path::Engine;
    /// use airtight_model::path::reach::{Reachability, Scope};
    /// # fn of(world: &airtight_model::world::World) {
    /// let engine = Engine::compile(world);
    /// let reachability = Reachability::compute(&engine, &Scope::default());
    /// let open = reachability.cells().filter(|cell| cell.verdict.is_allowed()).count();
    /// # let _ = open; }
    /// ```
    #[must_use]
    pub fn compute(engine: &'e Engine<'w>, scope: &Scope) -> Self {
        let policies = &engine.policies;
        let grid = Grid::of(policies, scope);
        let mut cells = Cells::new(grid.rows.len(), grid.targets.len());
        match scope.view {
            View::Pod => direct::fill(policies, &grid, &mut cells),
            View::Service => service::fill(policies, &grid, &mut cells),
            View::Usual | View::Everything => {
                service::fill(policies, &grid, &mut cells);
                direct::fill(policies, &grid, &mut cells);
            }
        }
        travel::fill(policies, &grid, &mut cells);
        Self { engine, grid, cells }
    }

    /// The same with one row for a source (and one target for a destination) where all cells say the same whether both ends
    /// are on one node or not.
    #[must_use]
    pub fn folded(mut self) -> Self {
        let cells = super::fold::fold(&mut self.grid, self.cells);
        Self { cells, ..self }
    }

    /// The world that it is about.
    #[must_use]
    pub fn world(&self) -> &'w World {
        self.engine.world()
    }

    /// The classes of pods; a `ClassId` is an index.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.grid.classes
    }

    /// The sources.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.grid.rows
    }

    /// The namespace of a source; none of what is no pod.
    #[must_use]
    pub fn row_namespace(&self, row: usize) -> Option<&str> {
        match self.grid.rows[row].who {
            Who::Class(class) => Some(&self.grid.class(class).namespace),
            Who::Node { .. } | Who::Outside => None,
        }
    }

    /// The namespace of a destination; none of a host outside.
    #[must_use]
    pub fn target_namespace(&self, target: usize) -> Option<&str> {
        match &self.grid.targets[target].place {
            Place::Class(class) => Some(&self.grid.class(*class).namespace),
            Place::Service(index) => Some(&self.world().services[*index].namespace),
            Place::Gateway((namespace, _)) => Some(namespace),
            Place::Host(_) => None,
        }
    }

    /// The destinations.
    #[must_use]
    pub fn targets(&self) -> &[GridTarget] {
        &self.grid.targets
    }

    /// One cell.
    ///
    /// # Panics
    /// If there is no such row or target.
    #[must_use]
    pub fn cell(&self, row: usize, target: usize) -> Cell<'_> {
        Cell { row, target, verdict: self.cells.verdict(row, target), cells: &self.cells }
    }

    /// Every cell for which there is a pair of ends, source by source.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let targets = self.grid.targets.len();
        let all = (0..self.grid.rows.len()).flat_map(move |row| (0..targets).map(move |target| (row, target)));
        all.map(|(row, target)| self.cell(row, target)).filter(|cell| cell.verdict != CellVerdict::Absent)
    }

    /// What a reader calls a source.
    #[must_use]
    pub fn row_name(&self, row: usize) -> String {
        self.grid.row_name(self.world(), row)
    }

    /// What a reader calls a destination, its port included.
    #[must_use]
    pub fn target_name(&self, target: usize) -> String {
        self.grid.target_name(self.world(), target)
    }
}

impl<'a> Cell<'a> {
    /// What every checkpoint on the way decided and by which rules, in order; checkpoints that no rule moved
    /// may be left out.
    pub fn bases(&self) -> impl Iterator<Item = &'a Basis> + use<'a> {
        self.cells.bases(self.row, self.target)
    }

    /// What decided: for a flow that gets through every checkpoint with a rule, else the checkpoints that end it. Where
    /// requests decide and the one that was tried got through, it is every checkpoint too.
    pub fn deciding(&self) -> impl Iterator<Item = &'a Basis> + use<'a> {
        let none_ended = self.verdict == CellVerdict::ByRequest && self.bases().all(Basis::allows);
        let allowed = self.verdict.is_allowed() || none_ended;
        self.bases().filter(move |basis| basis.allows() == allowed)
    }
}
