//! Vectors: manifests, and what each of their lines breaks.

use std::collections::BTreeSet;

use airtight_lint::fix::mend;
use airtight_testkit::vectors;
use serde::Deserialize;

use crate::harness::linted;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    name: String,
    #[serde(default = "reference")]
    stack: String,
    manifests: String,
    /// `LINE RULE` of every warning and error.
    #[serde(default)]
    expect: Vec<String>,
    /// `LINE RULE` of notes that must be among those that are found.
    #[serde(default)]
    notes: Vec<String>,
    /// `RULE` of everything that is allowed.
    #[serde(default)]
    allowed: Vec<String>,
    /// The manifests after `--fix`.
    fixed: Option<String>,
}

fn reference() -> String {
    "reference".to_owned()
}

pub(crate) const FOLDER: &str = "tests/vectors";

#[test]
fn each_manifest_breaks_what_is_written_beside_it() {
    let mut wrong = Vec::new();
    for (path, vector) in vectors::listed::<Vector>(FOLDER) {
        let linted = linted(&[("vector.yaml", &vector.manifests)], &vector.stack);
        let told = linted.told();
        if told != vector.expect {
            wrong.push(format!(
                "{path}: {}\n  expected {:?}\n  found    {told:?}\n{}",
                vector.name,
                vector.expect,
                linted.shown()
            ));
        }
        let notes = linted.notes();
        wrong.extend(
            vector
                .notes
                .iter()
                .filter(|note| !notes.contains(note))
                .map(|note| format!("{path}: no {note} in {notes:?}")),
        );
        let allowed: Vec<String> =
            linted.report.allowed.iter().map(|one| one.finding.diagnostic.code.clone()).collect();
        assert_eq!(allowed, vector.allowed, "{path}: {}", vector.name);
        let mended = mend(&linted.report, &linted.sources).into_iter().next().map(|file| file.text);
        assert_eq!(mended, vector.fixed, "{path}: {}", vector.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_mended_is_found_no_more_and_mending_ends() {
    for (path, vector) in vectors::listed::<Vector>(FOLDER) {
        let Some(fixed) = &vector.fixed else { continue };
        let again = linted(&[("vector.yaml", fixed)], &vector.stack);
        assert!(mend(&again.report, &again.sources).is_empty(), "{path}: {}\n{}", vector.name, again.shown());
    }
}

/// Rules that some vector breaks.
pub(crate) fn broken() -> BTreeSet<String> {
    let all = vectors::listed::<Vector>(FOLDER).into_iter();
    let expected = all.flat_map(|(_, vector)| vector.expect.into_iter().chain(vector.notes));
    expected.filter_map(|line| line.split_once(' ').map(|(_, rule)| rule.to_owned())).collect()
}
