//! A history as one self-contained page: the trend as a picture, and the same in words.

use airtight_matrix::run::Summary;
use askama::Template;

use super::document::{Fix, Flake, History};
use super::terminal::{median, span};
use crate::error::ReportError;
use crate::text::count;
use crate::wording::status_word;

/// The page.
///
/// # Errors
/// [`ReportError::Render`]; no history is known for which it happens.
pub fn render(history: &History) -> Result<String, ReportError> {
    let lines = history.lines.iter().map(LineView::of).collect();
    Page { lines }.render().map_err(|error| ReportError::Render { format: "HTML", why: error.to_string() })
}

#[derive(Template)]
#[template(path = "history.html", whitespace = "minimize")]
struct Page {
    lines: Vec<LineView>,
}

struct LineView {
    title: String,
    width: usize,
    bars: Vec<Bar>,
    runs: Vec<RunView>,
    flaky: Vec<Flake>,
    open: Vec<FixView>,
    fixed: Vec<FixView>,
    median: String,
}

/// One run in the picture: pieces from the bottom up.
struct Bar {
    x: usize,
    label: String,
    pieces: Vec<Piece>,
}

struct Piece {
    class: &'static str,
    y: usize,
    height: usize,
}

struct RunView {
    run: String,
    started: String,
    status: &'static str,
    counts: [usize; 5],
    changed: String,
}

struct FixView {
    case: String,
    title: String,
    since: String,
    lasted: String,
    runs: usize,
    waived: bool,
}

/// How high the picture is, and how wide a run in it.
const HEIGHT: usize = 120;
const WIDTH: usize = 14;

impl LineView {
    fn of(line: &super::document::Line) -> Self {
        let bars = line.runs.iter().enumerate().map(|(index, point)| Bar {
            x: index * WIDTH,
            label: format!("{}: {}", point.started, words(&point.summary)),
            pieces: pieces(&point.summary),
        });
        let runs = line.runs.iter().rev().map(|point| RunView {
            run: point.run.clone(),
            started: point.started.clone(),
            status: status_word(point.summary.status),
            counts: counts(&point.summary),
            changed: point.changed.join(", "),
        });
        Self {
            title: format!("{} testbed, stack {}: {}", line.testbed, line.stack, count(line.runs.len(), "run", "runs")),
            width: line.runs.len().max(1) * WIDTH,
            bars: bars.collect(),
            runs: runs.collect(),
            flaky: line.flaky.clone(),
            open: line.open.iter().map(fix).collect(),
            fixed: line.fixed.iter().map(fix).collect(),
            median: median(&line.fixed).map(span).unwrap_or_default(),
        }
    }
}

fn fix(fix: &Fix) -> FixView {
    FixView {
        case: fix.case.clone(),
        title: fix.title.clone(),
        since: fix.since.clone(),
        lasted: span(fix.seconds),
        runs: fix.runs,
        waived: fix.waived,
    }
}

/// Passed, skipped, waived, inconclusive, failed.
fn counts(summary: &Summary) -> [usize; 5] {
    [summary.passed, summary.skipped, summary.waived, summary.inconclusive, summary.failed]
}

const CLASSES: [&str; 5] = ["passed", "skipped", "waived", "inconclusive", "failed"];

fn words(summary: &Summary) -> String {
    let parts = CLASSES.iter().zip(counts(summary)).filter(|(_, number)| *number > 0);
    let parts: Vec<String> = parts.map(|(class, number)| format!("{number} {class}")).collect();
    if parts.is_empty() { "no cases".to_owned() } else { parts.join(", ") }
}

/// The height of each count; what there is has at least two units, or one failure among a thousand cases would not show.
fn pieces(summary: &Summary) -> Vec<Piece> {
    let total = summary.total.max(1);
    let mut y = HEIGHT;
    let mut pieces = Vec::new();
    for (class, number) in CLASSES.into_iter().zip(counts(summary)).rev().filter(|(_, number)| *number > 0) {
        let height = (number * HEIGHT / total).max(2).min(y);
        y -= height;
        pieces.push(Piece { class, y, height });
    }
    pieces
}
