//! `airtight coverage`: what it says, in which format, and how it ends.

use insta::assert_snapshot;
use serde_json::Value;

use crate::shop::Shop;

fn json(shop: &Shop, arguments: &[&str]) -> Value {
    let output = shop.command(arguments).output().unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn survivors_have_their_line_and_what_they_open() {
    assert_snapshot!(Shop::new().run(&["coverage"]));
}

#[test]
fn markdown_holds_the_same() {
    assert_snapshot!(Shop::new().run(&["coverage", "-o", "markdown"]));
}

#[test]
fn what_it_prints_fits_into_a_terminal() {
    let told = Shop::new().run(&["coverage", "--all"]);
    let wide: Vec<&str> = told.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn json_is_what_its_schema_says() {
    let shop = Shop::new();
    let schema = json(&shop, &["schema", "coverage"]);
    let record = json(&shop, &["coverage", "-o", "json"]);
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
    let wrong: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(record["passing"], 3);
}

#[test]
fn less_than_what_is_asked_for_ends_with_1() {
    let shop = Shop::new();
    assert!(shop.run(&["coverage", "--min", "1"]).starts_with("exit 0\n"));
    assert!(shop.run(&["coverage", "--min", "100"]).starts_with("exit 1\n"));
    assert!(shop.run(&["coverage", "--min", "101"]).starts_with("exit 2\n"));
}

#[test]
fn a_draft_holds_what_nobody_asserts_and_passes() {
    let shop = Shop::new();
    let told = shop.run(&["coverage", "--draft", "open.yaml"]);
    assert!(told.starts_with("exit 0\n") && told.contains("drafted"), "{told}");
    assert!(shop.run(&["coverage", "--draft", "open.yaml"]).starts_with("exit 2\n"), "it replaces nothing unasked");
    let ran = shop.run(&["run", "-s", "scenarios", "-s", "open.yaml"]);
    assert!(ran.starts_with("exit 0\n"), "{ran}");
    let after = json(&shop, &["coverage", "-s", "scenarios", "-s", "open.yaml", "-o", "json"]);
    assert_eq!(after["unasserted"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_read_ends_with_2_and_no_scenarios_with_4() {
    let shop = Shop::new();
    shop.write("bad.yaml", "a: [");
    assert!(shop.run(&["coverage", "-m", "bad.yaml"]).starts_with("exit 2\n"));
    assert!(shop.run(&["coverage", "-s", "bad.yaml"]).starts_with("exit 2\n"));
    std::fs::remove_dir_all(shop.path("scenarios")).unwrap_or_else(|error| panic!("{error}"));
    let told = shop.run(&["coverage"]);
    assert!(told.starts_with("exit 4\n") && told.contains("init"), "{told}");
}
