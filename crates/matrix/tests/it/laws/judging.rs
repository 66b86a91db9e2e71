//! A run on the model passes what the model says, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::{Location, Position};
use airtight_matrix::judge::Verdict;
use airtight_matrix::model::Model;
use airtight_matrix::run::judge_all;
use airtight_matrix::scenario::{
    AllowExpectation, Case, DenyExpectation, Expectation, Plan, PlannedCase, ScenarioInfo, Severity, got_through,
};
use airtight_model::path::{End, Engine, Trace};
use airtight_model::policy::{Layer, Outcome, Reason};
use airtight_model::world::World;
use proptest::prelude::*;

use super::cases;
use super::sketch::{Names, sketch, traces};

const LAYERS: [Layer; 5] = [Layer::Cni, Layer::Ztunnel, Layer::Waypoint, Layer::Gateway, Layer::Application];

fn case(number: usize, trace: &Trace, expect: Expectation, twin: Option<&str>) -> Case {
    Case {
        id: format!("LAW-{number}"),
        scenario: "laws".to_owned(),
        title: "the model says so".to_owned(),
        flow: trace.flow.clone(),
        expect,
        twin: twin.map(str::to_owned),
        controls: Vec::new(),
        claims: Vec::new(),
        severity: Severity::Medium,
        waiver: None,
        at: Location::new(&Arc::from("laws.yaml"), Position::default()),
    }
}

fn allow(outcomes: BTreeSet<Outcome>) -> Expectation {
    Expectation::Allow(AllowExpectation {
        outcomes,
        via: BTreeSet::new(),
        answered_by: None,
        backend_headers: Vec::new(),
        generates: None,
        labels: Vec::new(),
    })
}

fn deny(by: Layer, outcome: &Outcome, layers: usize) -> Expectation {
    Expectation::Deny(DenyExpectation { by, outcomes: BTreeSet::from([outcome.clone()]), layers, reason: None })
}

fn verdicts(world: &World, cases: &[Case]) -> Vec<(String, Verdict, String)> {
    let info = ScenarioInfo { name: "laws".to_owned(), title: "laws".to_owned(), suite: None };
    let planned = cases.iter().map(|case| PlannedCase { case: case.clone(), suite: None, support: false });
    let plan = Plan { scenarios: vec![info], cases: planned.collect(), ..Plan::default() };
    let records = judge_all(&plan, &mut Model::new(&Engine::compile(world)));
    records.into_iter().map(|record| (record.case.id.clone(), record.judgement.verdict, record.judgement.why)).collect()
}

fn outcome(trace: &Trace) -> Option<&Outcome> {
    match &trace.end {
        End::Outcome(outcome) => Some(outcome),
        End::Unknown(_) => None,
    }
}

/// Whether a flow would have ended without any policy, so that its denial proves nothing.
fn is_vacuous(trace: &Trace) -> bool {
    let vacuous = [Reason::NotListening, Reason::NoHealthyUpstream, Reason::ProtocolMismatch, Reason::NoSuchName];
    trace.checks().any(|check| vacuous.contains(&check.decision.reason))
}

/// The layer and the outcome of a denial.
fn denied(trace: &Trace) -> Option<(Layer, &Outcome)> {
    Some((trace.denial()?.checkpoint.layer(), outcome(trace)?))
}

fn is_allowed(trace: &Trace) -> bool {
    outcome(trace).is_some_and(|outcome| *outcome == Outcome::Connected || *outcome == Outcome::Http(200))
        && trace.denial().is_none()
}

/// What the model says of each flow: allowed ones, and denied ones with an allowed one as twin.
fn true_cases(traces: &[Trace]) -> Vec<Case> {
    let Some(twin) = traces.iter().position(is_allowed) else { return Vec::new() };
    let id = format!("LAW-{twin}");
    let of = |(number, trace): (usize, &Trace)| {
        if is_allowed(trace) {
            return Some(case(number, trace, allow(BTreeSet::new()), None));
        }
        let (layer, outcome) = denied(trace).filter(|_| !is_vacuous(trace))?;
        let layers = trace.denying_layers().len();
        Some(case(number, trace, meant(deny(layer, outcome, layers), trace), Some(&id)))
    };
    traces.iter().enumerate().filter_map(of).collect()
}

/// The expectation of a host that nothing takes says that it means that.
fn meant(mut expect: Expectation, trace: &Trace) -> Expectation {
    if let Expectation::Deny(deny) = &mut expect {
        let reason = trace.denial().map(|check| check.decision.reason);
        deny.reason = reason.filter(|reason| matches!(reason, Reason::NoListener | Reason::NoRoute));
    }
    expect
}

/// Every way in which the expectation of a case can be wrong.
fn false_cases(traces: &[Trace]) -> Vec<Case> {
    let Some(twin) = traces.iter().position(is_allowed) else { return Vec::new() };
    let mut wrong = vec![case(twin, &traces[twin], allow(BTreeSet::new()), None)];
    let id = wrong[0].id.clone();
    for trace in traces {
        let number = |wrong: &[Case]| 100 + wrong.len();
        let Some(outcome) = outcome(trace) else {
            wrong.push(case(number(&wrong), trace, allow(BTreeSet::new()), None));
            for layer in LAYERS {
                wrong.push(case(number(&wrong), trace, deny(layer, &Outcome::Timeout, 1), Some(&id)));
            }
            continue;
        };
        match denied(trace) {
            None if got_through(outcome) => {
                for layer in LAYERS {
                    wrong.push(case(number(&wrong), trace, deny(layer, outcome, 1), Some(&id)));
                }
            }
            None => {}
            Some((layer, outcome)) => {
                wrong.push(case(number(&wrong), trace, allow(BTreeSet::new()), None));
                for other in LAYERS.into_iter().filter(|other| *other != layer) {
                    wrong.push(case(number(&wrong), trace, deny(other, outcome, 1), Some(&id)));
                }
                let more = trace.denying_layers().len() + 1;
                wrong.push(case(number(&wrong), trace, deny(layer, outcome, more), Some(&id)));
                wrong.push(case(number(&wrong), trace, deny(layer, &Outcome::Http(418), 1), Some(&id)));
                wrong.push(case(number(&wrong), trace, deny(layer, outcome, 1), None));
            }
        }
    }
    wrong
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn what_the_model_says_passes(sketch in sketch()) {
        let world = sketch.world();
        let traces = traces(&world, &sketch.flows(&Names::default()));
        for (id, verdict, why) in verdicts(&world, &true_cases(&traces)) {
            prop_assert!(verdict == Verdict::Pass, "{id}: {verdict:?}, {why}\n{traces:#?}");
        }
    }

    #[test]
    fn what_the_model_does_not_say_never_passes(sketch in sketch()) {
        let world = sketch.world();
        let traces = traces(&world, &sketch.flows(&Names::default()));
        let wrong = false_cases(&traces);
        let judged = verdicts(&world, &wrong);
        prop_assert_eq!(judged.len(), wrong.len());
        for ((id, verdict, why), case) in judged.iter().zip(&wrong).skip(1) {
            prop_assert!(*verdict != Verdict::Pass, "{id}: {why}\n{case:#?}");
        }
    }
}
