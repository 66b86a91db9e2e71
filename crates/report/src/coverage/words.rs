//! What both forms say alike.

use airtight_matrix::run::coverage::{Counts, CoverageRecord, Fate, MutantRecord, ObjectCoverage, OpenFlow, Risk};

use crate::text::{count, one_line};

/// The share of what could be noticed.
pub(super) fn share(counts: &Counts) -> String {
    let noticed = counts.killed + counts.named;
    format!("{noticed} of {} ({:.1} %)", noticed + counts.survived, counts.percent())
}

/// The first sentence: what was tried, and how much of it was noticed.
pub(super) fn headline(record: &CoverageRecord) -> String {
    let sample = if record.every > 1 { format!(" (a sample: one mutant in {})", record.every) } else { String::new() };
    let CoverageRecord { passing, cases, objects_removed, rules, .. } = record;
    format!(
        "{passing} of {} pass and notice {} removed objects and {} mutants of rules{sample}",
        count(*cases, "case", "cases"),
        share(objects_removed),
        share(rules),
    )
}

/// What is left out of the shares.
pub(super) fn aside(record: &CoverageRecord) -> String {
    let Counts { equivalent, stillborn, named, .. } = record.rules;
    format!(
        "not counted: {equivalent} that change no flow, {stillborn} that the API server refuses; of those noticed, {named} \
         by an error of the run alone"
    )
}

/// What a survivor does.
pub(super) fn effect(mutant: &MutantRecord) -> String {
    let Fate::Survived { opens, closes, examples, unproved } = &mutant.fate else { return String::new() };
    if let Some(why) = unproved {
        return format!("changes nothing that the full reachability sees, which proves nothing: {why}");
    }
    let numbers = match (opens, closes) {
        (opens, 0) => format!("opens {}", count(*opens, "flow", "flows")),
        (0, closes) => format!("closes {}", count(*closes, "flow", "flows")),
        (opens, closes) => format!("opens {} and closes {closes}", count(*opens, "flow", "flows")),
    };
    let more = (opens + closes).saturating_sub(examples.len());
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{numbers}: {}{rest}", one_line(&examples.join(", ")))
}

/// What became of an object's removal.
pub(super) fn removal(object: &ObjectCoverage) -> String {
    match &object.removal {
        Some(Fate::Killed { by }) => format!("noticed by {}", some(by)),
        Some(Fate::Named { .. }) => "named by an error".to_owned(),
        Some(Fate::Survived { .. }) => "NOTICED BY NO CASE".to_owned(),
        Some(Fate::Equivalent) => "excess: no flow changes".to_owned(),
        Some(Fate::Stillborn { .. }) => "cannot be removed".to_owned(),
        None if object.layer == "none" => "no flow depends on it".to_owned(),
        None => "no policy".to_owned(),
    }
}

/// The first of some ids, and how many more there are.
pub(super) fn some(ids: &[String]) -> String {
    match ids {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [one, rest @ ..] => format!("{one} +{}", rest.len()),
    }
}

/// Why an open flow is worth a case.
pub(super) fn risks(flow: &OpenFlow) -> String {
    let words = flow.risks.iter().map(|risk| match risk {
        Risk::FromOutside => "from outside",
        Risk::ReachesData => "reaches data",
        Risk::ReachesOutside => "leaves the cluster",
        Risk::CrossesTier => "crosses a tier",
        Risk::CrossesNamespace => "crosses a namespace",
        Risk::Unauthenticated => "unauthenticated",
    });
    let words: Vec<&str> = words.collect();
    if words.is_empty() { "within a namespace".to_owned() } else { words.join(", ") }
}
