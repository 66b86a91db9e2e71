//! Runs on testbeds that play by the rules, and on testbeds that do not.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use airtight_manifest::Diagnostic;
use airtight_manifest::Failure;
use airtight_matrix::judge::{Agreement, Evidence, Observation, Verdict, Wrong};
use airtight_matrix::run::{ExitStatus, Predictions, RunContext, RunRecord, judge_all, run, schema};
use airtight_matrix::scenario::{DenyExpectation, Expectation, Plan, Waiver};
use airtight_matrix::testbed::Canary;
use airtight_model::path::Source;
use airtight_model::policy::{Layer, Outcome};
use airtight_testkit::cases::plan;
use serde_json::Value;

use crate::scripted::*;

#[test]
fn a_good_run_passes_and_is_told_in_the_order_of_the_matrix() {
    let mut diary = Diary::default();
    let record = run(&small(), &mut Scripted::good(), context(), &mut [&mut diary]);
    assert_eq!(verdicts(&record), ["D pass", "A pass", "E pass"]);
    assert_eq!(diary.lines, ["started scripted 3", "canary true", "case D", "case A", "case E", "finished Passed"]);
    assert_eq!((record.summary.passed, record.summary.allowed, record.summary.denied), (3, 1, 2));
    assert_eq!(record.canary.detail, "a pod to another under deny-all: timeout with the policy, connected without");
    assert_eq!(record.scenarios["s"], "a scenario");
}

#[test]
fn a_run_is_told_twice_in_the_same_words() {
    let tell = || serde_json::to_string(&try_out(&small(), &mut Scripted::good())).unwrap();
    assert_eq!(tell(), tell());
    let record = try_out(&small(), &mut Scripted::good());
    assert_eq!(record.started, "2026-01-15T12:00:00Z");
    assert!(record.id.starts_with("20260115T120000Z-"), "{}", record.id);
    assert_eq!(record.duration_ms, 0);
}

#[test]
fn a_testbed_that_lies_never_makes_a_denied_case_pass() {
    let lies = [
        Lie::ProbeErrors,
        Lie::Nothing,
        Lie::TooFew,
        Lie::TooMany,
        Lie::Empty,
        Lie::Panics,
        Lie::PanicsWithText,
        Lie::NoEvidence,
        Lie::AllTimeouts,
        Lie::AllConnected,
        Lie::NoAttempts,
    ];
    for lie in lies {
        for retries in [0, 2] {
            // What the model foresaw makes no lie true.
            let context = RunContext { retries, predictions: predictions(&small(), Scripted::good()), ..context() };
            let record = run(&small(), &mut Lying(lie), context, &mut []);
            assert_eq!(record.cases.len(), 3, "{lie:?}");
            let passed = record.cases.iter().filter(|record| record.judgement.verdict == Verdict::Pass);
            // A testbed on which everything connects shows the allowed flow, and nothing else.
            let allowed = usize::from(matches!(lie, Lie::AllConnected));
            assert_eq!(passed.count(), allowed, "{lie:?}: {:?}", verdicts(&record));
            assert_ne!(record.summary.status, ExitStatus::Passed, "{lie:?}");
        }
    }
}

/// What a model would say that sees what `model` plays.
fn predictions(plan: &Plan, mut model: Scripted) -> Predictions {
    Predictions::of(judge_all(plan, &mut model))
}

fn wrong(record: &RunRecord, index: usize) -> Option<Wrong> {
    match record.cases[index].prediction.as_ref().unwrap().agreement {
        Agreement::Agree | Agreement::Open => None,
        Agreement::Differ { wrong, .. } => Some(wrong),
    }
}

#[test]
fn a_disagreement_with_the_model_says_who_is_wrong() {
    let leaks = Scripted::new(&[("A", &[connected()]), ("D", &[connected()]), ("E", &[dropped()])]);
    let play = |cluster: Scripted, model: Scripted| {
        let mut cluster = cluster;
        let context = RunContext { predictions: predictions(&small(), model), ..context() };
        run(&small(), &mut cluster, context, &mut [])
    };
    let cluster_wrong = play(leaks, Scripted::good());
    assert_eq!(cluster_wrong.summary.status, ExitStatus::Failed);
    assert_eq!((wrong(&cluster_wrong, 0), wrong(&cluster_wrong, 2)), (Some(Wrong::Cluster), None));
    let leaks = Scripted::new(&[("A", &[connected()]), ("D", &[connected()]), ("E", &[dropped()])]);
    let model_wrong = play(Scripted::good(), leaks);
    assert_eq!(model_wrong.summary.status, ExitStatus::Passed);
    assert_eq!((wrong(&model_wrong, 0), wrong(&model_wrong, 2)), (Some(Wrong::Model), None));
    let told: Vec<_> = model_wrong.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(told, ["D: saw timeout, the model foresaw connected"]);
    let silent = Scripted::new(&[("A", &[connected()]), ("D", &[probe_error()]), ("E", &[dropped()])]);
    assert_eq!(wrong(&play(silent, Scripted::good()), 0), None);
}

/// No client can see the layer behind the one that denied.
#[test]
fn layers_are_lent_by_the_model_only_where_both_agree() {
    let two = || {
        let expect = Expectation::Deny(DenyExpectation { layers: 2, ..deny_expectation() });
        plan(vec![case("D", expect, Some("A")), case("A", allow(), None)])
    };
    let model = |seen: Observation| {
        let layers = Some(BTreeSet::from([Layer::Cni, Layer::Ztunnel]));
        let evidence = Evidence { denying_layers: layers, ..seen.evidence.clone() };
        Scripted::new(&[("A", &[connected()]), ("D", &[Observation { evidence, ..seen }])])
    };
    let play = |seen: Observation, model: Scripted| {
        let mut cluster = Scripted::new(&[("A", &[connected()]), ("D", &[seen])]);
        let context = RunContext { predictions: predictions(&two(), model), ..context() };
        run(&two(), &mut cluster, context, &mut []).cases[0].judgement.verdict.clone()
    };
    assert_eq!(play(dropped(), model(dropped())), Verdict::Pass);
    let unattributed = Observation { evidence: Evidence::default(), ..dropped() };
    assert_eq!(play(unattributed, model(dropped())), Verdict::Inconclusive);
    let reset = Observation { outcome: Some(Outcome::Reset), ..dropped() };
    assert_eq!(play(dropped(), model(reset)), Verdict::Inconclusive);
}

#[test]
fn a_panic_is_told_and_the_testbed_is_not_asked_again() {
    let record = run(&small(), &mut Lying(Lie::Panics), RunContext { round: 1, ..context() }, &mut []);
    assert_eq!(record.cases[0].judgement.why, "undecided: the testbed panicked: boom");
    assert_eq!(record.summary.status, ExitStatus::Inconclusive);
}

#[test]
fn without_a_canary_nothing_is_tried() {
    let bad = [
        Canary { with_policy: Outcome::Connected, ..good_canary() },
        Canary { without_policy: Outcome::Timeout, ..good_canary() },
        Canary { with_policy: Outcome::ProbeError("exec failed".to_owned()), ..good_canary() },
        Canary { without_policy: Outcome::ProbeError("exec failed".to_owned()), ..good_canary() },
    ];
    for canary in bad {
        let mut testbed = Scripted { canary: Ok(canary.clone()), ..Scripted::good() };
        let record = try_out(&small(), &mut testbed);
        assert_eq!(record.summary.status, ExitStatus::NoTestbed, "{canary:?}");
        assert_eq!(verdicts(&record), ["D skipped", "A skipped", "E skipped"]);
        assert!(testbed.rounds.is_empty());
    }
}

#[test]
fn whoever_ends_a_run_is_told_that_it_proves_nothing() {
    let told_after = |answers: u32| {
        let (mut diary, asked) = (Diary::default(), Cell::new(0));
        // Asked twice after the canary, after each round (all three cases are one), and at the end.
        let stopped = || {
            asked.set(asked.get() + 1);
            asked.get() > answers
        };
        let record = run(
            &small(),
            &mut Scripted::good(),
            RunContext { stopped: &stopped, round: 1, ..context() },
            &mut [&mut diary],
        );
        (diary.lines, verdicts(&record))
    };
    let started = ["started scripted 3"].map(str::to_owned).to_vec();
    assert_eq!(told_after(0), ([started.clone(), vec!["stopped after 0".to_owned()]].concat(), Vec::new()));
    assert_eq!(told_after(2).0[1..], ["canary true", "stopped after 0"]);
    let (lines, verdicts) = told_after(3);
    assert_eq!(lines[1..], ["canary true", "case D", "case A", "case E", "stopped after 3"]);
    assert_eq!(verdicts.len(), 3);
}

#[test]
fn a_testbed_that_does_not_come_up_is_a_finding() {
    let error = Failure::new("no-cluster", "there is no cluster").hint("create one with `airtight up`");
    let mut diary = Diary::default();
    let mut testbed = Scripted { canary: Err(error), ..Scripted::good() };
    let record = run(&small(), &mut testbed, context(), &mut [&mut diary]);
    assert_eq!(record.summary.status, ExitStatus::NoTestbed);
    assert_eq!(record.findings[0].to_string(), "error[no-cluster]: there is no cluster");
    assert_eq!(diary.lines[1..3], ["finding no-cluster", "canary false"]);
}

#[test]
fn nothing_selected_is_a_result_of_its_own() {
    let mut testbed = Scripted::good();
    let record = try_out(&plan(Vec::new()), &mut testbed);
    assert_eq!(record.summary.status, ExitStatus::NothingSelected);
    assert_eq!(record.summary.status.code(), 4);
}

#[test]
fn a_denied_case_is_always_tried_beside_its_twin() {
    let cases = (0..7).flat_map(|n| {
        let twin = format!("A{n}");
        [
            case(&format!("D{n}"), deny(), Some(&twin)),
            case(&twin, allow(), None),
            case(&format!("E{n}"), deny(), Some(&twin)),
        ]
    });
    let mut cases: Vec<_> = cases.collect();
    cases.rotate_left(4);
    let ids: Vec<_> = cases.iter().map(|planned| planned.id.clone()).collect();
    let script: Vec<_> =
        ids.iter().map(|id| (id.as_str(), if id.starts_with('A') { [connected()] } else { [dropped()] })).collect();
    let script: Vec<(&str, &[Observation])> = script.iter().map(|(id, seen)| (*id, seen.as_slice())).collect();
    for round in [1, 2, 5, 9, 100] {
        let mut testbed = Scripted::new(&script);
        let record = run(&plan(cases.clone()), &mut testbed, RunContext { round, ..context() }, &mut []);
        assert_eq!(record.summary.passed, 21);
        assert_eq!(record.cases.iter().map(|record| record.case.id.clone()).collect::<Vec<_>>(), ids);
        for ids in &testbed.rounds {
            assert!(ids.len() <= round.max(3), "{ids:?}");
            assert!(ids.iter().all(|id| ids.contains(&format!("A{}", &id[1..]))), "{ids:?}");
        }
    }
}

#[test]
fn what_passes_only_later_is_flaky() {
    let mut testbed = Scripted::new(&[("A", &[probe_error(), connected()]), ("D", &[dropped()]), ("E", &[dropped()])]);
    let record = run(&small(), &mut testbed, RunContext { retries: 2, ..context() }, &mut []);
    assert_eq!(verdicts(&record), ["D pass flaky", "A pass flaky", "E pass flaky"]);
    assert_eq!(record.summary.flaky, 3);
    assert_eq!(record.cases[1].observation.as_ref().unwrap().attempts, 2);
    assert_eq!(testbed.rounds.len(), 2);
}

#[test]
fn a_retried_denial_takes_its_twin_along_and_is_judged_by_it() {
    let mut testbed =
        Scripted::new(&[("A", &[connected(), probe_error()]), ("D", &[probe_error(), dropped()]), ("E", &[dropped()])]);
    let record = run(&small(), &mut testbed, RunContext { retries: 1, ..context() }, &mut []);
    assert_eq!(testbed.rounds[1], ["D", "A"]);
    assert_eq!(verdicts(&record), ["D inconclusive", "A pass", "E pass"]);
    assert_eq!(record.summary.status, ExitStatus::Inconclusive);
}

#[test]
fn a_denial_looks_as_the_datapath_makes_it() {
    let rejected = Observation { outcome: Some(Outcome::Refused), ..dropped() };
    let judged = |denials: Option<BTreeSet<Outcome>>| {
        let script: [(&str, &[Observation]); 3] =
            [("A", &[connected()]), ("D", &[dropped()]), ("E", std::slice::from_ref(&rejected))];
        let mut testbed = Scripted { denials, ..Scripted::new(&script) };
        verdicts(&run(&small(), &mut testbed, context(), &mut []))
    };
    assert_eq!(judged(None), ["D pass", "A pass", "E fail"]);
    assert_eq!(judged(Some(BTreeSet::from([Outcome::Refused]))), ["D fail", "A pass", "E pass"]);
    assert_eq!(judged(Some(BTreeSet::from([Outcome::Refused, Outcome::Timeout]))), ["D pass", "A pass", "E pass"]);
}

#[test]
fn flows_of_the_same_ends_are_parted_by_the_last_retry() {
    let mut second = case("D2", deny(), Some("A"));
    second.flow.from = Source::Workload("n".to_owned(), "D".to_owned());
    let plan = plan(vec![case("A", allow(), None), case("D", deny(), Some("A")), second, case("E", deny(), Some("A"))]);
    // Which of the two was dropped, nobody can tell as long as both are tried at once.
    let unattributed = Observation { evidence: Evidence::default(), ..dropped() };
    let script = [unattributed.clone(), unattributed, dropped()];
    let mut testbed = Scripted::new(&[("A", &[connected()]), ("D", &script), ("E", &script[1..])]);
    let record = run(&plan, &mut testbed, RunContext { retries: 1, ..context() }, &mut []);
    assert_eq!(testbed.rounds, [vec!["A", "D", "D", "E"], vec!["A", "D", "E"], vec!["A", "D"]]);
    assert_eq!(verdicts(&record), ["A pass", "D pass flaky", "D2 pass flaky", "E pass flaky"]);
}

#[test]
fn a_denied_flow_that_got_through_once_stays_failed() {
    let mut testbed = Scripted::new(&[("A", &[connected()]), ("D", &[connected(), dropped()]), ("E", &[dropped()])]);
    let record = run(&small(), &mut testbed, RunContext { retries: 5, ..context() }, &mut []);
    assert_eq!(verdicts(&record), ["D fail", "A pass", "E pass"]);
    assert_eq!(testbed.rounds.len(), 1, "no retry could undo it");
    assert_eq!(record.summary.status, ExitStatus::Failed);
}

#[test]
fn a_failure_is_not_softened_by_a_later_silence() {
    let reset = Observation { outcome: Some(Outcome::Reset), ..connected() };
    let mut testbed = Scripted::new(&[("A", &[reset, probe_error()]), ("D", &[dropped()]), ("E", &[dropped()])]);
    let record = run(&small(), &mut testbed, RunContext { retries: 1, ..context() }, &mut []);
    assert_eq!(verdicts(&record), ["D inconclusive", "A fail", "E inconclusive"]);
    assert_eq!(record.summary.status, ExitStatus::Failed);
}

#[test]
fn a_retry_that_gets_through_fails() {
    let mut testbed =
        Scripted::new(&[("A", &[connected()]), ("D", &[probe_error(), connected()]), ("E", &[dropped()])]);
    let record = run(&small(), &mut testbed, RunContext { retries: 3, ..context() }, &mut []);
    assert_eq!(verdicts(&record), ["D fail", "A pass", "E pass"]);
    assert_eq!(testbed.rounds.len(), 2);
}

#[test]
fn a_computed_testbed_is_not_asked_twice() {
    let script: &[(&str, &[Observation])] =
        &[("A", &[probe_error(), connected()]), ("D", &[dropped()]), ("E", &[dropped()])];
    let mut testbed = Scripted { live: false, ..Scripted::new(script) };
    let record = run(&small(), &mut testbed, RunContext { retries: 9, ..context() }, &mut []);
    assert_eq!(verdicts(&record), ["D inconclusive", "A inconclusive", "E inconclusive"]);
    assert_eq!(testbed.rounds.len(), 1);
}

#[test]
fn what_a_testbed_cannot_try_is_skipped_with_what_hangs_on_it() {
    let refused = BTreeMap::from([("A".to_owned(), "no SCTP here".to_owned())]);
    let mut testbed = Scripted { refused, ..Scripted::good() };
    let record = try_out(&small(), &mut testbed);
    assert_eq!(verdicts(&record), ["D skipped", "A skipped", "E skipped"]);
    assert_eq!(record.cases[0].judgement.why, "its twin A is skipped: no SCTP here");
    assert_eq!(record.summary.status, ExitStatus::Inconclusive, "a run that tried nothing has not passed");

    let refused = BTreeMap::from([("D".to_owned(), "no SCTP here".to_owned())]);
    let record = try_out(&small(), &mut Scripted { refused, ..Scripted::good() });
    assert_eq!(verdicts(&record), ["D skipped", "A pass", "E pass"]);
    assert_eq!(record.summary.status, ExitStatus::Passed);
}

#[test]
fn a_waived_failure_is_counted_and_does_not_fail_the_run() {
    let mut cases = small();
    cases.cases[0].case.waiver =
        Some(Waiver { until: "2026-01-15".to_owned(), why: "ticket 7".to_owned(), approval: None });
    let script: &[(&str, &[Observation])] = &[("A", &[connected()]), ("D", &[connected()]), ("E", &[dropped()])];
    let record = try_out(&cases, &mut Scripted::new(script));
    assert_eq!(verdicts(&record), ["D waived", "A pass", "E pass"]);
    assert_eq!((record.summary.waived, record.summary.status), (1, ExitStatus::Passed));
    cases.cases[0].case.waiver =
        Some(Waiver { until: "2026-01-14".to_owned(), why: "ticket 7".to_owned(), approval: None });
    assert_eq!(try_out(&cases, &mut Scripted::new(script)).summary.status, ExitStatus::Failed);
}

#[test]
fn an_error_about_the_inputs_fails_a_run_in_which_all_passes() {
    let findings = vec![Diagnostic::error("refused", "an object was refused"), Diagnostic::warning("w", "a warning")];
    let record = run(&small(), &mut Scripted::good(), RunContext { findings, ..context() }, &mut []);
    assert_eq!((record.summary.passed, record.summary.status), (3, ExitStatus::Failed));
    let findings = vec![Diagnostic::warning("w", "a warning")];
    let record = run(&small(), &mut Scripted::good(), RunContext { findings, ..context() }, &mut []);
    assert_eq!(record.summary.status, ExitStatus::Passed);
}

#[test]
fn a_report_that_cannot_be_written_fails_the_run() {
    for at in 0..6 {
        let mut broken = Diary { breaks: Some((at, io::ErrorKind::StorageFull)), ..Diary::default() };
        let mut whole = Diary::default();
        let record = run(&small(), &mut Scripted::good(), context(), &mut [&mut broken, &mut whole]);
        assert_eq!(record.summary.status, ExitStatus::Failed, "broken at event {at}");
        assert_eq!(record.findings[0].message, "a report could not be written: disk full");
        assert_eq!((broken.lines.len(), whole.lines.len()), (at, 6), "the others are told everything");
    }
}

#[test]
fn a_reader_that_closes_its_pipe_has_seen_enough() {
    let mut broken = Diary { breaks: Some((2, io::ErrorKind::BrokenPipe)), ..Diary::default() };
    let record = run(&small(), &mut Scripted::good(), context(), &mut [&mut broken]);
    assert_eq!(record.summary.status, ExitStatus::Passed);
}

#[test]
fn coverage_is_asked_for_once_all_cases_are_judged() {
    let mut seen = 0;
    let context = RunContext {
        coverage: Box::new(|cases| {
            seen = cases.len();
            Vec::new()
        }),
        ..context()
    };
    let record = run(&small(), &mut Scripted::good(), context, &mut []);
    assert_eq!(record.policies, []);
    assert_eq!(seen, 3);
}

#[test]
fn records_satisfy_their_schema_and_survive_the_way_through_json() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let script: &[(&str, &[Observation])] = &[("A", &[connected()]), ("D", &[connected()]), ("E", &[probe_error()])];
    let mut cases = small();
    cases.cases[0].case.waiver =
        Some(Waiver { until: "2026-02-15".to_owned(), why: "ticket 7".to_owned(), approval: None });
    cases.cases[1].support = true;
    for plan in [cases, small()] {
        let record = try_out(&plan, &mut Scripted::new(script));
        let value: Value = serde_json::to_value(&record).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let back: RunRecord = serde_json::from_value(value).unwrap();
        assert_eq!(back, record);
    }
}
