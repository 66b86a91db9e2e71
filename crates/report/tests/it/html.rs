//! The page for people: self-contained, escaped, complete, and fit for a large run.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{ExitStatus, RunRecord};
use airtight_model::path::{Destination, Source};
use airtight_report::{Format, render, write};

use crate::fixture;

fn page(record: &RunRecord) -> String {
    String::from_utf8(render(Format::Html, record).unwrap()).unwrap()
}

/// A run of 280 cases between many namespaces, nearly all of them passed.
fn large() -> RunRecord {
    let base = fixture::mixed().cases;
    let green: Vec<_> = base.iter().filter(|case| case.judgement.verdict == Verdict::Pass).collect();
    let mut cases = Vec::new();
    for number in 0..280 {
        let mut case =
            if number % 40 == 13 { base[number % base.len()].clone() } else { green[number % green.len()].clone() };
        let id = format!("L{:02}-{number:03}", number / 20);
        case.case.scenario = format!("topic-{:02}", number / 20);
        case.case.twin = case.case.twin.map(|_| format!("L00-{:03}", number % 20));
        let (from, to) = (number % 23, number * 7 % 37);
        case.case.flow.from = Source::Workload(format!("team-{}", from / 4), format!("workload-{from}"));
        case.case.flow.to = match to % 9 {
            0 => Destination::Host(format!("api-{to}.provider.example")),
            1 => Destination::Pod(format!("team-{}", to / 5), format!("workload-{to}")),
            _ => Destination::Service(format!("team-{}", to / 5), format!("a-service-with-a-long-name-{to}")),
        };
        case.case.id = id;
        cases.push(case);
    }
    let mut record = fixture::build::record_of(cases);
    record.policies = fixture::mixed().policies;
    record
}

/// Pages to look at: `target/tmp/{mixed,green,large}/report.html`.
#[test]
fn a_large_run_stays_small_enough_to_open() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, record) in [("mixed", fixture::mixed()), ("green", fixture::green()), ("large", large())] {
        write(&folder.join(name), &record, &Format::ALL).unwrap();
    }
    let page = page(&large());
    assert!(page.len() < 4 << 20, "{} bytes", page.len());
    assert_eq!(page.matches("<details class=\"case ").count(), 280);
    assert_eq!(page.matches("class=\"cell ").count(), 280);
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = page(&fixture::mixed());
    for load in [" src=\"", "@import", "url(", "http-equiv=\"refresh\"", "<iframe", "<object", "<embed"] {
        assert!(!page.contains(load), "{load}");
    }
    for link in page.split("<a ").skip(1) {
        let href = link.split("href=\"").nth(1).unwrap();
        assert!(href.starts_with('#'), "{}", &href[..40]);
    }
}

#[test]
fn every_link_leads_somewhere() {
    let page = page(&fixture::mixed());
    let ids: BTreeSet<&str> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), page.matches(" id=\"").count(), "an id occurs twice");
    let targets = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    let dangling: BTreeSet<&str> = targets.filter(|target| !ids.contains(target)).collect();
    assert!(dangling.is_empty(), "{dangling:?}");
}

#[test]
fn hostile_text_stays_text() {
    let page = page(&fixture::mixed());
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains("a title with &#60;script&#62;alert(1)&#60;/script&#62;"));
    assert!(page.contains("\\u{1b}[31mescapes"));
    assert!(!page.contains("<img") && !page.contains("<b>bold</b>"));
}

#[test]
fn only_the_pages_own_script_may_run() {
    use sha2::{Digest as _, Sha256};
    let page = page(&fixture::mixed());
    let script = page.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
    let hash = page.split("sha256-").nth(1).unwrap();
    let hash = hash.split(['\'', '&']).next().unwrap();
    assert_eq!(bytes_of_base64(hash), Sha256::digest(script.as_bytes()).to_vec());
}

fn bytes_of_base64(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').chars().map(|digit| alphabet.find(digit).unwrap());
    let bits: Vec<usize> = digits.flat_map(|digit| (0..6).rev().map(move |place| digit >> place & 1)).collect();
    let bytes = bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit));
    bytes.map(|byte| u8::try_from(byte).unwrap()).collect()
}

#[test]
fn a_case_shows_its_trace_twin_controls_and_claims() {
    let page = page(&fixture::mixed());
    let case = page.split("<details class=\"case ").find(|case| case.contains("data-id=\"MCP-02\"")).unwrap();
    for part in [
        "href=\"#case-MCP-01\"",
        "nist-800-207/tenet-3",
        "S1-16",
        "scenarios/mcp-cross-namespace.yaml:12:5",
        "HBONE TCP 15008 (inside: TCP 8080)",
        "cni-ingress",
        "denies",
        "default-deny",
        "would deny too",
        "CiliumNetworkPolicy mcp-teamalpha/only-waypoint",
        "manifests/policies/20-cni/mcp.yaml:4:5",
        "Policy denied DROPPED",
        "Each of these layers alone would deny: cni, ztunnel",
        "critical",
    ] {
        assert!(case.contains(part), "{part}");
    }
}

#[test]
fn what_needs_attention_comes_first_and_whole() {
    let page = page(&fixture::mixed());
    let attention = page.split("id=\"attention\"").nth(1).unwrap().split("id=\"matrix\"").next().unwrap();
    for id in ["MCP-03", "MCP-04", "IN-04", "ISO-05", "MCP-05", "MD-02", "ISO-04", "IN-05", "ISO-03", "LLM-01"] {
        assert!(attention.contains(&format!("href=\"#case-{id}\"")), "{id}");
    }
    assert!(attention.contains("AuthorizationPolicy mcp-teambeta/unused"));
    assert!(attention.contains("WVR-2026-004"));
    assert!(attention.contains("unknown field"));
}

#[test]
fn a_red_result_without_a_failed_case_is_never_calm() {
    let mut idle = fixture::green();
    idle.canary.enforces = false;
    idle.summary.status = ExitStatus::NoTestbed;
    let idle = page(&idle);
    assert!(idle.contains("class=\"verdict bad\"") && !idle.contains("Nothing: no case failed"));
    let empty = page(&fixture::build::record_of(Vec::new()));
    assert!(empty.contains("No case was selected") && !empty.contains("Nothing: no case failed"));
    assert!(page(&fixture::green()).contains("Nothing: no case failed"));
}
