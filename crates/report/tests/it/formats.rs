//! What each format's readers count on, whether or not its schema is at hand.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use airtight_manifest::Diagnostic;
use airtight_matrix::run::{ExitStatus, RunRecord};
use airtight_report::policy_report::{MOST_BYTES, MOST_RESULTS};
use airtight_report::{Format, Options, OscalVersion, Standing, render, render_with, tally};
use serde_json::Value;

use crate::fixture;
use crate::fixture::build::{location, record_of};
use crate::fixture::readback_json::objects;

fn text(format: Format, record: &RunRecord) -> String {
    String::from_utf8(render(format, record).unwrap()).unwrap()
}

fn parsed(format: Format, record: &RunRecord) -> Value {
    serde_json::from_str(&text(format, record)).unwrap()
}

/// Every value under a name, wherever it stands.
fn all<'a>(value: &'a Value, name: &str, out: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            out.extend(members.get(name));
            members.values().for_each(|value| all(value, name, out));
        }
        Value::Array(items) => items.iter().for_each(|value| all(value, name, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    all(value, name, &mut found);
    found.into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn every_format_has_a_file_of_its_own_and_says_the_same_twice() {
    let names: BTreeSet<&str> = Format::ALL.into_iter().map(Format::file_name).collect();
    assert_eq!(names.len(), Format::ALL.len());
    let record = fixture::mixed();
    for format in Format::ALL {
        assert_eq!(render(format, &record).unwrap(), render(format, &record).unwrap(), "{format:?}");
    }
}

/// A run whose files were named by their whole path.
fn at_home(mut record: RunRecord) -> RunRecord {
    for case in &mut record.cases {
        case.case.at = location(&format!("/home/somebody/repo/{}", case.case.at.file), 12, 5);
    }
    let home =
        |at: &airtight_manifest::Location| location(&format!("/home/somebody/repo/{}", at.file), at.position.line, 5);
    for check in record
        .cases
        .iter_mut()
        .filter_map(|case| case.observation.as_mut()?.evidence.trace.as_mut())
        .flat_map(|trace| &mut trace.hops)
        .flat_map(|hop| &mut hop.checkpoints)
    {
        check.decision.rules.iter_mut().for_each(|rule| rule.at = home(&rule.at));
    }
    record.policies.iter_mut().for_each(|policy| policy.rule.at = home(&policy.rule.at));
    record.findings.iter_mut().for_each(|finding| finding.location = finding.location.as_ref().map(home));
    record.inputs =
        record.inputs.into_iter().map(|(name, digest)| (format!("/home/somebody/repo/{name}"), digest)).collect();
    record
}

#[test]
fn no_format_for_others_names_the_machine() {
    let record = at_home(fixture::mixed());
    let formats = [
        Format::Sarif,
        Format::Ctrf,
        Format::Prometheus,
        Format::OscalResults,
        Format::OscalPlan,
        Format::OscalComponents,
        Format::PolicyReport,
        Format::Openreports,
        Format::Conformance,
    ];
    for format in formats {
        assert!(!text(format, &record).contains("/home/somebody"), "{format:?}");
    }
    assert!(text(Format::Sarif, &record).contains("\"uri\": \"scenarios/"));
}

#[test]
fn sarif_has_what_code_scanning_asks_for() {
    let record = fixture::mixed();
    let log = parsed(Format::Sarif, &record);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    for rule in run["tool"]["driver"]["rules"].as_array().unwrap() {
        for name in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[name]["text"].as_str().unwrap().is_empty());
        }
        let tags = rule["properties"]["tags"].as_array().unwrap();
        assert!(tags.len() <= 20 && tags.contains(&Value::from("security")));
        let severity: f64 = rule["properties"]["security-severity"].as_str().unwrap().parse().unwrap();
        assert!((0.1..=10.0).contains(&severity));
    }
    let results = run["results"].as_array().unwrap();
    let refused = record.findings.iter().filter(|finding| finding.is_error()).count();
    assert_eq!(results.len(), record.summary.failed + record.summary.inconclusive + refused);
    let mut prints = BTreeSet::new();
    for result in results {
        let place = &result["locations"][0]["physicalLocation"];
        assert!(
            place["region"]["startLine"].as_u64().unwrap() > 0 && place["region"]["startColumn"].as_u64().unwrap() > 0
        );
        assert!(!place["artifactLocation"]["uri"].as_str().unwrap().starts_with('/'));
        assert!(prints.insert(result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap()));
        assert_eq!(result["kind"] == "fail", result["level"] != "none");
        assert!(result.get("suppressions").is_none());
    }
    // Of a denial that should not be, and of a passage that should not be, the rule that made it is the place.
    assert!(results.iter().any(|result| {
        let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        uri.as_str().unwrap().starts_with("manifests/policies/")
    }));
}

#[test]
fn fingerprints_stay_when_lines_move() {
    let record = fixture::mixed();
    let prints = |record: &RunRecord| texts(&parsed(Format::Sarif, record), "primaryLocationLineHash");
    let mut moved = record.clone();
    for case in &mut moved.cases {
        case.case.at.position.line += 40;
    }
    assert_eq!(prints(&record), prints(&moved));
}

#[test]
fn an_idle_testbed_looks_like_no_success() {
    let mut record = fixture::green();
    record.canary.enforces = false;
    record.summary.status = ExitStatus::NoTestbed;
    assert_eq!(parsed(Format::Sarif, &record)["runs"][0]["invocations"][0]["executionSuccessful"], false);
    let ctrf = parsed(Format::Ctrf, &record);
    assert_eq!(
        (&ctrf["results"]["summary"]["other"], &ctrf["results"]["environment"]["healthy"]),
        (&1.into(), &false.into())
    );
    assert!(
        text(Format::Prometheus, &record)
            .contains("airtight_testbed_enforces{testbed=\"model\",stack=\"reference\"} 0")
    );
    assert!(texts(&parsed(Format::OscalResults, &record), "state").iter().all(|state| state != "satisfied"));
    for format in [Format::PolicyReport, Format::Openreports] {
        assert!(texts(&Value::from(objects(&text(format, &record))), "result").contains(&"error".to_owned()));
    }
    assert!(text(Format::Conformance, &record).contains("canary: "));
}

#[test]
fn a_refused_input_is_told_where_every_case_passed() {
    let mut record = fixture::green();
    record.findings = vec![Diagnostic::error("unknown-field", "unknown field `podSelector`")];
    record.summary.status = ExitStatus::Failed;
    assert_eq!(parsed(Format::Sarif, &record)["runs"][0]["results"].as_array().unwrap().len(), 1);
    assert_eq!(parsed(Format::Ctrf, &record)["results"]["summary"]["failed"], 1);
    assert!(text(Format::PolicyReport, &record).contains("ClusterPolicyReport"));
}

#[test]
fn nothing_but_a_pass_is_told_as_one() {
    let record = fixture::mixed();
    let passed: BTreeSet<&str> = record
        .cases
        .iter()
        .filter(|case| Standing::of(case).verdict() == "pass")
        .map(|case| case.case.id.as_str())
        .collect();
    let ctrf = parsed(Format::Ctrf, &record);
    for test in ctrf["results"]["tests"].as_array().unwrap() {
        assert_eq!(test["status"] == "passed", passed.contains(test["testId"].as_str().unwrap_or_default()));
    }
    for format in [Format::PolicyReport, Format::Openreports] {
        for result in objects(&text(format, &record)).iter().flat_map(|object| object["results"].as_array().unwrap()) {
            assert_eq!(result["result"] == "pass", passed.contains(result["rule"].as_str().unwrap()));
        }
    }
}

#[test]
fn oscal_holds_together() {
    let record = fixture::mixed();
    let document = parsed(Format::OscalResults, &record);
    let result = &document["assessment-results"]["results"][0];
    let uuids: BTreeSet<String> = texts(&document, "uuid").into_iter().collect();
    for name in ["observation-uuid", "risk-uuid", "subject-uuid", "actor-uuid", "component-uuid"] {
        assert!(texts(result, name).iter().all(|uuid| uuids.contains(uuid)), "{name}");
    }
    for href in texts(&document, "href").iter().filter_map(|href| href.strip_prefix('#')) {
        assert!(uuids.contains(href), "{href}");
    }
    assert_eq!(uuids.len(), texts(&document, "uuid").len());
    assert!(uuids.iter().all(|uuid| uuid.as_bytes()[14] == b'5'));
    // What failed exposes something; what is waived does too, and someone answers for it until a day.
    let risks = result["risks"].as_array().unwrap();
    let status = |word: &str| risks.iter().filter(|risk| risk["status"] == word).count();
    assert_eq!((status("open"), status("deviation-approved")), (record.summary.failed, record.summary.waived));
    let waived = risks.iter().filter(|risk| risk["status"] == "deviation-approved");
    assert!(waived.clone().count() > 0 && waived.clone().all(|risk| risk["deadline"].is_string()));
    for finding in result["findings"].as_array().unwrap() {
        let status = &finding["target"]["status"];
        assert_eq!(status["state"] == "satisfied", status["reason"] == "pass");
        assert_eq!(finding["target"]["type"], "statement-id");
    }
    // The control of the hand-made cases is contradicted by one of them.
    assert_eq!(result["findings"][0]["target"]["target-id"], "ac-4_smt");
    assert_eq!(result["findings"][0]["target"]["status"]["state"], "not-satisfied");
}

#[test]
fn oscal_says_satisfied_only_of_what_cases_exercise() {
    let mut record = fixture::green();
    for (index, case) in record.cases.iter_mut().enumerate() {
        case.case.controls = vec![["nist-800-53/AC-4", "nist-800-53/AC-6", "own/unknown"][index % 3].to_owned()];
    }
    let document = parsed(Format::OscalResults, &record);
    assert_eq!(texts(&document, "target-id"), ["ac-4_smt"]);
    assert_eq!(texts(&document, "state").iter().filter(|state| *state == "satisfied").count(), 1);
    let reviewed = &document["assessment-results"]["results"][0]["reviewed-controls"];
    assert_eq!(texts(reviewed, "control-id"), ["ac-4", "ac-6", "own_unknown"]);
}

#[test]
fn a_control_of_skipped_cases_is_planned_and_not_reviewed() {
    let mut cases = fixture::mixed().cases;
    cases.retain(|case| Standing::of(case) == Standing::Skipped);
    let record = record_of(cases);
    let reviewed = |format, root: &str| {
        let document = parsed(format, &record);
        let owner = if root == "assessment-plan" { &document[root] } else { &document[root]["results"][0] };
        texts(&owner["reviewed-controls"], "control-id")
    };
    assert_eq!(reviewed(Format::OscalPlan, "assessment-plan"), ["ac-4"]);
    assert_eq!(reviewed(Format::OscalResults, "assessment-results"), ["_none"]);
}

#[test]
fn the_edition_of_oscal_can_be_chosen() {
    let options = Options { oscal: OscalVersion::V1_2_1, ..Options::default() };
    let rendered = render_with(Format::OscalPlan, &fixture::mixed(), &options).unwrap();
    assert!(String::from_utf8(rendered).unwrap().contains("\"oscal-version\": \"1.2.1\""));
}

#[test]
fn ids_of_oscal_stay_from_run_to_run_where_the_thing_does() {
    let (one, mut other) = (fixture::mixed(), fixture::mixed());
    other.id.push_str("-later");
    let activities =
        |record: &RunRecord| texts(&parsed(Format::OscalPlan, record)["assessment-plan"]["local-definitions"], "uuid");
    assert_eq!(activities(&one), activities(&other));
    let observations = |record: &RunRecord| {
        texts(&parsed(Format::OscalResults, record)["assessment-results"]["results"][0]["observations"], "uuid")
    };
    assert_ne!(observations(&one), observations(&other));
}

#[test]
fn reports_in_a_cluster_stay_small_and_whole() {
    let model = &fixture::mixed().cases[0];
    let cases = (0..1201).map(|number| {
        let mut case = model.clone();
        case.case.id = format!("BIG-{number:04}");
        case.case.title = "long ".repeat(60);
        case
    });
    let record = record_of(cases.collect());
    let objects = objects(&text(Format::PolicyReport, &record));
    let mut names = BTreeSet::new();
    let mut results = 0;
    for object in &objects {
        assert!(names.insert(object["metadata"]["name"].as_str().unwrap()));
        let own = object["results"].as_array().unwrap();
        assert!(own.len() <= MOST_RESULTS && object["results"].to_string().len() < MOST_BYTES + 1024);
        results += own.len();
    }
    assert_eq!((results, tally(&record.cases).total), (1201, 1201));
    assert!(objects.len() > 2);
}

#[test]
fn labels_of_reports_are_labels() {
    let mut record = fixture::mixed();
    record.stack.name = "-ein Stack/ż ".repeat(9);
    for object in objects(&text(Format::Openreports, &record)) {
        for value in object["metadata"]["labels"].as_object().unwrap().values() {
            let value = value.as_str().unwrap();
            assert!(
                value.len() <= 63 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
                "{value}"
            );
            assert!(
                value.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && value.ends_with(|c: char| c.is_ascii_alphanumeric())
            );
        }
    }
}

#[test]
fn a_profile_is_as_good_as_its_weakest_test() {
    let report = &objects(&text(Format::Conformance, &fixture::mixed()))[0];
    for part in
        report["profiles"].as_array().unwrap().iter().flat_map(|profile| [&profile["core"], &profile["extended"]])
    {
        let has = |name: &str| part.get(name).is_some();
        let expected = match () {
            () if part.is_null() => continue,
            () if has("failedTests") => "failure",
            () if has("inconclusiveTests") || has("waivedTests") || has("skippedTests") => "partial",
            () => "success",
        };
        assert_eq!(part["result"], expected);
    }
    assert!(objects(&text(Format::Conformance, &record_of(Vec::new())))[0].get("profiles").is_none());
}
