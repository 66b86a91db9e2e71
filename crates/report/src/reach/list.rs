//! The matrix for a terminal: who may reach what, source by source, and why.

use std::io::{self, Write};

use airtight_matrix::run::draft::PassingRequests;
use airtight_model::path::reach::{CellVerdict, Reachability};

use super::exposure::Exposure;
use super::summary::Summary;
use super::{deciding, layer, word};
use crate::Style;
use crate::text::one_line;

/// Writes what gets through or could (with `all`: what is denied as well), source by source.
///
/// # Errors
/// Those of `out`.
pub fn list(
    out: &mut dyn Write,
    reach: &Reachability<'_, '_>,
    requests: &PassingRequests,
    all: bool,
    style: Style,
) -> io::Result<()> {
    let mut source = None;
    for cell in reach.cells().filter(|cell| all || layer(cell.verdict).is_none()) {
        if source != Some(cell.row) {
            source = Some(cell.row);
            writeln!(out, "{}", style.bold(&one_line(&reach.row_name(cell.row))))?;
        }
        let target = one_line(&reach.target_name(cell.target));
        let verdict = match layer(cell.verdict) {
            Some(layer) => format!("{} by {layer}", word(cell.verdict)),
            None => format!("{}{}", word(cell.verdict), one_line(&which(requests.at(cell.row, cell.target)))),
        };
        let mark = mark(cell.verdict);
        writeln!(out, "  {mark} {target}  {verdict} ({})", one_line(&deciding(&cell)))?;
    }
    if source.is_some() {
        writeln!(out)?;
    }
    let exposure = Exposure::of(reach).lines();
    if !exposure.is_empty() {
        writeln!(out, "{}", style.bold("exposed"))?;
        exposure.iter().try_for_each(|line| writeln!(out, "{}", one_line(line)))?;
        writeln!(out)?;
    }
    writeln!(out, "{}", Summary::of(reach).line(reach))
}

/// Which requests pass, where any was tried.
fn which(passing: Option<&[String]>) -> String {
    match passing {
        None => String::new(),
        Some([]) => ", none of those that policies name".to_owned(),
        Some(passing) => format!(", such as {}", passing.join(", ")),
    }
}

fn mark(verdict: CellVerdict) -> char {
    match verdict {
        CellVerdict::Allowed => '●',
        CellVerdict::ByRequest => '◐',
        CellVerdict::Denied(_) => '×',
        CellVerdict::Unknown => '?',
        CellVerdict::Absent => ' ',
    }
}
