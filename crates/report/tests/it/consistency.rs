//! Every format carries the same counts and ids, for a hand-made run and for generated ones.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use airtight_matrix::run::RunRecord;
use airtight_report::{Format, Style, Terminal, json, render, replay};
use proptest::prelude::*;

use crate::fixture;
use crate::fixture::generate;
use crate::fixture::readback::{self, Told};
use crate::fixture::readback_json;

fn text(format: Format, record: &RunRecord) -> String {
    String::from_utf8(render(format, record).unwrap()).unwrap()
}

fn terminal(record: &RunRecord) -> String {
    let mut terminal = Terminal::new(Vec::new(), Style::PLAIN);
    replay(record, &mut terminal).unwrap();
    String::from_utf8(terminal.into_inner()).unwrap()
}

/// What a format tells; none of one that tells of no verdicts.
fn told(format: Format, record: &RunRecord) -> Option<Told> {
    let text = text(format, record);
    Some(match format {
        Format::Json => Told::by_record(&json::read(&text).unwrap()),
        Format::Junit => readback::junit(&text),
        Format::Markdown => readback::markdown(&text),
        Format::Html => readback::html(&text),
        Format::Sarif => readback_json::sarif(&text),
        Format::Ctrf => readback_json::ctrf(&text),
        Format::Prometheus => readback_json::metrics(&text),
        Format::Openmetrics => {
            assert_eq!(text, format!("{}# EOF\n", self::text(Format::Prometheus, record)));
            readback_json::metrics(&text)
        }
        Format::OscalResults => readback_json::oscal_results(&text),
        Format::OscalPlan => {
            let ids: Vec<&String> = record.cases.iter().map(|case| &case.case.id).collect();
            assert_eq!(readback_json::oscal_plan(&text).iter().collect::<Vec<_>>(), ids);
            return None;
        }
        Format::OscalComponents => return None,
        Format::PolicyReport | Format::Openreports => readback_json::policy_reports(&text),
        Format::Conformance => readback_json::conformance(&text),
    })
}

/// Reads every format back and compares it with the record.
fn assert_consistent(record: &RunRecord) {
    let expected = Told::by_record(record);
    assert_eq!(json::read(&text(Format::Json, record)).unwrap(), *record, "JSON");
    for format in Format::ALL {
        if let Some(told) = told(format, record) {
            assert_eq!(told, expected, "{format:?}");
        }
    }
    assert_eq!(readback::terminal(&terminal(record)), expected.without_passed(), "terminal");
}

/// Nothing that an input says reaches a reader as a control character or as markup.
fn assert_harmless(record: &RunRecord) {
    let hidden = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    for format in Format::ALL.into_iter().filter(|format| *format != Format::Json) {
        let text = text(format, record);
        assert!(!text.contains(hidden), "{format:?} holds {:?}", text.chars().find(|character| hidden(*character)));
        assert!(!text.to_lowercase().contains("compliant"), "{format:?}");
    }
    assert!(!terminal(record).contains(hidden));
    let page = readback::drawn(&text(Format::Html, record));
    assert!(!page.contains(hidden) && !page.to_lowercase().contains("compliant"));
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("<img") && !page.contains("<b>bold"));
}

#[test]
fn the_hand_made_run_is_told_alike() {
    for record in [fixture::mixed(), fixture::green(), fixture::build::record_of(Vec::new())] {
        assert_consistent(&record);
        assert_harmless(&record);
    }
}

#[test]
fn the_hand_made_run_holds_every_kind_of_case() {
    let record = fixture::mixed();
    let summary = &record.summary;
    assert_eq!(summary.total, 26);
    let kinds =
        [summary.allowed, summary.denied, summary.failed, summary.inconclusive, summary.waived, summary.skipped];
    assert!(kinds.into_iter().all(|number| number > 0) && summary.flaky > 0);
    let json = text(Format::Json, &record);
    let words = [
        "connected",
        "\"http\"",
        "\"refused\"",
        "\"reset\"",
        "\"timeout\"",
        "dns-failure",
        "tls-failure",
        "probe-error",
        "nxdomain",
        "servfail",
        "\"admission\"",
        "\"cni\"",
        "\"ztunnel\"",
        "\"waypoint\"",
        "\"gateway\"",
        "\"application\"",
        "dns-proxy",
        "\"unknown\"",
        "\"hbone\"",
        "\"plain\"",
    ];
    for word in words {
        assert!(json.contains(word), "no case has {word}");
    }
}

proptest! {
    #![proptest_config(airtight_testkit::random::cases(24))]

    #[test]
    fn any_run_is_told_alike(record in generate::record()) {
        assert_consistent(&record);
        assert_harmless(&record);
    }
}
