//! `airtight evidence`, `airtight history`, waivers in files, and formats for others.

use std::fs;

use crate::shop::{Shop, assert_sound};

/// A shop in which one case fails.
fn broken() -> Shop {
    Shop::with_cases(
        "
  - id: API-01
    title: the web shop reads items
    from: shop/web
    to: {service: shop/api, port: 8080}
    request: {method: GET, path: /items}
    expect: {allow: {status: 200}}
  - id: API-09
    title: the web shop reads what it must not
    from: shop/web
    to: {service: shop/api, port: 8080}
    request: {method: DELETE, path: /items}
    expect: {allow: {status: 200}}
",
    )
}

const WAIVER: &str = "apiVersion: airtight.dev/v1alpha1
kind: Waiver
metadata: {name: known}
spec: {select: {ids: [API-09]}, reason: it moves, approver: lead, ticket: T-1, until: UNTIL}
";

/// A day not too far ahead, for whatever day it is.
fn soon() -> String {
    jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(30)).to_string()
}

#[test]
fn a_waiver_in_a_file_turns_a_failure_into_a_waived_case() {
    let shop = broken();
    assert!(shop.run(&["run"]).starts_with("exit 1\n"));
    shop.write("waivers/known.yaml", WAIVER.replace("UNTIL", &soon()));
    let told = shop.run(&["run", "--waivers", "waivers"]);
    assert!(
        told.starts_with("exit 0\n")
            && told.contains("1 passed (1 allowed, 0 denied), 0 failed, 0 inconclusive, 1 waived"),
        "{told}"
    );
    // Among the scenarios it counts as well.
    shop.write("scenarios/waiver.yaml", WAIVER.replace("UNTIL", &soon()));
    assert!(shop.run(&["run"]).starts_with("exit 0\n"));
    shop.write("waivers/known.yaml", WAIVER.replace("API-09", "API-99").replace("UNTIL", &soon()));
    fs::remove_file(shop.path("scenarios/waiver.yaml")).unwrap();
    let told = shop.run(&["run", "--waivers", "waivers"]);
    assert!(
        told.starts_with("exit 2\n") && told.contains("dangling-waiver") && told.contains("waivers/known.yaml:4:"),
        "{told}"
    );
    shop.write("waivers/known.yaml", WAIVER.replace("UNTIL", "2026-01-01"));
    let told = shop.run(&["run", "--waivers", "waivers"]);
    assert!(told.starts_with("exit 1\n") && told.contains("expired-waiver"), "{told}");
}

#[test]
fn a_bundle_is_made_once_and_every_change_to_it_is_named() {
    let shop = broken();
    shop.run(&["run"]);
    let told = shop.run(&["evidence", "bundle", "kept"]);
    assert!(told.starts_with("exit 0\n--- stdout\n./kept: ") && told.contains("cosign attest-blob"), "{told}");
    assert_eq!(shop.names("kept/cases"), ["API-01.json", "API-09.json"]);
    let told = shop.run(&["evidence", "verify", "kept"]);
    assert!(told.starts_with("exit 0\n--- stdout\nunaltered: 3 files"), "{told}");
    assert!(shop.run(&["evidence", "bundle", "kept"]).starts_with("exit 2\n"));
    let told = shop.run(&["evidence", "bundle", "next", "--previous", "kept"]);
    assert!(told.starts_with("exit 0\n"), "{told}");
    let digest = fs::read_to_string(shop.path("kept/manifest.json.sha256")).unwrap();
    let digest = digest.split(' ').next().unwrap();
    assert!(fs::read_to_string(shop.path("next/manifest.json")).unwrap().contains(digest));
    assert!(shop.run(&["evidence", "verify", "kept", "--manifest-sha256", digest]).starts_with("exit 0\n"));
    assert!(shop.run(&["evidence", "verify", "next", "--manifest-sha256", digest]).starts_with("exit 1\n"));
    shop.write("kept/cases/API-09.json", "{}");
    let told = shop.run(&["evidence", "verify", "kept"]);
    assert!(told.starts_with("exit 1\n--- stdout\nchanged: cases/API-09.json\n"), "{told}");
    assert!(shop.run(&["evidence", "bundle", "third", "--previous", "kept"]).starts_with("exit 2\n"));
    assert!(shop.run(&["evidence", "verify", "nowhere"]).starts_with("exit 2\n"));
}

#[test]
fn a_history_is_told_of_all_runs_below_a_folder() {
    let shop = broken();
    shop.run(&["run", "--report-dir", "runs/one"]);
    shop.run(&["run", "--report-dir", "runs/two"]);
    let told = shop.run(&["history", "runs", "--html", "trend.html"]);
    assert!(told.starts_with("exit 0\n--- stdout\nmodel testbed, stack reference: 2 runs\n"), "{told}");
    assert!(told.contains("open failures (1)\n    API-09 "), "{told}");
    assert!(fs::read_to_string(shop.path("trend.html")).unwrap().contains("data-open=\"API-09\""));
    let output = shop.command(&["history", "runs", "-o", "json"]).output().unwrap();
    assert_sound(&output);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema: serde_json::Value =
        serde_json::from_slice(&shop.command(&["schema", "history"]).output().unwrap().stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&told));
    shop.write("empty/x.txt", "");
    assert!(shop.run(&["history", "empty"]).starts_with("exit 2\n"));
}

#[test]
fn formats_for_others_are_written_where_they_are_named() {
    let shop = broken();
    let told = shop.run(&["run", "--report", "json,sarif,prometheus,oscal-results"]);
    assert!(told.starts_with("exit 1\n"), "{told}");
    assert_eq!(
        shop.names("airtight-report"),
        ["airtight.prom", "airtight.sarif", "oscal-assessment-results.json", "run.json"]
    );
    let told = shop.run(&["report", "--format", "oscal-plan", "--oscal-version", "1.2.1"]);
    assert!(told.contains("\"oscal-version\": \"1.2.1\""), "{told}");
    let sarif = fs::read_to_string(shop.path("airtight-report/airtight.sarif")).unwrap();
    assert!(
        sarif.contains("\"uri\": \"manifests/policies.yaml\"") && !sarif.contains(&*shop.path("").to_string_lossy())
    );
}

#[test]
fn evidence_satisfies_its_schema() {
    let shop = broken();
    shop.run(&["run"]);
    shop.run(&["evidence", "bundle", "kept", "--by", "the tests"]);
    let schema: serde_json::Value =
        serde_json::from_slice(&shop.command(&["schema", "evidence"]).output().unwrap().stdout).unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(shop.path("kept/manifest.json")).unwrap()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&manifest));
    assert_eq!(manifest["producedBy"]["identity"], "the tests");
}
