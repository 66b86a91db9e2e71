//! The catalogue against the sources that emit codes, the tests that break rules, and the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use airtight_lint::{Catalogue, page};
use airtight_testkit::repository;
use regex::Regex;

use crate::vectors::broken;

/// Where findings about manifests are made.
const SOURCES: [&str; 5] =
    ["crates/manifest/src", "crates/kyverno/src", "crates/model/src", "crates/lint/src", "src/cli"];

/// Files of the command that speak of something else than manifests.
const ELSEWHERE: [&str; 2] = ["src/cli/bearing.rs", "src/cli/diagnostics.rs"];

/// Texts in the shape of codes, in files that make findings, that are none.
const NO_CODES: [&str; 29] = [
    "dns-request",
    "grpc-web",
    "http-envoy-prom",
    "http-monitoring",
    "http-request",
    "istio-agentgateway",
    "istio-agentgateway-waypoint",
    "istio-system",
    "istio-waypoint",
    "k8s-app",
    "kebab-case",
    "kgateway-waypoint",
    "in-cluster",
    "kube-dns",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    "kyverno-background-controller",
    "replicaset-controller",
    "ssh-privatekey",
    "status-port",
    "tls-handshake",
    "airtight-lint",
    "security-severity",
    "namespace-editor",
    "anything-goes",
    "no-cluster",
    "no-scenarios",
    "unknown-stack",
];

/// What no test of manifests can break: a program built without its own files, and a kubeconfig that names a program.
const BEYOND_MANIFESTS: [&str; 2] = ["no-environment", "credential-program"];

#[test]
fn every_code_that_is_emitted_is_a_rule() {
    let mut unknown: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for (path, code) in emitted() {
        let known = Catalogue::embedded().rule(&code).is_some() || NO_CODES.contains(&code.as_str());
        if !known {
            unknown.entry(code).or_default().insert(path);
        }
    }
    assert!(unknown.is_empty(), "codes without a rule in crates/lint/rules.yaml: {unknown:#?}");
}

#[test]
fn every_rule_is_emitted_somewhere() {
    let emitted: BTreeSet<String> = emitted().into_iter().map(|(_, code)| code).collect();
    let idle: Vec<&str> =
        Catalogue::embedded().rules().iter().map(|rule| rule.id.as_str()).filter(|id| !emitted.contains(*id)).collect();
    assert!(idle.is_empty(), "rules that nothing emits: {idle:?}");
}

/// Every code, with the file that makes it: the first text of a call that makes a finding, and whatever has the shape of a
/// code in a file where findings are made.
fn emitted() -> Vec<(PathBuf, String)> {
    let shaped = Regex::new(r#""([a-z][a-z0-9]*(?:-[a-z0-9]+)+)""#).unwrap();
    let called = Regex::new(r#"(?s)Diagnostic::(?:error|warning|new)\(\s*(?:[A-Za-z:]+,\s*)?"([a-z0-9-]+)""#).unwrap();
    let makes = Regex::new(r"Diagnostic|\.warn\(|\.refuse\(|refused\(|\.tell\(").unwrap();
    let mut found = Vec::new();
    for path in SOURCES.iter().flat_map(|folder| files(&repository::root().join(folder), "rs")) {
        let shown = path.strip_prefix(repository::root()).unwrap().to_owned();
        if ELSEWHERE.iter().any(|name| shown == Path::new(name)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = without_tests_and_comments(&text);
        let direct = called.captures_iter(&text);
        let in_shape = makes.is_match(&text).then(|| shaped.captures_iter(&text)).into_iter().flatten();
        found.extend(direct.chain(in_shape).map(|hit| (shown.clone(), hit[1].to_owned())));
    }
    assert!(found.len() > 100, "{}", found.len());
    found
}

fn without_tests_and_comments(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let plain = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    plain.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_rule_has_a_test_that_breaks_it() {
    let broken = broken();
    let folders =
        ["crates/manifest/tests", "crates/kyverno/tests", "crates/model/tests", "crates/matrix/tests", "tests"];
    let texts: Vec<String> = folders
        .iter()
        .flat_map(|folder| ["rs", "yaml"].into_iter().flat_map(move |end| files(&repository::root().join(folder), end)))
        .map(|path| std::fs::read_to_string(path).unwrap_or_default())
        .collect();
    let inside: Vec<String> = SOURCES
        .iter()
        .flat_map(|folder| files(&repository::root().join(folder), "rs"))
        .filter_map(|path| Some(std::fs::read_to_string(path).unwrap().split_once("#[cfg(test)]")?.1.to_owned()))
        .collect();
    let untested: Vec<&str> = Catalogue::embedded()
        .rules()
        .iter()
        .map(|rule| rule.id.as_str())
        .filter(|id| !broken.contains(*id) && !BEYOND_MANIFESTS.contains(id))
        .filter(|id| {
            let word = Regex::new(&format!(r"(^|[^a-z0-9-]){}($|[^a-z0-9-])", regex::escape(id))).unwrap();
            !texts.iter().chain(&inside).any(|text| word.is_match(text))
        })
        .collect();
    assert!(untested.is_empty(), "rules that no test breaks: {untested:?}");
}

#[test]
fn the_page_is_made_of_the_catalogue() {
    let path = repository::root().join("docs/rules.md");
    if std::env::var_os("AIRTIGHT_WRITE_PAGES").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/rules.md differs: run this test with AIRTIGHT_WRITE_PAGES=1");
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.extension().is_some_and(|extension| extension == end) {
            found.push(path);
        }
    }
    found
}
