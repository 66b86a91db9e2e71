//! The page for people: self-contained, escaped, complete, and fit for a large run.

#[path = "fixtures/run/mod.rs"]
mod fixture;

use std::path::Path;

use airtight::judge::Verdict;
use airtight::path::{Destination, Source};
use airtight::report::{Format, render, write};
use airtight::run::RunRecord;

fn page(record: &RunRecord) -> String {
    String::from_utf8(render(Format::Html, record).unwrap()).unwrap()
}

/// A run of 280 cases between many namespaces, nearly all of them passed.
fn large() -> RunRecord {
    let base = fixture::mixed().cases;
    let green: Vec<_> = base.iter().filter(|case| case.judgement.verdict == Verdict::Pass).collect();
    let mut cases = Vec::new();
    for number in 0..280 {
        let mut case = if number % 40 == 13 { base[number % base.len()].clone() } else { green[number % green.len()].clone() };
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
    let mut record = fixture::record_of(cases);
    record.policies = fixture::mixed().policies;
    record
}

#[test]
fn pages_are_written_for_looking_at() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, record) in [("mixed", fixture::mixed()), ("green", fixture::green()), ("large", large())] {
        write(&folder.join(name), &record, &Format::ALL).unwrap();
    }
}
