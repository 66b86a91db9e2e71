//! Formats against the schemas of their makers.
//!
//! The schemas are not ours to ship. They are read from `../shared/schemas` or where `AIRTIGHT_SCHEMAS` points. Without
//! them these tests say so and pass; what they would find first is also held by `formats`.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it skips")]

use std::fs;
use std::path::{Path, PathBuf};

use airtight_matrix::run::RunRecord;
use airtight_report::{Format, Options, OscalVersion, render_with};
use airtight_testkit::random;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture;
use crate::fixture::generate;
use crate::fixture::readback_json::objects;

fn file(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("AIRTIGHT_SCHEMAS").map_or_else(|| root.join("../shared/schemas"), PathBuf::from);
    let file = folder.join(name);
    if file.is_file() {
        return Some(file);
    }
    eprintln!("SKIPPED: no {name} in {}; set AIRTIGHT_SCHEMAS to a folder that holds it", folder.display());
    None
}

fn schema(name: &str) -> Option<Validator> {
    let text = fs::read_to_string(file(name)?).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    Some(jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
}

/// The schema of one kind of a definition, as strict as `kubectl apply` is: a field that it does not know is refused.
fn definition(name: &str) -> Option<Validator> {
    let text = fs::read_to_string(file(name)?).unwrap();
    let definition = objects(&text).into_iter().find(|object| object["kind"] == "CustomResourceDefinition").unwrap();
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let served = versions.iter().find(|version| version["name"] == "v1alpha2" || version["name"] == "v1alpha1");
    let wanted = versions.iter().find(|version| version["name"] == "v1alpha2").or(served).unwrap();
    Some(jsonschema::validator_for(&strict(&wanted["schema"]["openAPIV3Schema"])).unwrap())
}

fn strict(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut out: serde_json::Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), strict(value))).collect();
            let closed =
                out.get("properties").is_some_and(Value::is_object) && !out.contains_key("additionalProperties");
            if closed && out.get("type") == Some(&json!("object")) {
                out.insert("additionalProperties".to_owned(), json!(false));
            }
            Value::Object(out)
        }
        Value::Array(items) => Value::Array(items.iter().map(strict).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

fn records() -> Vec<RunRecord> {
    let mut idle = fixture::green();
    idle.canary.enforces = false;
    idle.summary.status = airtight_matrix::run::ExitStatus::NoTestbed;
    vec![fixture::mixed(), fixture::green(), idle, fixture::build::record_of(Vec::new())]
}

fn text(format: Format, record: &RunRecord, oscal: OscalVersion) -> String {
    let options = Options { oscal, ..Options::default() };
    String::from_utf8(render_with(format, record, &options).unwrap()).unwrap()
}

fn assert_valid(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).take(8).collect();
    assert!(errors.is_empty(), "{what}:\n{}", errors.join("\n"));
}

/// Holds the hand-made runs and generated ones against a schema.
fn assert_all_valid(validator: &Validator, format: Format, oscal: OscalVersion) {
    let holds = |record: &RunRecord| {
        let value: Value = serde_json::from_str(&text(format, record, oscal)).unwrap();
        assert_valid(validator, &value, &format!("{format:?}"));
    };
    records().iter().for_each(holds);
    proptest!(random::cases(12), |(record in generate::record())| holds(&record));
}

#[test]
fn sarif_is_sarif() {
    if let Some(schema) = schema("sarif-schema-2.1.0.json") {
        assert_all_valid(&schema, Format::Sarif, OscalVersion::default());
    }
}

#[test]
fn ctrf_is_ctrf() {
    if let Some(schema) = schema("ctrf.schema.json") {
        assert_all_valid(&schema, Format::Ctrf, OscalVersion::default());
    }
}

#[test]
fn oscal_is_oscal() {
    let editions = [
        (OscalVersion::V1_1_3, "oscal_complete_schema-1-1-3.json"),
        (OscalVersion::V1_2_1, "oscal_complete_schema-1-2-1.json"),
    ];
    for (version, name) in editions {
        let Some(schema) = schema(name) else { continue };
        for format in [Format::OscalResults, Format::OscalPlan, Format::OscalComponents] {
            assert_all_valid(&schema, format, version);
        }
    }
}

#[test]
fn policy_reports_are_what_the_api_server_takes() {
    let kinds = [
        (Format::PolicyReport, "PolicyReport", "wgpolicyk8s.io_v1alpha2_policyreports.yaml"),
        (Format::PolicyReport, "ClusterPolicyReport", "wgpolicyk8s.io_v1alpha2_clusterpolicyreports.yaml"),
        (Format::Openreports, "Report", "openreports.io_reports.yaml"),
        (Format::Openreports, "ClusterReport", "openreports.io_clusterreports.yaml"),
    ];
    for (format, kind, name) in kinds {
        let Some(definition) = definition(name) else { continue };
        let mut seen = 0;
        let mut holds = |record: &RunRecord| {
            let objects = objects(&text(format, record, OscalVersion::default()));
            for object in objects.iter().filter(|object| object["kind"] == kind) {
                assert_valid(&definition, object, kind);
                seen += 1;
            }
        };
        records().iter().for_each(&mut holds);
        assert!(seen > 0, "no {kind}");
        proptest!(random::cases(8), |(record in generate::record())| {
            for object in objects(&text(format, &record, OscalVersion::default())) {
                if object["kind"] == kind {
                    assert_valid(&definition, &object, kind);
                }
            }
        });
    }
}
