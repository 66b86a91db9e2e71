//! Runs over time: what counts as flaky, and how long failures last.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_report::history::{History, history, page, terminal};
use airtight_report::{Style, tally};

use crate::fixture::{self, build::record_of};

/// The run of a day on which one case stands as `word` says: `pass`, `fail`, `open`, `waived`, or `flaky`.
fn run(day: u32, word: &str) -> RunRecord {
    let mut case: CaseRecord = fixture::green().cases[0].clone();
    case.judgement.flaky = word == "flaky";
    case.judgement.verdict = match word {
        "fail" => Verdict::Fail,
        "open" => Verdict::Inconclusive,
        "waived" => Verdict::Waived { until: "2027-01-31".to_owned(), why: "it moves".to_owned() },
        _ => Verdict::Pass,
    };
    let mut record = record_of(vec![case]);
    record.id = format!("run-{day:02}");
    record.started = format!("2026-11-{day:02}T06:00:00Z");
    record
}

fn of(words: &[&str]) -> History {
    let runs: Vec<RunRecord> = (1..).zip(words).map(|(day, word)| run(day, word)).collect();
    history(&runs).unwrap()
}

#[test]
fn the_order_is_that_of_time_and_a_run_counts_once() {
    let mut runs = vec![run(3, "pass"), run(1, "pass"), run(2, "fail"), run(1, "pass")];
    let told = history(&runs).unwrap();
    let started: Vec<&str> = told.lines[0].runs.iter().map(|point| &point.started[8..10]).collect();
    assert_eq!(started, ["01", "02", "03"]);
    runs[0].stack.name = "latest".to_owned();
    assert_eq!(history(&runs).unwrap().lines.len(), 2);
    assert!(history(&[]).unwrap().lines.is_empty());
}

#[test]
fn a_failure_lasts_until_it_passes_again() {
    let told = of(&["pass", "fail", "open", "waived", "pass", "fail"]);
    let line = &told.lines[0];
    let fix = &line.fixed[0];
    assert_eq!((line.fixed.len(), fix.seconds, fix.runs, fix.waived), (1, 3 * 86_400, 2, true));
    assert_eq!((&fix.since[8..10], &fix.until[8..10]), ("02", "05"));
    let open = &line.open[0];
    assert_eq!((line.open.len(), open.seconds, open.runs, open.waived), (1, 0, 1, false));
}

#[test]
fn only_a_verdict_that_turns_by_itself_is_flaky() {
    assert_eq!(of(&["pass", "fail", "pass"]).lines[0].flaky[0].turned, 2);
    assert_eq!(of(&["flaky", "pass"]).lines[0].flaky[0].retried, 1);
    assert!(of(&["pass", "pass"]).lines[0].flaky.is_empty());
    // Other inputs, or other versions, are a reason.
    let changed = |change: fn(&mut RunRecord)| {
        let mut runs = vec![run(1, "pass"), run(2, "fail")];
        change(&mut runs[1]);
        history(&runs).unwrap().lines[0].flaky.len()
    };
    assert_eq!(changed(|_| {}), 1);
    assert_eq!(changed(|run| _ = run.inputs.insert("more.yaml".to_owned(), "aa".to_owned())), 0);
    assert_eq!(changed(|run| run.stack.versions[1].1 = "1.18.0".to_owned()), 0);
}

#[test]
fn terminal_and_page_tell_the_same() {
    let told = of(&["pass", "fail", "pass", "fail"]);
    let text = terminal(&told, Style::PLAIN);
    let id = &run(1, "pass").cases[0].case.id;
    for part in ["4 runs", "flaky (1)", "open failures (1)", "mended failures (1)", "after 1 d 0 h", id] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = page(&told).unwrap();
    for part in [format!("data-flaky=\"{id}\""), format!("data-open=\"{id}\""), format!("data-fixed=\"{id}\"")] {
        assert!(page.contains(&part), "{part}");
    }
    assert_eq!(page.matches("data-run=").count(), 4);
    assert!(!page.contains("<script") && !page.contains(" src=") && !page.contains("url("));
}

#[test]
fn hostile_names_stay_text() {
    let mut record = fixture::mixed();
    record.testbed = "<script>alert(1)</script>\u{1b}[31m".to_owned();
    record.summary = airtight_matrix::run::Summary { status: record.summary.status, ..tally(&record.cases) };
    let told = history(&[record]).unwrap();
    assert!(!page(&told).unwrap().contains("<script") && !terminal(&told, Style::PLAIN).contains('\u{1b}'));
}
