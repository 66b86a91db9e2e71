//! docs/dependencies.md and deny.toml, held against what every package names.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A package: its name, and the crates it needs, of others' making.
struct Package {
    name: String,
    /// To be built.
    needs: BTreeSet<String>,
    /// To be tested.
    tests: BTreeSet<String>,
}

#[test]
fn every_dependency_is_on_the_page_and_nothing_else_is() {
    let named: BTreeSet<String> =
        packages().into_iter().flat_map(|package| [package.needs, package.tests]).flatten().collect();
    let page = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let missing: Vec<&String> = named.iter().filter(|name| !is_named(&page, name)).collect();
    assert!(missing.is_empty(), "docs/dependencies.md does not say why these are needed: {missing:?}");
    let gone: Vec<String> = rows(&page).into_iter().filter(|name| !named.contains(name)).collect();
    assert!(gone.is_empty(), "docs/dependencies.md has what no package names: {gone:?}");
}

#[test]
fn who_may_name_kube_bollard_and_the_yaml_parser_is_who_does() {
    let wrappers = wrappers(&fs::read_to_string(root().join("deny.toml")).unwrap());
    assert_eq!(wrappers.keys().map(String::as_str).collect::<Vec<_>>(), ["bollard", "kube", "serde-saphyr"]);
    for (name, allowed) in wrappers {
        let naming: BTreeSet<String> = packages()
            .into_iter()
            .filter(|package| package.needs.contains(&name))
            .map(|package| package.name)
            .collect();
        assert_eq!(naming, allowed, "{name}");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn packages() -> Vec<Package> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<Package> = crates
        .chain([root(), root().join("oracles/referee"), root().join("probe")])
        .map(|folder| package(&folder))
        .collect();
    assert!(found.len() > 9, "{} packages", found.len());
    found
}

fn package(folder: &Path) -> Package {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let section = |heading: &str| -> BTreeSet<String> {
        let lines = text.lines().skip_while(|line| *line != heading).skip(1);
        lines.take_while(|line| !line.starts_with('[')).filter_map(dependency).collect()
    };
    let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).unwrap();
    Package { name: name.to_owned(), needs: section("[dependencies]"), tests: section("[dev-dependencies]") }
}

/// The crate that a line names, if it is not ours.
fn dependency(line: &str) -> Option<String> {
    let name = line.split(['.', ' ', '=']).next()?;
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase());
    (is_name && !name.starts_with("airtight")).then(|| name.to_owned())
}

/// Whether a page has a crate's name as a word.
fn is_named(page: &str, name: &str) -> bool {
    page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).any(|word| word == name)
}

/// The crates that the page's tables have a row for.
fn rows(page: &str) -> Vec<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells
        .filter(|cell| *cell != "crate")
        .flat_map(|cell| cell.split(" (").next().unwrap_or(cell).split(", ").map(str::to_owned))
        .collect()
}

/// `{ crate = "kube", wrappers = ["airtight-cluster"] }` of deny.toml.
fn wrappers(deny: &str) -> BTreeMap<String, BTreeSet<String>> {
    let quoted = |text: &str| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = deny.lines().filter(|line| line.trim_start().starts_with("{ crate") && line.contains("wrappers"));
    rows.map(|line| {
        let mut names = quoted(line).into_iter();
        (names.next().unwrap(), names.collect())
    })
    .collect()
}
