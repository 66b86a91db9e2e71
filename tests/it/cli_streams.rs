//! Streams that close early or take no more: never a panic, never another verdict.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::OpenOptions;
use std::process::{Output, Stdio};

use crate::shop::{Shop, assert_sound};

const WRONG: &str = "
  - id: API-01
    title: a stranger may read, which is wrong
    from: shop/stranger
    to: {service: shop/api, port: 8080}
    request: {method: GET, path: /items}
    expect: {allow: {status: 200}}
";

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Stdio::from(writer)
}

fn full() -> Stdio {
    Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap())
}

fn ends(shop: &Shop, arguments: &[&str], out: Stdio, err: Stdio) -> (Option<i32>, String) {
    let mut command = shop.command(arguments);
    let output: Output = command.stdout(out).stderr(err).spawn().unwrap().wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    (output.status.code(), told)
}

#[test]
fn a_reader_who_leaves_early_is_no_fault() {
    let shop = Shop::new();
    for arguments in [
        ["list"].as_slice(),
        &["list", "-o", "json"],
        &["schema", "run"],
        &["completions", "bash"],
        &["explain", "shop/web", "shop/api:8080", "-o", "yaml"],
        &["run", "-o", "json"],
        &["report", "--format", "html"],
        &["--help"],
        &["--version"],
    ] {
        let (code, told) = ends(&shop, arguments, closed(), Stdio::piped());
        assert_eq!((code, told.contains("error")), (Some(0), false), "{arguments:?}: {told}");
    }
}

#[test]
fn a_failed_case_stays_failed_whoever_leaves() {
    let shop = Shop::with_cases(WRONG);
    for (out, err) in [(closed(), Stdio::null()), (Stdio::null(), closed()), (closed(), closed())] {
        assert_eq!(ends(&shop, &["run", "-o", "json"], out, err).0, Some(1));
    }
    assert_eq!(ends(&shop, &["run"], Stdio::null(), closed()).0, Some(1));
}

#[test]
fn other_ends_stay_what_they_are_when_nobody_is_told() {
    let shop = Shop::new();
    for (arguments, code) in [
        (["list", "--stack", "nope"].as_slice(), 2),
        (&["list", "--filter", "nothing-is-called-so"], 4),
        (&["run", "--filter", "nothing-is-called-so"], 4),
        (&["lits"], 2),
        (&["list"], 0),
    ] {
        assert_eq!(ends(&shop, arguments, Stdio::null(), closed()).0, Some(code), "{arguments:?}");
    }
}

#[test]
fn standard_output_that_is_full_is_an_error() {
    let shop = Shop::new();
    for arguments in
        [["list"].as_slice(), &["schema", "run"], &["explain", "shop/web", "shop/api:8080"], &["run", "-o", "json"]]
    {
        let output = shop.command(arguments).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        assert_sound(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn standard_error_that_is_full_never_turns_a_failure_into_a_pass() {
    let (code, _) = ends(&Shop::with_cases(WRONG), &["run"], Stdio::null(), full());
    assert!(matches!(code, Some(1 | 2)), "{code:?}");
}
