//! Progress: one line for each scenario that is done, and on a terminal a counter below them.

use std::io::{self, Write};

use airtight_matrix::run::CaseRecord;

use super::style::Style;
use crate::standing::Standing;
use crate::text::one_line;

/// How far the run is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    expected: usize,
    done: usize,
    /// The scenario at hand and how its cases stand so far.
    scenario: Option<(String, Vec<Standing>)>,
    /// Whether the counter is on the screen.
    shown: bool,
}

impl Progress {
    /// Says how many cases will come.
    pub(super) fn expect(&mut self, cases: usize) {
        *self = Self { expected: cases, ..Self::default() };
    }

    /// Takes a case; a scenario's line is written when the next scenario begins.
    pub(super) fn case(&mut self, out: &mut impl Write, style: Style, case: &CaseRecord) -> io::Result<()> {
        if self.scenario.as_ref().is_none_or(|(name, _)| *name != case.case.scenario) {
            self.scenario_line(out, style)?;
            self.scenario = Some((case.case.scenario.clone(), Vec::new()));
        }
        self.done += 1;
        if let Some((_, standings)) = &mut self.scenario {
            standings.push(Standing::of(case));
        }
        self.counter(out, style)
    }

    /// Writes the last scenario's line.
    pub(super) fn finish(&mut self, out: &mut impl Write, style: Style) -> io::Result<()> {
        self.scenario_line(out, style)
    }

    /// Takes the counter off the screen.
    pub(super) fn clear(&mut self, out: &mut impl Write, style: Style) -> io::Result<()> {
        if style.live && std::mem::take(&mut self.shown) {
            // Carriage return, then CSI 2K: erase the line.
            out.write_all(b"\r\x1b[2K")?;
        }
        Ok(())
    }

    fn counter(&mut self, out: &mut impl Write, style: Style) -> io::Result<()> {
        if !style.live {
            return Ok(());
        }
        self.clear(out, style)?;
        let name = self.scenario.as_ref().map_or("", |(name, _)| name.as_str());
        let line = format!("  {}/{} {}", self.done, self.expected, one_line(name));
        out.write_all(style.dim(&style.fit(&line)).as_bytes())?;
        self.shown = true;
        out.flush()
    }

    fn scenario_line(&mut self, out: &mut impl Write, style: Style) -> io::Result<()> {
        self.clear(out, style)?;
        let Some((name, standings)) = self.scenario.take() else { return Ok(()) };
        let worst = standings.iter().min().copied().unwrap_or(Standing::Skipped);
        let glyph = match worst {
            Standing::Failed => style.red(worst.glyph()),
            Standing::Inconclusive | Standing::Waived | Standing::Skipped => style.yellow(worst.glyph()),
            Standing::Denied | Standing::Allowed => style.green("✓"),
        };
        writeln!(out, "  {glyph} {}: {}", one_line(&name), tally_words(&standings))
    }
}

/// Such as `1 failed, 7 denied, 3 allowed`.
fn tally_words(standings: &[Standing]) -> String {
    Standing::ALL
        .iter()
        .filter_map(|standing| {
            let number = standings.iter().filter(|other| *other == standing).count();
            (number > 0).then(|| format!("{number} {}", standing.word()))
        })
        .collect::<Vec<_>>()
        .join(", ")
}
