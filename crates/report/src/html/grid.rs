//! The matrix as a picture: who is tried against what, and how each case stands.

use std::collections::BTreeMap;

use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_model::path::{Destination, Source};

use super::anchor;
use crate::standing::Standing;
use crate::text::one_line;

/// The picture.
pub(super) struct Grid {
    pub(super) columns: Vec<End>,
    pub(super) rows: Vec<Row>,
}

/// One source or destination.
pub(super) struct End {
    /// The namespace, or what stands for one.
    pub(super) group: String,
    /// The name in it.
    pub(super) name: String,
    /// Whether it is the first of its group.
    pub(super) first: bool,
}

/// One source with its cells from the first column to the last; one cell stands for all empty ones beside each other.
pub(super) struct Row {
    pub(super) source: End,
    pub(super) cells: Vec<Cell>,
}

/// One source against one destination, or against several with none of which it is tried.
pub(super) struct Cell {
    pub(super) first: bool,
    /// Its first column.
    pub(super) column: usize,
    /// How many columns it takes.
    pub(super) span: usize,
    pub(super) marks: Vec<Mark>,
}

/// One case in a cell.
pub(super) struct Mark {
    pub(super) anchor: String,
    pub(super) standing: &'static str,
    pub(super) glyph: &'static str,
    pub(super) flaky: bool,
    pub(super) label: String,
}

/// Sorts ends: namespaces first, then what lies around them.
type Place = (u8, String, String);

impl Grid {
    pub(super) fn of(record: &RunRecord) -> Self {
        let mut marks: BTreeMap<(Place, Place), Vec<Mark>> = BTreeMap::new();
        for case in &record.cases {
            let flow = &case.case.flow;
            marks.entry((source_place(&flow.from), destination_place(&flow.to))).or_default().push(mark(case));
        }
        let mut sources: Vec<Place> = marks.keys().map(|(source, _)| source.clone()).collect();
        let mut destinations: Vec<Place> = marks.keys().map(|(_, destination)| destination.clone()).collect();
        for places in [&mut sources, &mut destinations] {
            places.sort();
            places.dedup();
        }
        let columns = ends(&destinations);
        let rows = ends(&sources)
            .into_iter()
            .zip(&sources)
            .map(|(source, place)| Row { source, cells: cells(place, &destinations, &columns, &mut marks) })
            .collect();
        Self { columns, rows }
    }
}

fn cells(
    source: &Place,
    destinations: &[Place],
    columns: &[End],
    marks: &mut BTreeMap<(Place, Place), Vec<Mark>>,
) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for (index, (destination, column)) in destinations.iter().zip(columns).enumerate() {
        let marks = marks.remove(&(source.clone(), destination.clone())).unwrap_or_default();
        match cells.last_mut() {
            Some(last) if last.marks.is_empty() && marks.is_empty() && !column.first => last.span += 1,
            Some(_) | None => cells.push(Cell { first: column.first, column: index, span: 1, marks }),
        }
    }
    cells
}

fn mark(record: &CaseRecord) -> Mark {
    let standing = Standing::of(record);
    let flaky = if record.judgement.flaky { ", flaky" } else { "" };
    let label = format!("{}: {}{flaky}. {}", record.case.id, standing.word(), record.case.title);
    Mark {
        anchor: anchor::case(&record.case.id),
        standing: standing.word(),
        glyph: standing.glyph(),
        flaky: record.judgement.flaky,
        label: one_line(&label),
    }
}

fn ends(places: &[Place]) -> Vec<End> {
    let mut last: Option<(u8, &str)> = None;
    places
        .iter()
        .map(|(rank, group, name)| {
            let first = last != Some((*rank, group));
            last = Some((*rank, group));
            End { group: one_line(group), name: one_line(name), first }
        })
        .collect()
}

fn source_place(source: &Source) -> Place {
    match source {
        Source::Workload(namespace, name) => (1, namespace.clone(), name.clone()),
        Source::Outside => (0, "the Internet".to_owned(), "outside".to_owned()),
        Source::Node(name) => (2, "nodes".to_owned(), name.clone()),
        Source::Kubelet => (2, "nodes".to_owned(), "kubelet".to_owned()),
        Source::User(user) => (3, "users of the API server".to_owned(), user.name.clone()),
    }
}

fn destination_place(destination: &Destination) -> Place {
    match destination {
        Destination::Service(namespace, name) => (1, namespace.clone(), name.clone()),
        Destination::Pod(namespace, name) => (1, namespace.clone(), format!("{name} (pod)")),
        Destination::Gateway(namespace, name) => (0, namespace.clone(), format!("{name} (gateway)")),
        Destination::Node(name) => (2, "nodes".to_owned(), name.clone()),
        Destination::Host(name) => (3, "outside hosts".to_owned(), name.clone()),
        Destination::Address(address) => (4, "addresses".to_owned(), address.to_string()),
        Destination::Name(name) => (5, "names resolved".to_owned(), name.clone()),
        Destination::Object(change) => (6, "objects".to_owned(), change.target.kind.to_string()),
    }
}
