//! The reference set: nothing is found on it that is not allowed with a reason.

use airtight_testkit::repository;
use std::path::{Path, PathBuf};

use crate::harness::linted;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

fn found_on(folders: &[&str], stack: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for folder in folders {
        files(&repository::root().join(folder), &mut paths);
    }
    let texts: Vec<(String, String)> = paths
        .iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "environment.yaml"))
        .map(|path| {
            let name = path.strip_prefix(repository::root()).unwrap().display().to_string();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let linted = linted(&files, stack);
    linted.report.findings.iter().map(|found| found.diagnostic.to_string()).collect()
}

#[test]
fn nothing_is_found_on_the_reference_set_that_is_not_allowed_with_a_reason() {
    for stack in ["reference", "latest"] {
        let found = found_on(&["manifests/policies", "manifests/workloads", "manifests/system"], stack);
        assert!(found.is_empty(), "{stack}: {found:#?}");
    }
}
