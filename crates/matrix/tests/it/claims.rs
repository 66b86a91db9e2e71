//! Every claim of the architecture's source documents is decided by a case, or says why no case decides it.
//!
//! `docs/claims.md` is made from `crates/matrix/tests/data/claims.yaml` and from the claims that cases name:
//! `AIRTIGHT_UPDATE=1 cargo test -p airtight-matrix claims` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use airtight_manifest::{Node, NodeValue};
use airtight_testkit::repository;

const LIST: &str = "crates/matrix/tests/data/claims.yaml";
const PAGE: &str = "docs/claims.md";

/// Sources of claims: the letters of their ids, and what the page calls them.
const SOURCES: [(&str, &str); 5] = [
    ("S1", "The zero-trust plan"),
    ("S2", "The implementation guide"),
    ("S3", "The case study"),
    ("S4", "The network security document"),
    ("S5", "The local cluster guide"),
];

struct Claim {
    id: String,
    expect: String,
    layer: String,
    text: String,
    fails_as_written: Option<String>,
    reason: Option<String>,
    note: Option<String>,
}

/// Ids of cases, in the order of scenarios and files, by the claim that they name.
type Deciders = BTreeMap<String, Vec<String>>;

#[test]
fn claims_are_listed_once_in_order() {
    let ids: Vec<String> = claims().into_iter().map(|claim| claim.id).collect();
    assert_eq!(ids.len(), 364);
    let mut sorted = ids.clone();
    sorted.sort_by_key(|id| number(id));
    sorted.dedup();
    assert_eq!(ids, sorted);
    assert!(ids.iter().all(|id| SOURCES.iter().any(|(source, _)| id.starts_with(source))));
}

#[test]
fn expectations_are_known() {
    for claim in claims() {
        let known = claim.expect.split('/').all(|letter| ["A", "D", "C", "F", "M", "O", "N"].contains(&letter));
        assert!(known, "{} expects `{}`", claim.id, claim.expect);
        assert!(!claim.text.is_empty() && !claim.layer.is_empty(), "{} says nothing", claim.id);
    }
}

#[test]
fn cases_name_known_claims() {
    let known: BTreeSet<String> = claims().into_iter().map(|claim| claim.id).collect();
    for (claim, cases) in deciders() {
        assert!(known.contains(&claim), "{} names claim {claim}, which is not in {LIST}", cases.join(", "));
    }
}

#[test]
fn every_claim_is_decided_or_says_why_not() {
    let deciders = deciders();
    for claim in claims() {
        let id = &claim.id;
        match (deciders.get(id), &claim.reason) {
            (None, None) => panic!("no case decides {id}, and {LIST} gives no reason"),
            (Some(cases), Some(_)) => {
                panic!("{id} is decided by {}: drop its reason from {LIST}", cases.join(", "));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

#[test]
fn page_is_up_to_date() {
    let page = page(&claims(), &deciders());
    if std::env::var_os("AIRTIGHT_UPDATE").is_some() {
        fs::write(repository::root().join(PAGE), &page).unwrap();
    }
    let written = repository::text(PAGE);
    assert!(written == page, "{PAGE} is out of date: AIRTIGHT_UPDATE=1 cargo test -p airtight-matrix claims");
}

fn claims() -> Vec<Claim> {
    let document = repository::document(LIST);
    let list = document.root.get("claims").unwrap();
    items(list).iter().map(claim).collect()
}

fn claim(node: &Node) -> Claim {
    let optional = |field| node.get(field).and_then(Node::as_str).map(str::to_owned);
    let text = |field| optional(field).unwrap();
    Claim {
        id: text("id"),
        expect: text("expect"),
        layer: text("layer"),
        text: text("text"),
        fails_as_written: optional("failsAsWritten"),
        reason: optional("reason"),
        note: optional("note"),
    }
}

fn deciders() -> Deciders {
    let mut deciders = Deciders::new();
    for document in repository::folder("scenarios") {
        let spec = document.root.get("spec").unwrap();
        for case in items(spec.get("cases").unwrap()) {
            let id = case.get("id").and_then(Node::as_str).unwrap();
            for claim in case.get("claims").map(items).unwrap_or_default() {
                deciders.entry(claim.as_str().unwrap().to_owned()).or_default().push(id.to_owned());
            }
        }
    }
    deciders
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        NodeValue::List(items) => items,
        _ => panic!("not a list at {:?}", node.at),
    }
}

/// `S4-12` → `(4, 12)`.
fn number(id: &str) -> (u32, u32) {
    let (source, number) = id.trim_start_matches('S').split_once('-').unwrap();
    (source.parse().unwrap(), number.parse().unwrap())
}

fn page(claims: &[Claim], deciders: &Deciders) -> String {
    let decided = claims.iter().filter(|claim| deciders.contains_key(&claim.id)).count();
    let corrected = claims.iter().filter(|claim| claim.fails_as_written.is_some()).count();
    let mut page = format!(
        "# Claims\n\n\
         <!-- Made by `AIRTIGHT_UPDATE=1 cargo test -p airtight-matrix claims` from {LIST} and the scenarios. -->\n\n\
         The architecture comes from five source documents. This page lists every claim of theirs that can be \
         tested, in their order, with the cases that decide it, or the reason why none does: {decided} of {} are \
         decided on the model; silence about the others would be no pass. A claim expects that something is \
         allowed (A) or denied (D), a configuration (C), an effect of a fault or change (F), a measurement (M) or \
         an observation (O); N is nothing that a flow could show.\n\n\
         {corrected} claims cannot be met by the manifests of their own source, as they are written there. The \
         reference set is corrected, and meets them wherever a case decides.\n\n",
        claims.len()
    );
    reasons(&mut page, claims, deciders);
    for (source, title) in SOURCES {
        let _ = write!(
            page,
            "\n## {title}\n\n| claim | what it says | expects | layer | decided by |\n|---|---|---|---|---|\n"
        );
        let prefix = format!("{source}-");
        for claim in claims.iter().filter(|claim| claim.id.starts_with(&prefix)) {
            row(&mut page, claim, deciders);
        }
    }
    page
}

/// Why claims are not decided, and how many for each reason.
fn reasons(page: &mut String, claims: &[Claim], deciders: &Deciders) {
    let open = claims.iter().filter(|claim| !deciders.contains_key(&claim.id));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in open.filter_map(|claim| claim.reason.as_deref()) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    page.push_str("| not decided because | claims |\n|---|---|\n");
    for (reason, count) in counts {
        let _ = writeln!(page, "| {} | {count} |", cell(reason));
    }
}

fn row(page: &mut String, claim: &Claim, deciders: &Deciders) {
    let mut text = claim.text.clone();
    if let Some(why) = &claim.fails_as_written {
        let _ = write!(text, "; *as written in the source it fails: {why}*");
    }
    let mut by = match (deciders.get(&claim.id), &claim.reason) {
        (Some(cases), _) => cases.join(", "),
        (None, Some(reason)) => format!("none: {reason}"),
        (None, None) => "none".to_owned(),
    };
    if let Some(note) = &claim.note {
        let _ = write!(by, "; {note}");
    }
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {} |",
        claim.id,
        cell(&text),
        claim.expect.replace('/', " / "),
        cell(&claim.layer.replace('/', " / ")),
        cell(&by)
    );
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
