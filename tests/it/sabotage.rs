//! What a hostile reviewer would do to the reference set, and what notices it: each policy object removed, rules and items
//! of lists changed one by one. What survives is listed in `tests/sabotage/survivors.yaml`, each with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use airtight::cli::input::{InputArgs, Inputs};
use airtight_manifest::yaml;
use airtight_matrix::run::coverage::{CoverageRecord, Input, Sample, measure};
use airtight_model::path::Engine;

use crate::shop::{POLICIES, SCENARIO, Shop};

/// Reasons by the id of the mutant that survives.
fn reasons() -> BTreeMap<String, String> {
    let text = include_str!("../sabotage/survivors.yaml");
    let documents =
        yaml::parse(&"tests/sabotage/survivors.yaml".into(), text).unwrap_or_else(|error| panic!("{error}"));
    let groups = documents[0].root.to_json();
    let mut reasons = BTreeMap::new();
    for group in groups.as_array().into_iter().flatten() {
        let reason = group["reason"].as_str().unwrap_or_default();
        assert!(reason.len() > 20, "no reason: {group}");
        for id in group["survivors"].as_array().into_iter().flatten() {
            let id = id.as_str().unwrap_or_default().to_owned();
            assert!(reasons.insert(id.clone(), reason.to_owned()).is_none(), "{id} has two reasons");
        }
    }
    reasons
}

fn measured(sample: Sample) -> CoverageRecord {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let args = InputArgs {
        manifests: vec![root.join("manifests")],
        scenarios: vec![root.join("scenarios")],
        stack: "reference".to_owned(),
    };
    let inputs = Inputs::load(&args).unwrap_or_else(|error| panic!("{error}"));
    let built = inputs.world().unwrap_or_else(|error| panic!("{error}"));
    let plan = inputs.plan(&built.world).unwrap_or_else(|error| panic!("{error}"));
    let engine = Engine::compile(&built.world);
    let mut findings = inputs.findings(&built);
    findings.extend(engine.findings());
    let input = Input {
        documents: &inputs.manifests.documents,
        environment: &inputs.environment,
        stack: &inputs.stack,
        plan: &plan,
    };
    measure(input, &engine, &findings, sample)
}

fn unexplained(record: &CoverageRecord, reasons: &BTreeMap<String, String>) -> Vec<String> {
    let survivors = record.survivors.iter().filter(|mutant| !reasons.contains_key(&mutant.id));
    survivors.map(|mutant| format!("{} ({}): {:?}", mutant.id, mutant.at, mutant.fate)).collect()
}

#[test]
fn a_sample_of_the_mutants_of_the_reference_set_is_noticed_or_explained() {
    let record = measured(Sample::Every(67));
    assert!(record.rules.killed > 10, "{:?}", record.rules);
    let unexplained = unexplained(&record, &reasons());
    assert!(unexplained.is_empty(), "no case notices:\n{}", unexplained.join("\n"));
}

/// Minutes in a debug build: `.ci/run` asks for it.
#[test]
#[ignore = "every mutant of the reference set takes minutes; `cargo test --test it -- --ignored sabotage::`"]
fn every_mutant_of_the_reference_set_is_noticed_or_explained() {
    let record = measured(Sample::All);
    let reasons = reasons();
    let unexplained = unexplained(&record, &reasons);
    assert!(unexplained.is_empty(), "no case notices:\n{}", unexplained.join("\n"));
    let gone: Vec<&String> =
        reasons.keys().filter(|id| !record.survivors.iter().any(|mutant| mutant.id == **id)).collect();
    assert!(gone.is_empty(), "reasons for what does not survive: {gone:#?}");
    let tried = record.rules.killed + record.rules.survived + record.rules.equivalent;
    assert!(tried >= 300, "{tried} mutants are too few");
    assert!(record.rules.percent() >= FLOOR, "{:.2} %: {:?}", record.rules.percent(), record.rules);
}

/// The share of mutants of rules that cases notice, in percent, of those not proved to change nothing: it never falls.
const FLOOR: f64 = 75.0;

#[test]
fn a_twin_that_tests_something_else_is_refused() {
    let other = SCENARIO.replacen("path: /items}\n    expect: {deny", "path: /others}\n    expect: {deny", 1);
    assert_ne!(other, SCENARIO);
    let shop = Shop::new();
    shop.write("scenarios/api.yaml", other);
    let told = shop.run(&["run"]);
    assert!(!told.starts_with("exit 0\n"), "{told}");
}

#[test]
fn a_denied_case_against_a_target_that_does_not_listen_is_no_pass() {
    let shop = Shop::with_cases(
        "  - id: API-01\n    title: a port where nobody listens\n    from: shop/web\n    to: {service: shop/api, port: 8080}\n    \
         request: {method: GET, path: /items}\n    expect: {allow: {status: 200}}\n  - id: API-02\n    title: is denied by \
         nobody\n    from: shop/web\n    to: {service: shop/api, port: 8081}\n    request: {method: GET, path: /items}\n    \
         expect: {deny: {by: cni}}\n    twin: API-01\n",
    );
    let told = shop.run(&["run"]);
    assert!(!told.starts_with("exit 0\n"), "{told}");
}

#[test]
fn a_filter_that_leaves_denials_alone_takes_their_twins_along() {
    let shop = Shop::new();
    assert!(shop.run(&["run", "--filter", "expect=deny"]).starts_with("exit 0\n"));
    // With nobody let in, the denials are worth nothing.
    let closed =
        POLICIES.replace("principals: [cluster.local/ns/shop/sa/web]", "principals: [cluster.local/ns/shop/sa/none]");
    assert_ne!(closed, POLICIES);
    let told = Shop::with_policy(&closed).run(&["run", "--filter", "expect=deny"]);
    assert!(!told.starts_with("exit 0\n"), "{told}");
}
