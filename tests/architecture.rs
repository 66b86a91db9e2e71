//! Data flows one way: a module imports only what stands left of it.

#![expect(clippy::unwrap_used, reason = "a source that cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// From left to right.
const ORDER: &[&str] =
    &["manifest", "world", "policy", "path", "scenario", "judge", "testbed", "provision", "run", "report", "cli"];

/// Modules that must stay free of I/O beyond `manifest::load`, of async runtimes and of clients.
const PURE: &[&str] = &["manifest", "world", "policy", "path", "scenario", "judge"];

const FOREIGN: &[&str] =
    &["tokio", "kube::", "bollard", "hyper", "std::net::Tcp", "std::process", "std::fs", "std::thread"];

#[test]
fn modules_import_only_what_stands_left_of_them() {
    let mut offences = Vec::new();
    for (rank, module) in ORDER.iter().enumerate() {
        for (file, text) in sources(module) {
            for (number, line) in code_lines(&text) {
                for other in &ORDER[rank + 1..] {
                    if line.contains(&format!("crate::{other}::")) || line.contains(&format!("crate::{other}}}")) {
                        offences.push(format!("{}:{number}: {module} imports {other}", file.display()));
                    }
                }
            }
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn the_core_does_no_io() {
    let mut offences = Vec::new();
    for module in PURE {
        for (file, text) in sources(module) {
            // The parser wants a deeper stack than a caller may have.
            if file.ends_with("manifest/load.rs") || file.ends_with("manifest/yaml.rs") {
                continue;
            }
            for (number, line) in code_lines(&text) {
                if let Some(foreign) = FOREIGN.iter().find(|foreign| line.contains(**foreign)) {
                    offences.push(format!("{}:{number}: {module} uses {foreign}", file.display()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn one_module_names_the_yaml_parser() {
    let named: Vec<PathBuf> = ORDER
        .iter()
        .flat_map(|module| sources(module))
        .filter(|(_, text)| code_lines(text).any(|(_, line)| line.contains("serde_saphyr")))
        .map(|(file, _)| file)
        .collect();
    assert!(named.len() == 1 && named[0].ends_with("manifest/yaml.rs"), "{named:?}");
}

/// Lines of code with their numbers, up to the unit tests at the end of a file.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.starts_with("//"))
}

fn sources(module: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module);
    let mut found = Vec::new();
    collect(&root, &mut found);
    assert!(!found.is_empty(), "module {module} has no source");
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}
