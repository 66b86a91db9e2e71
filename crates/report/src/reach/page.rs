//! The matrix as one self-contained page: the picture, its key, and the same in words.

use std::collections::BTreeMap;

use airtight_model::path::reach::Reachability;
use askama::Template;

use super::picture::{Picture, mark};
use super::summary::Summary;
use super::tiles::{Shape, Tile, Tiles};
use super::{deciding, layer, word};
use crate::error::ReportError;
use crate::text::{count, one_line};

/// How many lines a namespace's list has at most.
const LONGEST: usize = 400;

/// The page.
///
/// # Errors
/// [`ReportError::Render`]; no matrix is known for which it happens.
pub fn page(reach: &Reachability<'_, '_>) -> Result<String, ReportError> {
    Page::of(reach).render().map_err(|error| ReportError::Render { format: "HTML", why: error.to_string() })
}

#[derive(Template)]
#[template(path = "matrix.html", whitespace = "minimize")]
struct Page {
    lead: String,
    names: String,
    picture: String,
    grouped: bool,
    key: Vec<Key>,
    counts: Vec<(&'static str, usize)>,
    sources: Vec<Source>,
}

/// One line of the key.
struct Key {
    mark: String,
    meaning: &'static str,
}

/// What the pods of one namespace (or other sources) can reach.
struct Source {
    name: String,
    reached: String,
    lines: Vec<Entry>,
    left_out: usize,
}

struct Entry {
    from: String,
    to: String,
    verdict: &'static str,
    rules: String,
}

impl Page {
    fn of(reach: &Reachability<'_, '_>) -> Self {
        let tiles = Tiles::of(reach);
        let picture = Picture::of(&tiles);
        let summary = Summary::of(reach);
        Self {
            lead: summary.line(reach),
            names: picture.names(),
            picture: picture.grid(),
            grouped: tiles.grouped,
            key: key(),
            counts: summary.words(),
            sources: sources(reach),
        }
    }
}

fn key() -> Vec<Key> {
    let some = Tile { allowed: 1, denied: 1, ..Tile::default() };
    let line = |shape, tile: &Tile, meaning| Key { mark: mark(shape, tile, 0, 0), meaning };
    vec![
        line(Shape::Allowed, &some, "every port is open"),
        line(Shape::Some, &some, "some ports are open: the filled part"),
        line(Shape::ByRequest, &some, "open to some requests only"),
        line(Shape::Denied, &some, "denied"),
        line(Shape::Unknown, &some, "not known"),
    ]
}

/// What is open or not known, by the namespace of the source.
fn sources(reach: &Reachability<'_, '_>) -> Vec<Source> {
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    let mut reached: BTreeMap<String, usize> = BTreeMap::new();
    for cell in reach.cells().filter(|cell| layer(cell.verdict).is_none()) {
        let from = one_line(&reach.row_name(cell.row));
        let group = from.split_once('/').map_or(from.as_str(), |(namespace, _)| namespace).to_owned();
        *reached.entry(group.clone()).or_default() += 1;
        let empty = || Source { name: group.clone(), reached: String::new(), lines: Vec::new(), left_out: 0 };
        let source = sources.entry(group.clone()).or_insert_with(empty);
        if source.lines.len() == LONGEST {
            source.left_out += 1;
            continue;
        }
        let to = one_line(&reach.target_name(cell.target));
        source.lines.push(Entry { from, to, verdict: word(cell.verdict), rules: one_line(&deciding(&cell)) });
    }
    for (name, source) in &mut sources {
        source.reached = count(reached[name], "open way", "open ways");
    }
    sources.into_values().collect()
}
