//! Waivers in files of their own: what they turn a failure into, and what becomes of them.

use std::sync::Arc;

use airtight_manifest::{Location, ObjectRef, Position, RuleRef};
use airtight_matrix::judge::Observation;
use airtight_matrix::run::{ExitStatus, RunRecord, WaiverState};
use airtight_matrix::scenario::{Approval, FileWaiver, Plan, Selection, Waiver};
use airtight_model::path::{Check, End, Hop, Trace, Wire};
use airtight_model::policy::{Checkpoint, Decision, Outcome, Reason};

use airtight_manifest::yaml;
use airtight_matrix::scenario::waiver_schema;
use airtight_testkit::repository;

use crate::scripted::*;

/// A waiver that holds until a day, for cases of these ids.
fn waiver(name: &str, until: &str, ids: &[&str]) -> FileWaiver {
    let approval = Approval { waiver: name.to_owned(), approver: "lead".to_owned(), ticket: "T-1".to_owned() };
    FileWaiver {
        name: name.to_owned(),
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        scenarios: Vec::new(),
        controls: Vec::new(),
        objects: Vec::new(),
        waiver: Waiver { until: until.to_owned(), why: "it moves".to_owned(), approval: Some(approval) },
        at: Location::new(&Arc::from("waivers.yaml"), Position { line: 3, column: 1 }),
    }
}

/// The run of 2026-01-15 in which `D` gets through.
fn broken(waivers: Vec<FileWaiver>) -> RunRecord {
    try_out(&Plan { waivers, ..small() }, &mut scripted())
}

fn scripted() -> Scripted {
    Scripted::new(&[("A", &[connected()]), ("D", &[connected()]), ("E", &[dropped()])])
}

fn told(record: &RunRecord) -> Vec<String> {
    let findings = record.findings.iter().map(|finding| format!("{:?} {}", finding.severity, finding.code));
    let states =
        record.waivers.iter().map(|waiver| format!("{} {:?} {}", waiver.name, waiver.state, waiver.cases.join(" ")));
    verdicts(record).into_iter().chain(states).chain(findings).collect()
}

#[test]
fn a_failure_is_waived_until_the_last_day_and_the_waiver_is_told() {
    let record = broken(vec![waiver("w", "2026-01-15", &["D"])]);
    assert_eq!(told(&record), ["D waived", "A pass", "E pass", "w Used D"]);
    assert_eq!(record.summary.status, ExitStatus::Passed);
    let own = record.cases[0].case.waiver.as_ref().and_then(|waiver| waiver.approval.as_ref());
    assert_eq!(own.map(|approval| approval.approver.as_str()), Some("lead"));
}

#[test]
fn an_expired_waiver_excuses_nothing_and_is_told() {
    let record = broken(vec![waiver("w", "2026-01-14", &["D"])]);
    assert_eq!(told(&record), ["D fail", "A pass", "E pass", "w Expired ", "Warning expired-waiver"]);
    assert_eq!(record.summary.status, ExitStatus::Failed);
    assert!(record.cases[0].judgement.why.ends_with("; the waiver w ran out on 2026-01-14"));
}

#[test]
fn a_waiver_that_nothing_needs_is_told() {
    let record = broken(vec![waiver("w", "2026-02-01", &["D"]), waiver("idle", "2026-02-01", &["A", "E"])]);
    assert_eq!(told(&record)[3..], ["w Used D", "idle Unused ", "Warning unused-waiver"]);
}

#[test]
fn an_expired_waiver_does_not_stand_in_the_way_of_one_that_holds() {
    let record = broken(vec![waiver("old", "2026-01-01", &["D"]), waiver("new", "2026-02-01", &["D"])]);
    assert_eq!(verdicts(&record)[0], "D waived");
    assert_eq!(record.waivers[1].state, WaiverState::Used);
}

#[test]
fn what_nobody_can_tell_is_never_waived() {
    let plan = Plan { waivers: vec![waiver("w", "2026-02-01", &["D"])], ..small() };
    let script: &[(&str, &[Observation])] = &[("A", &[connected()]), ("D", &[probe_error()]), ("E", &[dropped()])];
    let record = try_out(&plan, &mut Scripted::new(script));
    assert_eq!(told(&record), ["D inconclusive", "A pass", "E pass", "w Open "]);
}

#[test]
fn a_run_in_which_everything_is_waived_is_not_green() {
    let mut plan = small();
    plan.cases.retain(|planned| planned.case.id == "A");
    plan.waivers = vec![waiver("w", "2026-02-01", &["A"])];
    let record = try_out(&plan, &mut Scripted::new(&[("A", &[dropped()])]));
    assert_eq!(told(&record), ["A waived", "w Used A"]);
    assert_eq!(record.summary.status, ExitStatus::Inconclusive);
}

#[test]
fn a_part_of_the_matrix_says_nothing_of_waivers_for_the_rest() {
    let plan = Plan { waivers: vec![waiver("w", "2026-01-01", &["D"])], ..small() };
    let part = plan.select(&Selection { ids: Some(["E".to_owned()].into()), ..Selection::default() });
    assert_eq!(told(&try_out(&part, &mut scripted())), ["A pass", "E pass"]);
}

/// An observation with a trace in which a rule of an object lets the flow through.
fn let_through_by(object: &ObjectRef) -> Observation {
    let at = Location::new(&Arc::from("p.yaml"), Position { line: 1, column: 1 });
    let rule = RuleRef { object: Arc::new(object.clone()), rule: None, at };
    let decision = Decision::allow(Reason::AllowRule, "a rule").by(vec![rule]);
    let flow = case("D", deny(), None).flow;
    let hop = Hop {
        from: flow.from.to_string(),
        to: flow.to.to_string(),
        wire: Wire::Plain { protocol: flow.protocol, port: flow.port },
        checkpoints: vec![Check { checkpoint: Checkpoint::CniIngress, decision }],
    };
    let trace = Trace { flow, hops: vec![hop], end: End::Outcome(Outcome::Connected), answer: None };
    let mut seen = connected();
    seen.evidence.trace = Some(trace);
    seen
}

#[test]
fn a_waiver_for_an_object_is_for_the_cases_that_it_decides() {
    let object = ObjectRef::new("NetworkPolicy", Some("n"), "open");
    let of = |name: &str| FileWaiver { objects: vec![name.to_owned()], ..waiver("w", "2026-02-01", &[]) };
    let with = |waiver: FileWaiver| {
        let plan = Plan { waivers: vec![waiver], ..small() };
        let script: &[(&str, &[Observation])] =
            &[("A", &[connected()]), ("D", &[let_through_by(&object)]), ("E", &[dropped()])];
        told(&try_out(&plan, &mut Scripted::new(script)))
    };
    assert_eq!(with(of("NetworkPolicy n/open")), ["D waived", "A pass", "E pass", "w Used D"]);
    // Of cases without a trace nobody knows which object decides.
    assert_eq!(with(of("NetworkPolicy n/other")), ["D fail", "A pass", "E pass", "w Open "]);
    let mut plan = Plan { waivers: vec![of("NetworkPolicy n/other")], ..small() };
    plan.cases.retain(|planned| planned.case.id == "D");
    plan.cases[0].case.twin = None;
    let record = try_out(&plan, &mut Scripted::new(&[("D", &[let_through_by(&object)])]));
    assert_eq!(told(&record), ["D fail", "w Dangling ", "Error dangling-waiver"]);
}

#[test]
fn the_example_of_the_documentation_satisfies_the_schema() {
    let text = repository::text("docs/waivers.md");
    let example = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let validator = jsonschema::validator_for(&waiver_schema()).unwrap();
    let documents = yaml::parse(&Arc::from("docs/waivers.md"), example).unwrap();
    for document in &documents {
        let value = document.root.to_json();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    assert_eq!(documents.len(), 1);
    for field in ["select", "reason", "approver", "ticket", "until", "compensating"] {
        assert!(text.contains(&format!("`{field}`")), "{field}");
    }
}
