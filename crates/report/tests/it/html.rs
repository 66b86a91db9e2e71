//! The page for people: self-contained, escaped, complete, and fit for a large run.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{ExitStatus, RunRecord};
use airtight_model::path::{Destination, Source};
use airtight_report::{Format, render, write};

use crate::fixture;
use crate::fixture::readback::{bytes_of_base64, drawn};

/// The page as its script draws it, with the details of every case in place.
fn page(record: &RunRecord) -> String {
    drawn(&file(record))
}

/// The page as its file holds it.
fn file(record: &RunRecord) -> String {
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
    let page = file(&large());
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
    assert_eq!(page.matches("<details class=\"case ").count(), 280);
    assert_eq!(page.matches("class=\"cell ").count(), 280);
}

/// As many cases as the reference matrix has, among as many ends and policy objects, with the details of each.
#[test]
fn a_page_of_the_whole_matrix_is_light() {
    let one = large();
    let mut cases = Vec::new();
    for part in 0..3 {
        for mut case in one.cases.iter().cloned() {
            case.case.id = format!("P{part}-{}", case.case.id);
            case.case.twin = case.case.twin.map(|twin| format!("P{part}-{twin}"));
            cases.push(case);
        }
    }
    cases.truncate(705);
    let ids: Vec<String> = cases.iter().map(|case| case.case.id.clone()).collect();
    let mut record = fixture::build::record_of(cases);
    for number in 0..164 {
        let mut policy = fixture::mixed().policies[0].clone();
        policy.rule.object =
            std::sync::Arc::new(airtight_manifest::ObjectRef::new("NetworkPolicy", Some("x"), &format!("p{number}")));
        policy.decides.clone_from(&ids);
        policy.noticed_by = ids[number..number + 40].to_vec();
        record.policies.push(policy);
    }
    let file = file(&record);
    assert!(file.len() < 1_500_000, "{} bytes", file.len());
    let elements = file.split('<').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic())).count();
    assert!(elements < 20_000, "{elements} elements");
    // Everything is there all the same, and a table of cases without the script.
    assert_eq!(
        drawn(&file).matches("The way of the flow").count(),
        record
            .cases
            .iter()
            .filter(|case| { case.observation.as_ref().is_some_and(|seen| seen.evidence.trace.is_some()) })
            .count()
    );
    assert_eq!(file.matches("<summary>\n").count().max(file.matches("class=\"case ").count()), 705);
}

#[test]
fn places_lead_to_their_lines_where_they_are_told_to() {
    use airtight_report::{Options, render_with};
    let record = fixture::mixed();
    let with = |url: &str| {
        let options = Options { source_url: Some(url.to_owned()), ..Options::default() };
        drawn(&String::from_utf8(render_with(Format::Html, &record, &options).unwrap()).unwrap())
    };
    let page = with("https://example.org/repo/blob/main");
    assert!(page.contains("href=\"https://example.org/repo/blob/main/manifests/policies/20-cni/mcp.yaml#L4\""));
    assert!(page.contains("href=\"https://example.org/repo/blob/main/scenarios/mcp-cross-namespace.yaml#L12\""));
    let links = |page: &str| page.matches("rel=\"noreferrer\"").count();
    assert!(links(&page) > 20);
    assert_eq!((links(&with("javascript:alert(1)//")), links(&self::page(&record))), (0, 0));
}

#[test]
fn controls_have_titles_strength_and_what_is_missing() {
    let page = file(&fixture::mixed());
    let controls = page.split("id=\"controls\"").nth(1).unwrap();
    for part in ["enforce information flow", "direct evidence", "data-missing=\"SC-7(5)\"", "deny by default"] {
        assert!(controls.contains(part), "{part}");
    }
    assert!(!controls.contains("data-missing=\"AC-4\""));
}

#[test]
fn a_page_of_failures_opens_some_of_them() {
    let failed = fixture::mixed().cases.into_iter().find(|case| case.judgement.verdict == Verdict::Fail).unwrap();
    let cases = (0..90).map(|number| {
        let mut case = failed.clone();
        case.case.id = format!("F-{number}");
        case
    });
    let page = file(&fixture::build::record_of(cases.collect()));
    assert_eq!(
        page.split("<details class=\"case ")
            .skip(1)
            .filter(|case| case.split('>').next().unwrap().ends_with(" open"))
            .count(),
        20
    );
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
