//! The page of all comparisons, `docs/fidelity.md`.

use std::fmt::Write as _;
use std::path::Path;

use airtight_manifest::Failure;

use crate::tally::{Tally, sum};

const HEAD: &str = "# Fidelity\n\n\
The model held against the engines that it models, on generated worlds: each cell is asked of both. `ci/oracles.sh` \
runs the comparison and writes this page; nobody edits it. A cell that the model calls unknown counts as no \
agreement; nor does one that the engine, as a program without a cluster, does not answer. Exceptions are upstream \
bugs at a version, listed in `oracles/exceptions.yaml`.\n\n\
| engine | version | stack | worlds | cells | agree | disagree | unknown | not answered | excepted |\n\
|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n";

/// Writes the page from the records of a folder.
///
/// # Errors
/// A record cannot be read, or there is none, or the page cannot be written.
pub(crate) fn write(records: &Path, page: &Path) -> Result<(), Failure> {
    let fail = |path: &Path, why: String| Failure::new("page", format!("{}: {why}", path.display()));
    let entries = std::fs::read_dir(records).map_err(|error| fail(records, error.to_string()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut tallies = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).map_err(|error| fail(path, error.to_string()))?;
        let tally: Tally = serde_json::from_str(&text).map_err(|error| fail(path, error.to_string()))?;
        tallies.push(tally);
    }
    if tallies.is_empty() {
        return Err(fail(records, "no comparison is recorded".to_owned()));
    }
    std::fs::write(page, text(&tallies)).map_err(|error| fail(page, error.to_string()))
}

fn text(tallies: &[Tally]) -> String {
    let mut text = HEAD.to_owned();
    for tally in tallies {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            tally.name,
            tally.engine,
            tally.stack,
            tally.worlds,
            tally.cells(),
            share(tally.agreed, tally.cells()),
            tally.disagreed,
            sum(&tally.unknown),
            sum(&tally.unasked),
            sum(&tally.excepted),
        );
    }
    for tally in tallies {
        let _ = writeln!(text, "\n## {} {}\n\nSeed {}.", tally.name, tally.engine, tally.seed);
        section(&mut text, "Unknown to the model", &tally.unknown);
        section(&mut text, "Not answered by the engine", &tally.unasked);
        section(&mut text, "Excepted", &tally.excepted);
        let _ = writeln!(text, "\nOut of scope:\n");
        for line in &tally.out_of_scope {
            let _ = writeln!(text, "- {line}");
        }
    }
    text
}

fn section(text: &mut String, title: &str, counts: &std::collections::BTreeMap<String, u64>) {
    if counts.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}:\n");
    for (what, count) in counts {
        let _ = writeln!(text, "- {what}: {count}");
    }
}

/// `1234 (99.95 %)`.
fn share(part: u64, whole: u64) -> String {
    let hundredths = (part * 10_000).checked_div(whole).unwrap_or_default();
    format!("{part} ({}.{:02} %)", hundredths / 100, hundredths % 100)
}
