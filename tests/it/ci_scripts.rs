//! The scripts of `ci/`: on the model for real, and with a program that only notes how it is called.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::shop::{POLICIES, Shop};

/// A script of `ci/` in the folder of a shop.
fn script(shop: &Shop, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(format!("{}/ci/{name}", env!("CARGO_MANIFEST_DIR")));
    command.args(arguments).current_dir(shop.path("")).env("AIRTIGHT", env!("CARGO_BIN_EXE_airtight"));
    command.env("TESTBED", "model").env("NO_COLOR", "1").env("HOME", shop.path(""));
    for name in ["GITHUB_STEP_SUMMARY", "XDG_STATE_HOME", "UP_OPTIONS", "RUN_OPTIONS", "REPORT_DIR", "BASELINE_DIR"] {
        command.env_remove(name);
    }
    for name in ["TESTBED", "MANIFESTS", "SCENARIOS", "STACK", "REPORT_DIR", "STATE_DIR", "CLUSTER"] {
        command.env_remove(format!("AIRTIGHT_{name}"));
    }
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

#[test]
fn a_green_night_is_what_the_next_one_is_compared_with() {
    let shop = Shop::new();
    let night = || script(&shop, "nightly.sh", &["reference"]).output().unwrap();
    let first = night();
    assert_eq!(first.status.code(), Some(0), "{}", told(&first));
    assert!(told(&first).contains("no green run to compare with"));
    let baseline = fs::read(shop.path("baselines/reference/run.json")).unwrap();

    let second = night();
    assert!(told(&second).contains("No regression in 3 cases"), "{}", told(&second));
    assert_ne!(fs::read(shop.path("baselines/reference/run.json")).unwrap(), baseline);
}

#[test]
fn a_night_in_which_a_denial_is_gone_fails_and_is_no_baseline() {
    let shop = Shop::new();
    script(&shop, "nightly.sh", &["reference"]).output().unwrap();
    let baseline = fs::read(shop.path("baselines/reference/run.json")).unwrap();
    shop.write("manifests/policies.yaml", POLICIES.split("---").next().unwrap());
    let page = shop.path("page.md");
    let output = script(&shop, "nightly.sh", &["reference"]).env("GITHUB_STEP_SUMMARY", &page).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("API-02 fails"), "{}", told(&output));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("1 of 3 cases failed") && page.contains("1 regression against 3 cases"), "{page}");
    assert_eq!(fs::read(shop.path("baselines/reference/run.json")).unwrap(), baseline);
}

#[test]
fn a_matrix_that_shrinks_fails_though_all_that_is_left_passes() {
    let shop = Shop::new();
    script(&shop, "nightly.sh", &["reference"]).output().unwrap();
    let output = script(&shop, "nightly.sh", &["reference"]).env("RUN_OPTIONS", "--filter API-01").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("API-02 is gone"), "{}", told(&output));
}

#[test]
fn one_bad_stack_does_not_keep_the_next_from_its_night() {
    let shop = Shop::new();
    let output = script(&shop, "nightly.sh", &["nowhere.yaml", "latest"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("nowhere: the run left no record"), "{}", told(&output));
    assert!(shop.path("baselines/latest/run.json").exists());
    assert!(!shop.path("baselines/nowhere").exists());
}

#[test]
fn an_upgrade_is_judged_by_the_comparison_of_both_stacks() {
    let shop = Shop::new();
    let output = script(&shop, "upgrade.sh", &["reference", "latest"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("Cilium 1.17.5 → 1.20.2"), "{}", told(&output));
    let missing = script(&shop, "upgrade.sh", &["reference", "nowhere.yaml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2), "{}", told(&missing));
    assert!(told(&missing).contains("nothing can be compared"), "{}", told(&missing));
}

/// A program in the place of `airtight` that notes its arguments, and ends as `FAILS` says: a subcommand, and how.
const NOTES: &str = r#"#!/bin/sh
echo "$@" >> calls
set -- "$1" ${FAILS:-none 0}
if [ "$1" = "$2" ]; then exit "$3"; fi
"#;

/// The calls of a run on kind, and how it ended.
fn on_kind(fails: &str) -> (Vec<String>, Option<i32>) {
    let shop = Shop::new();
    shop.write("notes", NOTES);
    fs::set_permissions(shop.path("notes"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = script(&shop, "matrix.sh", &["latest"]);
    command.env("TESTBED", "kind").env("AIRTIGHT", shop.path("notes")).env("FAILS", fails);
    // What is kept of a failed cluster is not looked at here.
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    let calls = fs::read_to_string(shop.path("calls")).unwrap();
    (calls.lines().map(str::to_owned).collect(), output.status.code())
}

#[test]
fn the_cluster_goes_away_however_the_night_ends() {
    let words = |calls: &[String]| -> Vec<String> {
        calls.iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect()
    };
    for (fails, order, status) in [
        // The program that notes leaves no record, which is never taken for a pass.
        ("", "preflight up run down", 5),
        ("preflight 1", "preflight down", 1),
        ("up 5", "preflight up up down", 5),
        ("run 3", "preflight up run down", 3),
        ("down 2", "preflight up run down", 5),
    ] {
        let (calls, code) = on_kind(fails);
        assert_eq!((words(&calls).join(" "), code), (order.to_owned(), Some(status)), "{fails}: {calls:?}");
        assert_eq!(calls.last().unwrap(), "down --name airtight-latest");
    }
    let (calls, _) = on_kind("");
    assert_eq!(calls[2], "run --testbed kind --stack latest --name airtight-latest --report-dir reports/latest");
}
