//! The reference policy set against attempts to undo it, on both stacks.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::sync::Arc;

use airtight_manifest::{Document, Resource, decode_resource, yaml};
use airtight_matrix::judge::Verdict;
use airtight_matrix::model::Model;
use airtight_matrix::run::judge_all;
use airtight_matrix::scenario::{Catalogue, Filter, Plan, Selection, load};
use airtight_model::path::{Destination, Engine, Flow, Source, Trace};
use airtight_model::policy::{Layer, Reason};
use airtight_model::world::{Act, ApiUser, Change, Protocol, World};
use airtight_testkit::{repository, vectors, worlds};

const STACKS: [&str; 2] = ["reference", "latest"];

fn plan(world: &World) -> Plan {
    let scenarios = repository::documents("scenarios/governance.yaml");
    load(&scenarios, world, &Catalogue::embedded().unwrap(), jiff::civil::date(2026, 1, 15)).unwrap()
}

fn failures(plan: &Plan, world: &World) -> Vec<String> {
    let records = judge_all(plan, &mut Model::new(&Engine::compile(world)));
    assert_eq!(records.len(), plan.cases.len());
    let broken = records.iter().filter(|record| record.judgement.verdict != Verdict::Pass);
    broken.map(|record| format!("{}: {}", record.case.id, record.judgement.why)).collect()
}

#[test]
fn every_case_passes_on_both_stacks() {
    for stack in STACKS {
        let world = worlds::reference(stack);
        assert_eq!(failures(&plan(&world), &world), Vec::<String>::new(), "{stack}");
    }
}

#[test]
fn every_rule_of_kyverno_is_noticed() {
    let all = worlds::manifests();
    let plan = plan(&worlds::of(&all, "reference"));
    let mut rules = 0;
    for (index, document) in all.iter().enumerate() {
        let Ok(Resource::ClusterPolicy(policy)) = decode_resource(document) else { continue };
        let number = document.root.get("spec").unwrap().get("rules").unwrap().as_list().unwrap().len();
        for rule in 0..number {
            rules += 1;
            let mut less = all.clone();
            less[index] = without_rule(document, rule);
            let missed = failures(&plan, &worlds::of(&less, "reference"));
            assert!(!missed.is_empty(), "nobody notices the loss of rule {rule} of {}", policy.meta.object);
        }
    }
    assert!(rules >= 12, "only {rules} rules were found");
}

/// The policy without one rule; the last one makes way for a rule about nothing.
fn without_rule(document: &Document, index: usize) -> Document {
    let mut value = document.root.to_json();
    let rules = value["spec"]["rules"].as_array_mut().unwrap();
    if rules.len() > 1 {
        rules.remove(index);
    } else {
        let nothing = serde_json::json!({"resources": {"kinds": ["ConfigMap"], "names": ["nothing"]}});
        let rule = rules[index].as_object_mut().unwrap();
        rule.remove("exclude");
        rule["match"] = serde_json::json!({"any": [nothing]});
    }
    Document { file: document.file.clone(), root: airtight_manifest::Node::from_json(&value, document.root.at).into() }
}

#[test]
fn hostile_objects_are_refused_by_the_rule_that_their_file_names() {
    for stack in STACKS {
        let world = worlds::reference(stack);
        let mut count = 0;
        for vectors::File { path } in vectors::files("tests/fixtures/attempts") {
            count += 1;
            let text = fs::read_to_string(&path).unwrap();
            let refused_by = text.split("Refused by ").nth(1).unwrap().split([';', '\n']).next().unwrap().to_owned();
            let trace = attempt(&world, &text);
            let denial = trace.denial().unwrap();
            let policy = denial.decision.rules.first().unwrap();
            assert_eq!(denial.checkpoint.layer(), Layer::Admission);
            assert_eq!(denial.decision.reason, Reason::AdmissionRefused, "{}", path.display());
            assert_eq!(*policy.object.name, *refused_by.split('/').next().unwrap(), "{}", path.display());
            let rule = refused_by.split('/').nth(1).unwrap();
            assert!(denial.decision.log.as_ref().unwrap().contains(&format!("{rule}: ")), "{}", path.display());
        }
        assert_eq!(count, 5);
    }
}

fn attempt(world: &World, text: &str) -> Trace {
    let document = yaml::parse(&Arc::from("attempt"), text).unwrap().remove(0);
    let target = decode_resource(&document).unwrap().object().clone();
    let change = Change { act: Act::Apply, target, object: Some(document.root.to_json().to_string()) };
    let flow = Flow {
        from: Source::User(ApiUser::new("tenant-admin", ["tenants".to_owned()])),
        to: Destination::Object(change),
        protocol: Protocol::Tcp,
        port: None,
        request: None,
        tls: None,
        after: Vec::new(),
    };
    Engine::compile(world).trace(&flow).unwrap()
}

#[test]
fn the_layer_of_attempts_can_be_selected() {
    let plan = plan(&worlds::reference("reference"));
    let filters = vec!["layer=admission".parse::<Filter>().unwrap()];
    let selected = plan.select(&Selection { filters, ..Selection::default() });
    assert!(selected.cases.iter().filter(|case| !case.support).count() > 15);
}
