//! The evidence folder of a run on a cluster: raw observations beside the reports, whole or not at all, and no secrets.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use airtight_testkit::api_server::{Denial, Fault, What};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::stage::{SCENARIO, Stage, told};

fn folder(stage: &Stage) -> BTreeMap<String, String> {
    let path = stage.folder.path().join("airtight-report/evidence");
    let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    entries.map(|entry| file(entry.unwrap())).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(stage: &Stage) -> Vec<String> {
    let Ok(entries) = fs::read_dir(stage.folder.path().join("airtight-report")) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn whoever_doubts_a_verdict_finds_what_was_seen() {
    let stage = Stage::enforcing();
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let evidence = folder(&stage);
    let record = stage.record();
    let pointer = record.evidence.unwrap();
    assert_eq!(pointer.folder, "evidence");
    assert_eq!(pointer.files.keys().collect::<Vec<_>>(), evidence.keys().collect::<Vec<_>>());
    for (name, text) in &evidence {
        let hash = hex(&Sha256::digest(text));
        assert_eq!(pointer.files[name], hash, "{name}");
    }
    let answers = lines(&evidence["answers.jsonl"]);
    let seen = |outcome: &Value| answers.iter().any(|line| line["answer"]["outcome"] == *outcome);
    assert!(seen(&json!({"http": 200})) && seen(&json!("timeout")), "{answers:#?}");
    assert!(answers.iter().any(|line| line["flow"]["attempt"]["http"]["request"]["path"] == "/"));
    assert!(answers.iter().any(|line| line["ended"] == "status 0"));
    let denied = lines(&evidence["observers.jsonl"]).into_iter().find(|line| line["deniedBy"] == "cni").unwrap();
    assert!(denied["from"].as_str().unwrap().contains("intruder"), "{denied}");
    assert!(denied["lines"].to_string().contains("POLICY_DENIED"), "{denied}");
    let cluster: Value = serde_json::from_str(&evidence["cluster.json"]).unwrap();
    assert_eq!(cluster["run"], json!(record.id));
    assert_eq!(cluster["installed"]["cni"]["image"], "quay.io/cilium/cilium:v1.17.5");
    let cilium =
        cluster["images"].as_array().unwrap().iter().find(|image| image["image"].as_str().unwrap().contains("cilium"));
    assert!(cilium.unwrap()["imageId"].as_str().unwrap().starts_with("quay.io/cilium/cilium@sha256:"), "{cluster:#}");
    let objects: Value = serde_json::from_str(&evidence["objects.json"]).unwrap();
    let policy = objects.as_array().unwrap().iter().find(|each| each["object"] == "NetworkPolicy shop/web").unwrap();
    assert_eq!((&policy["made"], policy["sha256"].as_str().unwrap().len()), (&json!(false), 64), "{policy}");
    assert!(policy["file"].as_str().unwrap().ends_with("shop.yaml"));
    // Another run takes its place.
    assert_eq!(stage.run(&[]).status.code(), Some(0));
    assert_eq!(names(&stage), ["evidence", "junit.xml", "report.html", "run.json", "summary.md"]);
    let cluster: Value = serde_json::from_str(&folder(&stage)["cluster.json"]).unwrap();
    assert_eq!(cluster["run"], json!(stage.record().id));
}

#[test]
fn what_was_made_is_among_the_objects() {
    let stage = Stage::empty();
    stage
        .server
        .state()
        .deny_by(Denial { namespace: "shop".into(), workload: "intruder".into(), port: 8080 }, ("shop", "web"));
    let output = stage.run(&["--apply-policies", "--stand-ins"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let objects: Value = serde_json::from_str(&folder(&stage)["objects.json"]).unwrap();
    let made: Vec<_> = objects.as_array().unwrap().iter().filter(|each| each["made"] == true).collect();
    assert!(made.iter().any(|each| each["object"] == "NetworkPolicy shop/web"), "{objects:#}");
    assert!(made.iter().any(|each| each["object"] == "Pod shop/client"), "{objects:#}");
}

#[test]
fn no_secret_is_kept() {
    let stage = Stage::enforcing();
    let with_header =
        SCENARIO.replace("path: /}", "path: /, headers: {Authorization: Bearer s3cret.t0ken, X-Api-Key: s3cret}}");
    stage.write("scenarios/shop.yaml", &with_header);
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let evidence = folder(&stage);
    assert!(evidence["answers.jsonl"].contains("[redacted]"));
    for (name, text) in &evidence {
        assert!(!text.contains("s3cret") && !text.contains("token-of-the-fake"), "{name}: {text}");
    }
    for case in &stage.record().cases {
        let seen = &case.observation.as_ref().unwrap().evidence;
        assert!(!format!("{seen:?}").contains("s3cret"), "{seen:#?}");
    }
}

#[test]
fn sessions_that_fail_are_kept_too() {
    let stage = Stage::enforcing();
    stage.server.state().fail(Fault::always("/client-6d5f-abcde/exec?", What::Killed(0)));
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let answers = lines(&folder(&stage)["answers.jsonl"]);
    assert!(answers.iter().any(|line| line["ended"] == "status 137"), "{answers:#?}");
}

#[test]
fn the_folder_is_there_with_the_reports_or_not_at_all() {
    let stage = Stage::enforcing();
    // Something else has the name.
    fs::create_dir(stage.folder.path().join("airtight-report")).unwrap();
    fs::write(stage.folder.path().join("airtight-report/evidence"), "mine").unwrap();
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("airtight-report/evidence"), "{}", told(&output));
    assert_eq!(names(&stage), ["evidence"]);
    // A report cannot be written.
    fs::remove_file(stage.folder.path().join("airtight-report/evidence")).unwrap();
    fs::create_dir(stage.folder.path().join("airtight-report/junit.xml")).unwrap();
    assert_eq!(stage.run(&[]).status.code(), Some(2));
    assert_eq!(names(&stage), ["junit.xml"]);
}

#[test]
fn a_full_disk_leaves_nothing_and_is_named() {
    let stage = Stage::enforcing();
    let run = stage.command(&["--wait", "3"]);
    // No file may have more than one block.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
    let output = shell.current_dir(stage.folder.path()).env("NO_COLOR", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(
        told(&output).contains("airtight-report/evidence/") && told(&output).contains("the disk is full"),
        "{}",
        told(&output)
    );
    assert!(!stage.folder.path().join("airtight-report").exists(), "{:?}", names(&stage));
}
