//! The picture's model: rows and columns in groups, and a tile for each pair.

use std::collections::HashMap;

use airtight_model::path::reach::{CellVerdict, Reachability};

/// Above so many rows or columns a picture shows namespaces instead of classes.
pub(super) const MOST_CLASSES: usize = 120;

/// One row or column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Line {
    /// The namespace, or the kind of what is in none.
    pub(super) group: String,
    /// The workload; empty where a line stands for a group.
    pub(super) name: String,
}

/// How the cells of one tile end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) allowed: usize,
    pub(super) by_request: usize,
    pub(super) denied: usize,
    pub(super) unknown: usize,
}

impl Tile {
    fn add(&mut self, verdict: CellVerdict) {
        match verdict {
            CellVerdict::Allowed => self.allowed += 1,
            CellVerdict::ByRequest => self.by_request += 1,
            CellVerdict::Denied(_) => self.denied += 1,
            CellVerdict::Unknown => self.unknown += 1,
            CellVerdict::Absent => {}
        }
    }

    pub(super) fn total(&self) -> usize {
        self.allowed + self.by_request + self.denied + self.unknown
    }

    /// How a tile is drawn: what is worst to overlook comes first.
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self { unknown: 1.., .. } => Shape::Unknown,
            Self { allowed: 1.., by_request: 0, denied: 0, .. } => Shape::Allowed,
            Self { allowed: 0, by_request: 1.., .. } => Shape::ByRequest,
            Self { allowed: 1.., .. } => Shape::Some,
            Self { denied: 1.., .. } => Shape::Denied,
            _ => Shape::Empty,
        }
    }
}

/// A mark; form tells them apart, colour only helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// A full square: every port is open.
    Allowed,
    /// A square, half full: some ports are open.
    Some,
    /// A ring: requests are told apart.
    ByRequest,
    /// A small dot: nothing gets through.
    Denied,
    /// A diamond with a gap: not known.
    Unknown,
    /// Nothing: there is no such pair.
    Empty,
}

/// Rows, columns and tiles.
#[derive(Debug)]
pub(super) struct Tiles {
    pub(super) rows: Vec<Line>,
    pub(super) columns: Vec<Line>,
    /// Row by row.
    pub(super) tiles: Vec<Tile>,
    /// Whether lines are namespaces.
    pub(super) grouped: bool,
}

impl Tiles {
    pub(super) fn of(reach: &Reachability<'_, '_>) -> Self {
        let by_class = Self::with(reach, line);
        if by_class.rows.len().max(by_class.columns.len()) <= MOST_CLASSES {
            return by_class;
        }
        let grouped = Self::with(reach, |name| Line { name: String::new(), ..line(name) });
        Self { grouped: true, ..grouped }
    }

    fn with(reach: &Reachability<'_, '_>, line: impl Fn(&str) -> Line) -> Self {
        let (rows, row_of) = lines((0..reach.rows().len()).map(|row| line(&reach.row_name(row))));
        let place = |target| without_port(&reach.target_name(target));
        let (columns, column_of) = lines((0..reach.targets().len()).map(|target| line(&place(target))));
        let mut tiles = vec![Tile::default(); rows.len() * columns.len()];
        for cell in reach.cells() {
            tiles[row_of[cell.row] * columns.len() + column_of[cell.target]].add(cell.verdict);
        }
        Self { rows, columns, tiles, grouped: false }
    }

    pub(super) fn tile(&self, row: usize, column: usize) -> &Tile {
        &self.tiles[row * self.columns.len() + column]
    }
}

fn without_port(name: &str) -> String {
    match name.rfind(':') {
        None => name.to_owned(),
        Some(colon) => {
            let note = name[colon..].find(" (").map_or("", |note| &name[colon + note..]);
            format!("{}{note}", &name[..colon])
        }
    }
}

fn line(name: &str) -> Line {
    match name.strip_prefix("gateway ") {
        Some(gateway) => Line { group: "gateways".to_owned(), name: gateway.to_owned() },
        None => match name.split_once('/') {
            Some((namespace, workload)) => Line { group: namespace.to_owned(), name: workload.to_owned() },
            None => Line { group: "outside the pods".to_owned(), name: name.to_owned() },
        },
    }
}

/// Distinct lines, groups together, and the line of each name.
fn lines(all: impl Iterator<Item = Line>) -> (Vec<Line>, Vec<usize>) {
    let mut lines: Vec<Line> = Vec::new();
    let mut known: HashMap<Line, usize> = HashMap::new();
    let index = all
        .map(|line| {
            *known.entry(line.clone()).or_insert_with(|| {
                lines.push(line);
                lines.len() - 1
            })
        })
        .collect();
    (lines, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_go_and_notes_stay() {
        assert_eq!(without_port("a/b:80"), "a/b");
        assert_eq!(without_port("a/b:53/UDP (same node)"), "a/b (same node)");
    }

    #[test]
    fn the_worst_to_overlook_is_drawn() {
        let tile = |allowed, by_request, denied, unknown| Tile { allowed, by_request, denied, unknown }.shape();
        assert_eq!(tile(2, 0, 0, 0), Shape::Allowed);
        assert_eq!(tile(1, 0, 1, 0), Shape::Some);
        assert_eq!(tile(1, 1, 0, 0), Shape::Some);
        assert_eq!(tile(0, 1, 5, 0), Shape::ByRequest);
        assert_eq!(tile(9, 0, 0, 1), Shape::Unknown);
        assert_eq!(tile(0, 0, 1, 0), Shape::Denied);
        assert_eq!(tile(0, 0, 0, 0), Shape::Empty);
    }
}
