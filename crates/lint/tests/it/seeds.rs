//! The manifests of the source documents as they are written: each trap in them is found at its line.
//!
//! The documents are not ours to carry: `../shared/seeds`, or where `AIRTIGHT_SEEDS` points.

use std::path::PathBuf;

use airtight_testkit::{repository, vectors};
use serde::Deserialize;

use crate::harness::linted;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sets {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    /// The document.
    seed: String,
    /// Lines on which the fences of its manifests begin.
    fences: Vec<usize>,
    /// What was put right, so that what stands behind it can be looked at; no line moves.
    #[serde(default)]
    corrected: Vec<Correction>,
    /// Workloads and Namespaces beside it.
    #[serde(default)]
    beside: String,
    /// The traps that must be found.
    traps: Vec<Trap>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Correction {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trap {
    line: u32,
    rule: String,
    #[serde(rename = "why")]
    _why: String,
}

#[test]
fn each_trap_in_the_source_documents_is_found_at_its_line() {
    let folder =
        std::env::var_os("AIRTIGHT_SEEDS").map_or_else(|| repository::root().join("../shared/seeds"), PathBuf::from);
    let sets: Vec<Set> = vectors::File::at("tests/seeds.yaml").read::<Sets>().sets;
    let mut missing = Vec::new();
    for set in sets {
        let Ok(text) = std::fs::read_to_string(folder.join(&set.seed)) else {
            eprintln!("SKIPPED: {} has no {}", folder.display(), set.seed);
            continue;
        };
        let mut manifests = fenced(&text, &set.fences);
        for correction in &set.corrected {
            assert!(manifests.contains(&correction.from), "{}: {}", set.seed, correction.from);
            manifests = manifests.replace(&correction.from, &correction.to);
        }
        let linted = linted(&[(&set.seed, &manifests), ("beside.yaml", &set.beside)], "reference");
        for trap in &set.traps {
            let found = linted.report.findings.iter().map(|found| &found.diagnostic).any(|finding| {
                let at = finding.location.as_ref();
                finding.code == trap.rule && at.is_some_and(|at| *at.file == *set.seed && at.position.line == trap.line)
            });
            if !found {
                missing.push(format!("{}:{} {}\n{}", set.seed, trap.line, trap.rule, linted.shown()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n\n"));
}

/// The fences that begin on these lines, each line where it was, and nothing of the rest.
fn fenced(text: &str, fences: &[usize]) -> String {
    let mut inside = false;
    let lines = (1_usize..).zip(text.lines()).map(|(number, line)| {
        if line.trim_start().starts_with("```") {
            inside = fences.contains(&number);
            return if inside { "---" } else { "" };
        }
        if inside { line } else { "" }
    });
    lines.collect::<Vec<_>>().join("\n")
}
