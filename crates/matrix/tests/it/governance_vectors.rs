//! Attempts to change objects with what comes of them, side by side in `tests/vectors/governance`.
//!
//! A vector gives `policies` and `objects` (manifests that exist), the changes made `after` that, and one `attempt`; a
//! change names its object under `apply`, `update` or `delete` and who makes it under `by` (`cluster-admin`, a user
//! name, or `namespace/name` of a service account). Expected is a line: what the client `sees` (`STATUS REASON`),
//! `unknown: WHY` or `unmet: WHY`; and for an accepted attempt what it `generates`, and the `labels` stored.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{ObjectRef, Scope, kind_info, yaml};
use airtight_matrix::judge::{Evidence, Judged, Judgement, Observation, Verdict, judge};
use airtight_matrix::model::Model;
use airtight_matrix::scenario::{AllowExpectation, Case, DenyExpectation, Expectation};
use airtight_model::path::{Destination, End, Engine, Flow, Source, Trace};
use airtight_model::policy::{Layer, Outcome};
use airtight_model::world::{Act, ApiRequest, ApiUser, Change, Environment, Protocol, World, build};
use airtight_testkit::{cases, vectors};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    #[serde(default)]
    policies: Vec<Value>,
    #[serde(default)]
    objects: Vec<Value>,
    #[serde(default)]
    after: Vec<Step>,
    attempt: Step,
    sees: String,
    #[serde(default)]
    generates: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    apply: Option<Value>,
    #[serde(default)]
    update: Option<Value>,
    #[serde(default)]
    delete: Option<Value>,
}

impl Step {
    fn request(&self) -> ApiRequest {
        let (act, value) = match (&self.apply, &self.update, &self.delete) {
            (Some(value), None, None) => (Act::Apply, value),
            (None, Some(value), None) => (Act::Update, value),
            (None, None, Some(value)) => (Act::Delete, value),
            _ => panic!("write one of apply, update, delete"),
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let head = if act == Act::Delete { value } else { &value["metadata"] };
        let kind = text(&value["kind"]).unwrap_or_default();
        let namespaced = kind_info(&kind).is_none_or(|info| info.scope == Scope::Namespaced);
        let namespace = text(&head["namespace"]).or_else(|| namespaced.then(|| "default".to_owned()));
        let target = ObjectRef::new(&kind, namespace.as_deref(), &text(&head["name"]).unwrap_or_default());
        let object = (act != Act::Delete).then(|| value.to_string());
        ApiRequest { by: self.user(), change: Change { act, target, object } }
    }

    fn user(&self) -> ApiUser {
        match self.by.as_deref() {
            None | Some("cluster-admin") => ApiUser::cluster_admin(),
            Some(name) => match name.split_once('/') {
                Some((namespace, name)) => ApiUser::service_account(namespace, name),
                None => ApiUser::new(name, self.groups.clone()),
            },
        }
    }
}

fn vectors() -> Vec<(String, Vector)> {
    vectors::listed("tests/vectors/governance")
}

fn documents(vector: &Vector) -> String {
    let objects = vector.policies.iter().chain(&vector.objects);
    objects.map(ToString::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn world(vector: &Vector) -> World {
    let mut around = vectors::File::at("tests/vectors/scenario/_world.yaml").documents();
    let environment = Environment::read(&around.remove(0)).unwrap();
    let stack = Stack::read(&around.remove(0)).unwrap();
    let documents = yaml::parse(&Arc::from("manifests.yaml"), &documents(vector)).unwrap();
    build(&documents, &environment, stack).unwrap().world
}

fn flow(vector: &Vector) -> Flow {
    let ApiRequest { by, change } = vector.attempt.request();
    Flow {
        from: Source::User(by),
        to: Destination::Object(change),
        protocol: Protocol::Tcp,
        port: None,
        request: None,
        tls: None,
        after: vector.after.iter().map(Step::request).collect(),
    }
}

fn line(trace: &Trace) -> String {
    match &trace.end {
        End::Unknown(why) => format!("unknown: {why}"),
        End::Outcome(outcome) => {
            let last = trace.denial().or_else(|| trace.checks().last()).unwrap();
            format!("{outcome} {}", last.decision.reason)
        }
    }
}

#[test]
fn attempts_come_to_what_is_written() {
    let mut wrong = String::new();
    let all = vectors();
    for (file, vector) in &all {
        let world = world(vector);
        let (seen, generated, labels) = match Engine::compile(&world).trace(&flow(vector)) {
            Err(error) => (format!("unmet: {error}"), Vec::new(), BTreeMap::new()),
            Ok(trace) => {
                let admitted = trace.answer.as_ref().and_then(|answer| answer.admitted.clone()).unwrap_or_default();
                let generated = admitted.generated.iter().flatten().map(ToString::to_string).collect();
                (line(&trace), generated, admitted.labels.unwrap_or_default())
            }
        };
        if seen != vector.sees
            || generated != vector.generates
            || (!vector.labels.is_empty() && labels != vector.labels)
        {
            let _ = writeln!(wrong, "{file}: {}\n  sees: '{seen}'\n  {generated:?}\n  {labels:?}", vector.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(all.len() > 30, "only {} vectors were found", all.len());
}

/// No attempt whose review is unknown ever passes, whatever the case expects and however well its twin did.
#[test]
fn what_is_unknown_never_passes() {
    let mut open = 0;
    for (_, vector) in vectors() {
        let world = world(&vector);
        let engine = Engine::compile(&world);
        let seen = Model::new(&engine).observe_one(&flow(&vector));
        if seen.outcome.is_some() {
            continue;
        }
        open += 1;
        for expect in expectations() {
            let verdict = verdict(&vector, expect, &seen);
            assert_eq!(verdict, Verdict::Inconclusive, "{}", vector.name);
        }
    }
    assert!(open >= 10, "only {open} attempts were open");
}

fn expectations() -> Vec<Expectation> {
    let statuses = [200, 201, 400, 403, 404, 422].map(Outcome::Http);
    let allow = AllowExpectation {
        outcomes: statuses.iter().cloned().collect(),
        via: [].into(),
        answered_by: None,
        backend_headers: Vec::new(),
        generates: None,
        labels: Vec::new(),
    };
    let deny =
        DenyExpectation { by: Layer::Admission, outcomes: statuses.iter().cloned().collect(), layers: 1, reason: None };
    vec![Expectation::Allow(allow), Expectation::Deny(deny)]
}

fn case(id: &str, flow: Flow, expect: Expectation) -> Case {
    let twin = matches!(expect, Expectation::Deny(_)).then(|| "T".to_owned());
    Case { twin, ..cases::case(id, flow, expect) }
}

fn verdict(vector: &Vector, expect: Expectation, seen: &Observation) -> Verdict {
    let case_of = |id, expect| case(id, flow(vector), expect);
    let twin = case_of("T", expectations().remove(0));
    let passed = Judgement { verdict: Verdict::Pass, why: "it did".to_owned(), flaky: false };
    let judged = Judged { case: &twin, judgement: &passed };
    let today = jiff::civil::date(2026, 1, 15);
    let verdict = judge(&case_of("C", expect.clone()), seen, Some(&judged), today).verdict;
    // An observer that tells the same without a trace is believed no more.
    let bare = Observation { evidence: Evidence { trace: None, ..seen.evidence.clone() }, ..seen.clone() };
    assert_eq!(judge(&case_of("C", expect), &bare, Some(&judged), today).verdict, verdict);
    verdict
}
