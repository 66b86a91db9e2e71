//! The evidence bundle: what is in it, and that no change to it goes unnoticed.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use airtight_matrix::run::{EvidenceRecord, RunRecord};
use airtight_report::bundle::{
    Alteration, DIGEST, MANIFEST, PREDICATE, Producer, STATEMENT, TIMESTAMP_QUERY, build, verify,
};
use airtight_report::stage;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::fixture;

fn digest(bytes: &[u8]) -> String {
    airtight_manifest::hex(&Sha256::digest(bytes))
}

fn raw() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([("hubble.jsonl".to_owned(), b"{}\n".to_vec())])
}

/// The hand-made run, with raw observations.
fn record() -> RunRecord {
    let files = raw().iter().map(|(name, content)| (name.clone(), digest(content))).collect();
    RunRecord { evidence: Some(EvidenceRecord { folder: "evidence".to_owned(), files }), ..fixture::mixed() }
}

fn producer() -> Producer {
    Producer { identity: Some("ci".to_owned()), url: Some("https://ci.example/1".to_owned()), commit: None }
}

fn files() -> BTreeMap<String, Vec<u8>> {
    build(&record(), &raw(), producer(), None).unwrap()
}

/// A bundle on disk.
fn bundle() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let _ = stage(folder.path(), "bundle", &files()).unwrap().publish().unwrap().keep();
    folder
}

fn altered(folder: &Path) -> Vec<String> {
    let (_, found) = verify(&folder.join("bundle"), None).unwrap();
    found.iter().map(Alteration::to_string).collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn an_untouched_bundle_is_unaltered() {
    let folder = bundle();
    assert_eq!(altered(folder.path()), Vec::<String>::new());
    assert_eq!(files(), files());
}

#[test]
fn every_case_has_a_record_with_what_an_auditor_asks_for() {
    let (record, files) = (record(), files());
    for case in &record.cases {
        let file = format!("cases/{}.json", case.case.id);
        let told = json(&files[&file]);
        for part in ["what", "how", "when", "on", "observation", "judgement", "mapping"] {
            assert!(told.get(part).is_some(), "{file} has no {part}");
        }
        assert_eq!(told["id"], *case.case.id);
        for mapping in told["mapping"].as_array().unwrap().iter().filter(|one| one["control"] == "nist-800-53/AC-4") {
            assert_eq!((&mapping["version"], &mapping["strength"]), (&"5.1.1".into(), &"direct".into()));
            assert!(!mapping["notShown"].as_str().unwrap().is_empty());
        }
        assert_eq!(told["when"]["validUntil"], "2026-11-28T06:20:03.412Z");
    }
    let denied = json(&files["cases/MCP-02.json"]);
    assert_eq!(denied["how"]["twin"], serde_json::json!({"id": "MCP-01", "verdict": "pass"}));
    assert_eq!(denied["how"]["deniedBy"], "cni");
}

#[test]
fn what_is_hashed_is_canonical() {
    let files = files();
    for (name, content) in files.iter().filter(|(name, _)| name.starts_with("cases/") || *name == MANIFEST) {
        assert_eq!(serde_json_canonicalizer::to_vec(&json(content)).unwrap(), *content, "{name}");
    }
}

#[test]
fn seals_are_made_of_the_manifest() {
    let files = files();
    let own = digest(&files[MANIFEST]);
    assert_eq!(files[DIGEST], format!("{own}  manifest.json\n").as_bytes());
    assert!(files[TIMESTAMP_QUERY].windows(32).any(|window| window == Sha256::digest(&files[MANIFEST]).as_slice()));
    let statement = json(&files[STATEMENT]);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], *own);
    assert_eq!(statement["predicate"], json(&files[PREDICATE]));
    let predicate = &statement["predicate"];
    assert_eq!((&predicate["result"], &predicate["url"]), (&"FAILED".into(), &"https://ci.example/1".into()));
    let summary = record().summary;
    let number = |name: &str| predicate[name].as_array().unwrap().len();
    assert_eq!(number("passedTests"), summary.passed);
    assert_eq!(number("warnedTests"), summary.waived + summary.skipped);
    assert_eq!(number("failedTests"), summary.failed + summary.inconclusive);
    assert!(
        predicate["configuration"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["digest"].is_object() || item["uri"].is_string())
    );
}

#[test]
fn whatever_is_changed_added_or_removed_is_named() {
    let folder = bundle();
    for (name, content) in files() {
        let file = folder.path().join("bundle").join(&name);
        fs::write(&file, [content.as_slice(), b" "].concat()).unwrap();
        let found = altered(folder.path());
        assert!(found.contains(&format!("changed: {name}")), "{name}: {found:?}");
        if name != MANIFEST {
            fs::remove_file(&file).unwrap();
            assert!(altered(folder.path()).contains(&format!("removed: {name}")), "{name}");
        }
        fs::write(&file, content).unwrap();
    }
    fs::write(folder.path().join("bundle/cases/NEW.json"), "{}").unwrap();
    assert_eq!(altered(folder.path()), ["added: cases/NEW.json"]);
}

#[test]
fn a_changed_record_with_a_changed_manifest_contradicts_the_run() {
    let folder = bundle();
    let at = |name: &str| folder.path().join("bundle").join(name);
    let case =
        fs::read_to_string(at("cases/MCP-03.json")).unwrap().replace("\"verdict\":\"fail\"", "\"verdict\":\"pass\"");
    fs::write(at("cases/MCP-03.json"), &case).unwrap();
    let mut manifest = json(&fs::read(at(MANIFEST)).unwrap());
    manifest["files"]["cases/MCP-03.json"] =
        serde_json::json!({"sha256": digest(case.as_bytes()), "bytes": case.len()});
    let text = serde_json_canonicalizer::to_vec(&manifest).unwrap();
    fs::write(at(MANIFEST), &text).unwrap();
    fs::write(at(DIGEST), format!("{}  manifest.json\n", digest(&text))).unwrap();
    let found = altered(folder.path());
    assert!(found.contains(&"contradicts the record of the run: cases/MCP-03.json".to_owned()), "{found:?}");
    // Whoever signed the manifest, or had it stamped, knows its digest.
    let known = digest(&files()[MANIFEST]);
    let (_, found) = verify(&folder.path().join("bundle"), Some(&known)).unwrap();
    assert!(found.iter().any(|alteration| matches!(alteration, Alteration::AnotherManifest { .. })));
}

#[test]
fn a_manifest_reaches_for_nothing_outside() {
    let folder = bundle();
    fs::write(folder.path().join("outside"), "x").unwrap();
    let at = folder.path().join("bundle").join(MANIFEST);
    let mut manifest = json(&fs::read(&at).unwrap());
    manifest["files"]["../outside"] = serde_json::json!({"sha256": digest(b"x"), "bytes": 1});
    fs::write(&at, serde_json_canonicalizer::to_vec(&manifest).unwrap()).unwrap();
    assert!(altered(folder.path()).contains(&"removed: ../outside".to_owned()));
}

#[cfg(unix)]
#[test]
fn a_link_is_no_file_of_a_bundle() {
    let folder = bundle();
    let file = folder.path().join("bundle/cases/MCP-01.json");
    let copy = folder.path().join("copy");
    fs::rename(&file, &copy).unwrap();
    std::os::unix::fs::symlink(&copy, &file).unwrap();
    assert_eq!(altered(folder.path()), ["changed: cases/MCP-01.json"]);
}

#[test]
fn raw_observations_must_be_those_of_the_run() {
    let mut other = raw();
    other.insert("hubble.jsonl".to_owned(), b"{\"changed\":1}\n".to_vec());
    let mut more = raw();
    more.insert("more.jsonl".to_owned(), Vec::new());
    for (raw, code) in [(other, "report-evidence"), (BTreeMap::new(), "report-evidence"), (more, "report-evidence")] {
        assert_eq!(build(&record(), &raw, producer(), None).unwrap_err().code(), code);
    }
}
