//! Two runs compared: what counts as worse, and what is said about it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use airtight_manifest::Diagnostic;
use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, ExitStatus, RunRecord};
use airtight_model::policy::{Layer, Outcome};
use airtight_report::diff::{Diff, RegressionKind, render_list, render_markdown};
use insta::assert_snapshot;

use crate::fixture;

/// The green run after `change`.
fn changed(change: impl FnOnce(&mut RunRecord)) -> Diff {
    let baseline = fixture::green();
    let mut current = baseline.clone();
    change(&mut current);
    Diff::between(&baseline, &current)
}

fn case<'a>(record: &'a mut RunRecord, id: &str) -> &'a mut CaseRecord {
    record.cases.iter_mut().find(|each| each.case.id == id).unwrap()
}

/// The id of a denied case that passes.
const DENIED: &str = "MCP-02";

#[test]
fn a_run_is_as_good_as_itself() {
    let diff = changed(|_| {});
    assert_eq!((diff.status(false), diff.status(true)), (ExitStatus::Passed, ExitStatus::Passed));
    assert!(render_list(&diff).starts_with("No regression in "));
}

#[test]
fn a_passed_case_that_passes_no_more_is_a_regression_whatever_became_of_it() {
    for (verdict, kind) in [
        (Verdict::Fail, RegressionKind::Fails),
        (Verdict::Inconclusive, RegressionKind::Inconclusive),
        (Verdict::Skipped { reason: "no Kyverno".to_owned() }, RegressionKind::Skipped),
    ] {
        let diff = changed(|run| case(run, DENIED).judgement.verdict = verdict);
        assert_eq!(diff.regressions.len(), 1);
        assert_eq!((diff.regressions[0].case.as_str(), diff.regressions[0].kind), (DENIED, kind));
        assert_eq!(diff.status(false), ExitStatus::Failed);
    }
    let diff = changed(|run| run.cases.retain(|each| each.case.id != DENIED));
    assert_eq!(diff.regressions[0].kind, RegressionKind::Removed);
    assert_eq!(diff.status(false), ExitStatus::Failed);
}

#[test]
fn new_cases_count_only_if_they_do_not_pass() {
    let added = |verdict: Verdict| {
        changed(|run| {
            let mut new = case(run, DENIED).clone();
            new.case.id = "NEW-01".to_owned();
            new.judgement.verdict = verdict;
            run.cases.push(new);
        })
    };
    assert_eq!(added(Verdict::Fail).regressions[0].kind, RegressionKind::New);
    assert_eq!(added(Verdict::Inconclusive).status(false), ExitStatus::Failed);
    let passed = added(Verdict::Pass);
    assert_eq!((passed.added.as_slice(), passed.status(true)), (&["NEW-01".to_owned()][..], ExitStatus::Passed));
}

#[test]
fn what_did_not_pass_before_is_no_regression() {
    let baseline = fixture::mixed();
    let diff = Diff::between(&baseline, &baseline);
    assert!(!diff.is_worse() && !diff.standing.is_empty());
    let mut better = baseline.clone();
    case(&mut better, &diff.standing[0]).judgement.verdict = Verdict::Pass;
    assert_eq!(Diff::between(&baseline, &better).repaired, diff.standing[..1]);
}

type Change = Box<dyn Fn(&mut CaseRecord)>;

#[test]
fn a_case_that_passes_in_another_way_fails_only_the_strict() {
    let waived = Verdict::Waived { until: "2026-12-31".to_owned(), why: "the vendor ships a fix".to_owned() };
    let changes: [(&str, Change); 5] = [
        ("sees reset instead of", Box::new(|each| seen(each).outcome = Some(Outcome::Reset))),
        ("denied by ztunnel instead of cni", Box::new(|each| seen(each).evidence.denied_by = Some(Layer::Ztunnel))),
        ("only after a retry", Box::new(|each| each.judgement.flaky = true)),
        ("would no longer deny it alone", Box::new(|each| seen(each).evidence.denying_layers = Some(BTreeSet::new()))),
        (
            "waived until 2026-12-31: the vendor ships a fix",
            Box::new(move |each| each.judgement.verdict = waived.clone()),
        ),
    ];
    for (said, change) in changes {
        let diff = changed(|run| change(case(run, DENIED)));
        assert_eq!((diff.status(false), diff.status(true)), (ExitStatus::Passed, ExitStatus::Failed), "{said}");
        assert!(diff.shifts[0].what[0].contains(said), "{said}: {:?}", diff.shifts);
    }
}

fn seen(record: &mut CaseRecord) -> &mut airtight_matrix::judge::Observation {
    record.observation.as_mut().unwrap()
}

#[test]
fn a_testbed_that_no_longer_enforces_and_refused_inputs_are_worse() {
    let canary = changed(|run| run.canary.enforces = false);
    assert!(canary.run[0].starts_with("the testbed no longer enforces"));
    let refused =
        |run: &mut RunRecord| run.findings.push(Diagnostic::error("unknown-field", "unknown field `podSelector`"));
    assert_eq!(changed(refused).status(false), ExitStatus::Failed);
    let mut baseline = fixture::green();
    refused(&mut baseline);
    assert!(!Diff::between(&baseline, &baseline).is_worse());
}

#[test]
fn runs_without_a_case_in_common_compare_nothing() {
    let (baseline, mut current) = (fixture::green(), fixture::green());
    for each in &mut current.cases {
        each.case.id = format!("X-{}", each.case.id);
    }
    assert_eq!(Diff::between(&baseline, &current).status(false), ExitStatus::NothingSelected);
}

#[test]
fn an_object_whose_removal_nobody_notices_any_more_is_named() {
    let diff = changed(|run| run.policies[0].noticed_by.clear());
    assert_eq!(
        (diff.unnoticed.len(), diff.status(false), diff.status(true)),
        (1, ExitStatus::Passed, ExitStatus::Failed)
    );
    // Without ablation nothing is noticed, and nothing is said.
    let diff = changed(|run| run.policies.iter_mut().for_each(|policy| policy.noticed_by.clear()));
    assert!(diff.unnoticed.is_empty());
}

/// A regression with all that goes with it.
fn upgrade() -> Diff {
    changed(|run| {
        run.stack.versions[1].1 = "1.20.2".into();
        run.policies[0].digest = "f".repeat(64);
        let broken = case(run, DENIED);
        broken.judgement.verdict = Verdict::Fail;
        broken.judgement.why = "the flow got through | and `how`".into();
        seen(broken).outcome = Some(Outcome::Connected);
        run.cases.retain(|each| each.case.id != "DNS-01");
    })
}

#[test]
fn the_list_names_what_changed_on_the_way() {
    assert_snapshot!(render_list(&upgrade()), @r"
    2 regressions against 14 cases
      baseline: 2026-11-21T06-20-00Z-7f3a of 2026-11-21T06:20:00Z, stack reference on model
      now: 2026-11-21T06-20-00Z-7f3a of 2026-11-21T06:20:00Z, stack reference on model

      ✗ MCP-02 fails: a direct connection to the MCP pod is denied
          was: timeout, denied by cni (default-deny), each alone would deny: cni, ztunnel
          now: connected, denied by cni (default-deny), each alone would deny: cni, ztunnel
          why: the flow got through | and `how`
          changed on its way: CiliumNetworkPolicy mcp-teamalpha/only-waypoint (manifests/policies/20-cni/mcp.yaml:4:5), which changed

      ✗ DNS-01 is gone: a name off the list is not resolved
          was: dns-failure(refused), denied by cni (name-refused)
          why: a matrix that shrinks proves less

      versions: Cilium 1.17.5 → 1.20.2
      policies changed: CiliumNetworkPolicy mcp-teamalpha/only-waypoint (manifests/policies/20-cni/mcp.yaml:4:5)
    ");
}

#[test]
fn the_summary_is_markdown_that_inputs_cannot_break() {
    assert_snapshot!(render_markdown(&upgrade()), @r"
    ## ❌ 2 regressions against 14 cases

    <code>2026-11-21T06-20-00Z-7f3a of 2026-11-21T06:20:00Z, stack reference on model</code> compared with <code>2026-11-21T06-20-00Z-7f3a of 2026-11-21T06:20:00Z, stack reference on model</code>.

    ### Regressions (2)

    | Case | Severity | Was | Now | Why | Changed on its way |
    | --- | --- | --- | --- | --- | --- |
    | <code>MCP-02</code> fails<br>a direct connection to the MCP pod is denied | critical | timeout, denied by cni (default-deny), each alone would deny: cni, ztunnel | connected, denied by cni (default-deny), each alone would deny: cni, ztunnel | the flow got through &#124; and &#96;how&#96; | <code>CiliumNetworkPolicy mcp-teamalpha/only-waypoint (manifests/policies/20-cni/mcp.yaml:4:5), which changed</code> |
    | <code>DNS-01</code> is gone<br>a name off the list is not resolved | medium | dns-failure(refused), denied by cni (name-refused) | – | a matrix that shrinks proves less |  |

    ### Around it (2)

    | What | Which |
    | --- | --- |
    | versions | Cilium 1.17.5 → 1.20.2 |
    | policies changed | CiliumNetworkPolicy mcp-teamalpha/only-waypoint (manifests/policies/20-cni/mcp.yaml:4:5) |
    ");
}
