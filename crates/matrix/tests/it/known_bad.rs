//! Manifests with known faults: each set must be red on the claims that it cannot meet, say whose fault that is and
//! where, and be green on the others.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use airtight_manifest::{Diagnostic, Document, Loaded, Location, load};
use airtight_matrix::judge::Verdict;
use airtight_matrix::model::Model;
use airtight_matrix::run::{CaseRecord, judge_all};
use airtight_matrix::scenario::Catalogue;
use airtight_model::path::Engine;
use airtight_model::world::{Environment, build};
use airtight_testkit::{stack, vectors};
use serde::Deserialize;

const FOLDER: &str = "tests/fixtures/known-bad";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    faulty: BTreeSet<String>,
    undecided: BTreeMap<String, String>,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    name: String,
    #[serde(rename = "about")]
    _about: String,
    manifests: Vec<String>,
    #[serde(default)]
    claims: Option<String>,
    #[serde(default)]
    refused: Vec<Refused>,
    ends: BTreeMap<String, Row>,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(deny_unknown_fields)]
struct Refused {
    code: String,
    at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    end: End,
    #[serde(default)]
    finding: Option<String>,
    #[serde(default)]
    blame: Option<Blame>,
    #[serde(default)]
    why: Option<String>,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum End {
    Pass,
    Inconclusive,
    Fail,
    Refused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Blame {
    object: String,
    #[serde(default)]
    rule: Option<String>,
    at: String,
}

/// What came of a set.
struct Seen {
    findings: Vec<Diagnostic>,
    cases: Vec<CaseRecord>,
}

fn expected() -> Expected {
    vectors::File::at(format!("{FOLDER}/expected.yaml")).read()
}

fn loaded(names: &[String]) -> Vec<Document> {
    let mut all = Loaded::default();
    for name in names {
        all.extend(load(Path::new(&format!("{FOLDER}/{name}"))).unwrap());
    }
    all.documents
}

fn see(set: &Set) -> Seen {
    let environment = Environment::read(&loaded(&["environment.yaml".to_owned()])[0]).unwrap();
    let built = build(&loaded(&set.manifests), &environment, stack::shipped("reference")).unwrap();
    let engine = Engine::compile(&built.world);
    let mut findings = built.findings.clone();
    findings.extend(engine.findings());
    let Some(claims) = &set.claims else { return Seen { findings, cases: Vec::new() } };
    let catalogue = Catalogue::embedded().unwrap();
    let scenarios = loaded(std::slice::from_ref(claims));
    let plan =
        airtight_matrix::scenario::load(&scenarios, &built.world, &catalogue, "2026-01-01".parse().unwrap()).unwrap();
    Seen { findings, cases: judge_all(&plan, &mut Model::new(&engine)) }
}

fn short(location: &Location) -> String {
    let file = location.file.strip_prefix(FOLDER).unwrap_or(&location.file).trim_start_matches('/');
    format!("{file}:{}", location.position.line)
}

impl Seen {
    fn claims(&self) -> BTreeMap<&str, Vec<&CaseRecord>> {
        let mut claims: BTreeMap<&str, Vec<&CaseRecord>> = BTreeMap::new();
        for case in &self.cases {
            case.case.claims.iter().for_each(|claim| claims.entry(claim).or_default().push(case));
        }
        claims
    }

    fn refused(&self) -> Vec<Refused> {
        let errors = self.findings.iter().filter(|finding| finding.is_error());
        let place = |finding: &Diagnostic| finding.location.as_ref().map(short).unwrap_or_default();
        errors.map(|finding| Refused { code: finding.code.clone(), at: place(finding) }).collect()
    }

    fn finds(&self, code: Option<&str>, blame: &Blame) -> bool {
        let name = blame.object.rsplit('/').next().unwrap();
        let name = name.rsplit(' ').next().unwrap();
        self.findings.iter().any(|finding| {
            let here = finding.location.as_ref().is_some_and(|location| short(location) == blame.at);
            // A refusal names the kind and the field; its place is the object.
            let named = finding.message.contains(name) || finding.code == "unknown-field" || code.is_some();
            here && named && code.is_none_or(|code| finding.code == code)
        })
    }
}

fn end(cases: &[&CaseRecord]) -> End {
    cases.iter().map(|case| verdict(case)).max().unwrap()
}

fn verdict(case: &CaseRecord) -> End {
    match &case.judgement.verdict {
        Verdict::Pass => End::Pass,
        Verdict::Fail => End::Fail,
        Verdict::Inconclusive => End::Inconclusive,
        other @ (Verdict::Skipped { .. } | Verdict::Waived { .. }) => panic!("{}: {other:?}", case.case.id),
    }
}

/// Whether the evidence of a case names the rule to blame, at its place.
fn names(case: &CaseRecord, blame: &Blame) -> bool {
    let Some(observation) = &case.observation else { return false };
    let rules =
        observation.evidence.trace.iter().flat_map(|trace| trace.checks().flat_map(|check| &check.decision.rules));
    let in_trace = rules.into_iter().any(|rule| {
        rule.object.to_string() == blame.object
            && rule.rule.as_deref() == blame.rule.as_deref()
            && short(&rule.at) == blame.at
    });
    let place = format!("{} ({FOLDER}/{}:", blame.object, blame.at);
    in_trace || observation.undecided.as_ref().is_some_and(|why| why.starts_with(&place))
}

/// What is wrong with one row of a set; nothing is.
fn differences(set: &Set, seen: &Seen) -> Vec<String> {
    let claims = seen.claims();
    let mut wrong = Vec::new();
    let mut object = |claim: &str, text: String| wrong.push(format!("{} {claim}: {text}", set.name));
    for (claim, row) in &set.ends {
        let cases = claims.get(claim.as_str());
        match (cases, &row.finding) {
            (Some(cases), _) if end(cases) != row.end => {
                let why: Vec<_> =
                    cases.iter().map(|case| format!("{}: {}", case.case.id, case.judgement.why)).collect();
                object(claim, format!("expected {:?}, saw {:?}\n  {}", row.end, end(cases), why.join("\n  ")));
            }
            (Some(_), _) | (None, Some(_)) => {}
            (None, None) => object(claim, "needs cases or a finding".to_owned()),
        }
        let red = cases.into_iter().flatten().filter(|case| verdict(case) != End::Pass);
        match &row.blame {
            Some(blame)
                if !seen.finds(row.finding.as_deref(), blame) && !red.clone().any(|case| names(case, blame)) =>
            {
                object(claim, format!("neither trace nor findings name {} at {}", blame.object, blame.at));
            }
            None if row.end != End::Pass && row.why.is_none() => object(claim, "red without blame or why".to_owned()),
            Some(_) | None => {}
        }
    }
    for claim in claims.keys().filter(|claim| !set.ends.contains_key(**claim)) {
        object(claim, "is decided, and not expected".to_owned());
    }
    wrong
}

#[test]
fn each_set_ends_as_its_faults_demand_and_says_whose_they_are() {
    for set in expected().sets {
        let seen = see(&set);
        let mut refused = seen.refused();
        refused.sort();
        let mut expected: Vec<&Refused> = set.refused.iter().collect();
        expected.sort();
        assert_eq!(refused.iter().collect::<Vec<_>>(), expected, "{}", set.name);
        let wrong = differences(&set, &seen);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn every_faulty_claim_is_red_somewhere_or_undecided_for_a_reason() {
    let expected = expected();
    let ends = |claim: &str| -> BTreeSet<End> {
        expected.sets.iter().filter_map(|set| set.ends.get(claim)).map(|row| row.end).collect()
    };
    for claim in &expected.faulty {
        let red = ends(claim).iter().any(|end| *end != End::Pass);
        assert!(red != expected.undecided.contains_key(claim), "{claim}");
    }
    assert_eq!(expected.faulty.len(), 57);
}

#[test]
fn every_sound_claim_is_green_somewhere_or_red_for_a_reason() {
    let expected = expected();
    let rows = |claim: &str| expected.sets.iter().filter_map(|set| set.ends.get(claim)).collect::<Vec<_>>();
    let claims: BTreeSet<&String> = expected.sets.iter().flat_map(|set| set.ends.keys()).collect();
    for claim in claims.into_iter().filter(|claim| !expected.faulty.contains(*claim)) {
        let rows = rows(claim);
        let sound = rows.iter().any(|row| row.end == End::Pass) || rows.iter().any(|row| row.why.is_some());
        assert!(sound, "{claim} is never green, and nothing says why");
    }
}

/// A model that found these manifests sound would be worth nothing.
#[test]
fn no_set_as_written_is_green() {
    for set in expected().sets.iter().filter(|set| !set.name.contains("-with-") && set.name != "kind-guide/network") {
        assert!(set.ends.values().any(|row| row.end != End::Pass), "{}", set.name);
    }
}
