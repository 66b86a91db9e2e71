//! The comparison for a terminal.

use std::fmt::Write as _;

use super::around::{Around, VersionChange};
use super::case::{Regression, RegressionKind};
use super::{Diff, Named};
use crate::text::{count, one_line};

/// The comparison as lines for a terminal: what got worse first, the reasons last.
#[must_use]
pub fn render(diff: &Diff) -> String {
    let mut text = format!("{}\n", headline(diff));
    push(&mut text, "baseline", &name(&diff.baseline));
    push(&mut text, "now", &name(&diff.current));
    for sentence in &diff.run {
        push(&mut text, "worse", &one_line(sentence));
    }
    for regression in &diff.regressions {
        text.push_str(&entry(regression));
    }
    for shift in &diff.shifts {
        let what = one_line(&shift.what.join("; "));
        let _ = writeln!(text, "\n  ~ {} {}\n      {what}", shift.case, one_line(&shift.title));
    }
    for object in &diff.unnoticed {
        let _ = writeln!(text, "\n  ~ {}\n      no case notices its removal any more", one_line(object));
    }
    text.push('\n');
    for (title, cases) in
        [("repaired", &diff.repaired), ("not passing as before", &diff.standing), ("new", &diff.added)]
    {
        if !cases.is_empty() {
            push(&mut text, title, &cases.join(", "));
        }
    }
    for (title, words) in around(&diff.around) {
        push(&mut text, title, &words);
    }
    text
}

fn push(text: &mut String, title: &str, words: &str) {
    let _ = writeln!(text, "  {title}: {words}");
}

fn entry(regression: &Regression) -> String {
    let Regression { case, title, kind, before, now, why, suspects, .. } = regression;
    let mut text = format!("\n  ✗ {case} {}: {}\n", kind_words(*kind), one_line(title));
    for (title, words) in [("was", before), ("now", now)] {
        if let Some(words) = words {
            let _ = writeln!(text, "      {title}: {words}");
        }
    }
    let _ = writeln!(text, "      why: {}", one_line(why));
    for suspect in suspects {
        let _ = writeln!(text, "      changed on its way: {}", one_line(suspect));
    }
    text
}

pub(super) fn kind_words(kind: RegressionKind) -> &'static str {
    match kind {
        RegressionKind::Fails => "fails",
        RegressionKind::Inconclusive => "is inconclusive",
        RegressionKind::Skipped => "is skipped",
        RegressionKind::Removed => "is gone",
        RegressionKind::New => "is new and does not pass",
    }
}

pub(super) fn headline(diff: &Diff) -> String {
    let cases = count(diff.compared, "case", "cases");
    match diff.regressions.len() + diff.run.len() {
        _ if diff.compared == 0 => "The runs have no case in common".to_owned(),
        0 => format!("No regression in {cases}"),
        number => format!("{} against {cases}", count(number, "regression", "regressions")),
    }
}

pub(super) fn name(run: &Named) -> String {
    format!("{} of {}, stack {} on {}", run.id, run.started, run.stack, run.testbed)
}

/// What differs around the cases, a title and words each.
pub(super) fn around(around: &Around) -> Vec<(&'static str, String)> {
    let testbed = around.other_testbed.then(|| {
        ("testbed", "the baseline is of another one: outcomes may differ without anything being wrong".to_owned())
    });
    let versions: Vec<String> = around.versions.iter().map(version).collect();
    let lists = [
        ("versions", versions),
        ("policies changed", around.policies_changed.clone()),
        ("policies new", around.policies_added.clone()),
        ("policies gone", around.policies_removed.clone()),
        ("cases changed", around.cases_changed.clone()),
    ];
    let lists = lists.into_iter().filter(|(_, words)| !words.is_empty());
    testbed.into_iter().chain(lists.map(|(title, words)| (title, one_line(&words.join(", "))))).collect()
}

fn version(change: &VersionChange) -> String {
    let VersionChange { component, before, now } = change;
    match (before, now) {
        (Some(before), Some(now)) => format!("{component} {before} → {now}"),
        (None, Some(now)) => format!("{component} {now} (new)"),
        (Some(before), None) => format!("{component} {before} (gone)"),
        (None, None) => component.clone(),
    }
}
