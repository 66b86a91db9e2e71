//! Verdicts: what is expected and seen, and what it comes to, side by side in `tests/vectors/judge`.
//!
//! Each vector gives the expectation (`allow` or `deny`), what was seen, and the verdict of the twin; expected are the
//! verdict and its sentence.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use airtight_manifest::ObjectRef;
use airtight_matrix::judge::{Evidence, Judged, Judgement, Observation, Verdict, judge};
use airtight_matrix::scenario::{AllowExpectation, Case, DenyExpectation, Expectation, Waiver};
use airtight_model::path::{Admitted, Flow};
use airtight_model::policy::{Layer, Outcome, Reason};
use airtight_testkit::{cases, vectors};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    #[serde(default)]
    request: bool,
    #[serde(default)]
    allow: Option<Allow>,
    #[serde(default)]
    deny: Option<Deny>,
    sees: Seen,
    #[serde(default)]
    twin: Twin,
    #[serde(default)]
    waiver: Option<String>,
    verdict: String,
    why: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Allow {
    outcomes: BTreeSet<Outcome>,
    via: BTreeSet<Layer>,
    answered_by: Option<String>,
    backend_headers: Vec<(String, Option<String>)>,
    generates: Option<BTreeSet<ObjectRef>>,
    labels: Vec<(String, Option<String>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    by: Layer,
    outcomes: BTreeSet<Outcome>,
    #[serde(default = "one")]
    layers: usize,
    #[serde(default)]
    reason: Option<Reason>,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Seen {
    #[serde(default)]
    outcome: Option<Outcome>,
    #[serde(default)]
    undecided: Option<String>,
    #[serde(default)]
    denied_by: Option<Layer>,
    #[serde(default)]
    denying_layers: Option<BTreeSet<Layer>>,
    #[serde(default)]
    foreseen_layers: Option<BTreeSet<Layer>>,
    #[serde(default)]
    reason: Option<Reason>,
    #[serde(default)]
    passed: BTreeSet<Layer>,
    #[serde(default)]
    answered_by: Option<String>,
    #[serde(default)]
    backend_headers: Vec<(String, String)>,
    #[serde(default)]
    admitted: Option<Admitted>,
    #[serde(default)]
    attempts: Option<u32>,
}

/// What became of the twin, or in which way there is none.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Twin {
    #[default]
    Pass,
    Fail,
    Inconclusive,
    Skipped,
    Waived,
    /// The case names one that was not tried.
    Untried,
    /// The case names none.
    Unnamed,
    /// Another case was handed in.
    Another,
    /// A denied case was handed in under the twin's id.
    Denied,
}

#[test]
fn verdicts_follow_from_what_was_seen() {
    let mut wrong = String::new();
    let mut count = 0;
    for (file, vector) in vectors::listed::<Vector>("tests/vectors/judge") {
        count += 1;
        let judgement = judgement(&vector);
        let verdict = verdict_line(&judgement);
        if verdict != vector.verdict || judgement.why != vector.why {
            let why = judgement.why.replace('\'', "''");
            let _ = writeln!(wrong, "{file}: {}\n  verdict: {verdict}\n  why: '{why}'", vector.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count > 60, "only {count} vectors were found");
}

fn verdict_line(judgement: &Judgement) -> String {
    let text = match &judgement.verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail => "fail".to_owned(),
        Verdict::Inconclusive => "inconclusive".to_owned(),
        Verdict::Skipped { reason } => format!("skipped: {reason}"),
        Verdict::Waived { until, why } => format!("waived until {until}: {why}"),
    };
    if judgement.flaky { format!("{text}, flaky") } else { text }
}

fn judgement(vector: &Vector) -> Judgement {
    let expect = match (&vector.allow, &vector.deny) {
        (Some(allow), None) => Expectation::Allow(AllowExpectation {
            outcomes: allow.outcomes.clone(),
            via: allow.via.clone(),
            answered_by: allow.answered_by.clone(),
            backend_headers: allow.backend_headers.clone(),
            generates: allow.generates.clone(),
            labels: allow.labels.clone(),
        }),
        (None, Some(deny)) => Expectation::Deny(DenyExpectation {
            by: deny.by,
            outcomes: deny.outcomes.clone(),
            layers: deny.layers,
            reason: deny.reason,
        }),
        _ => panic!("{}: write `allow` or `deny`", vector.name),
    };
    let mut case = case("C", expect, vector.request);
    case.twin = (matches!(case.expect, Expectation::Deny(_)) && vector.twin != Twin::Unnamed).then(|| "T".to_owned());
    case.waiver =
        vector.waiver.as_ref().map(|until| Waiver { until: until.clone(), why: "ticket 7".to_owned(), approval: None });
    let twin_case = twin_case(vector.twin);
    let twin_judgement = Judgement { verdict: twin_verdict(vector.twin), why: "its reason".to_owned(), flaky: false };
    let twin = Judged { case: &twin_case, judgement: &twin_judgement };
    let given = !matches!(vector.twin, Twin::Untried | Twin::Unnamed);
    judge(&case, &observation(&vector.sees), given.then_some(&twin), jiff::civil::date(2026, 1, 15))
}

fn twin_case(twin: Twin) -> Case {
    let allow = Expectation::Allow(cases::allow());
    match twin {
        Twin::Another => case("U", allow, false),
        Twin::Denied => case("T", Expectation::Deny(cases::deny(Layer::Cni)), false),
        Twin::Pass | Twin::Fail | Twin::Inconclusive | Twin::Skipped | Twin::Waived | Twin::Untried | Twin::Unnamed => {
            case("T", allow, false)
        }
    }
}

fn twin_verdict(twin: Twin) -> Verdict {
    match twin {
        Twin::Pass | Twin::Untried | Twin::Unnamed | Twin::Another | Twin::Denied => Verdict::Pass,
        Twin::Fail => Verdict::Fail,
        Twin::Inconclusive => Verdict::Inconclusive,
        Twin::Skipped => Verdict::Skipped { reason: "x".to_owned() },
        Twin::Waived => Verdict::Waived { until: "2026-02-01".to_owned(), why: "x".to_owned() },
    }
}

fn observation(seen: &Seen) -> Observation {
    Observation {
        outcome: seen.outcome.clone(),
        undecided: seen.undecided.clone(),
        evidence: Evidence {
            denied_by: seen.denied_by,
            denying_layers: seen.denying_layers.clone(),
            foreseen_layers: seen.foreseen_layers.clone(),
            reason: seen.reason,
            passed: seen.passed.clone(),
            answered_by: seen.answered_by.clone(),
            backend_headers: seen.backend_headers.clone(),
            admitted: seen.admitted.clone(),
            trace: None,
            logs: Vec::new(),
        },
        attempts: seen.attempts.unwrap_or(1),
    }
}

fn case(id: &str, expect: Expectation, request: bool) -> Case {
    cases::case(id, Flow { request: request.then(cases::request), ..cases::flow() }, expect)
}
