//! A history for a terminal.

use std::fmt::Write as _;

use airtight_matrix::run::ExitStatus;

use super::document::{Fix, Flake, History, Line, Point};
use crate::terminal::Style;
use crate::text::{clip, count};
use crate::wording::status_word;

/// How many runs, cases and failures a line lists at most; the rest is counted.
const LISTED: usize = 20;
/// The most characters of a title.
const TITLE: usize = 60;

/// The history in lines, each with a line break.
#[must_use]
pub fn render(history: &History, style: Style) -> String {
    let mut out = String::new();
    for line in &history.lines {
        push_line(&mut out, line, style);
    }
    out
}

// Writing to a String cannot fail, so that results of `writeln!` are dropped.
fn push_line(out: &mut String, line: &Line, style: Style) {
    let runs = count(line.runs.len(), "run", "runs");
    let _ = writeln!(out, "{}", style.bold(&format!("{} testbed, stack {}: {runs}", line.testbed, line.stack)));
    let left_out = line.runs.len().saturating_sub(LISTED);
    if left_out > 0 {
        let _ = writeln!(out, "  … {} before", count(left_out, "run", "runs"));
    }
    for point in &line.runs[left_out..] {
        push_point(out, point);
    }
    push_flaky(out, &line.flaky, style);
    push_fixes(out, ("open failures", "for"), &line.open, style);
    push_fixes(out, ("mended failures", "after"), &line.fixed, style);
    if let Some(middle) = median(&line.fixed) {
        let _ = writeln!(out, "  time to fix: half of them within {}", span(middle));
    }
    out.push('\n');
}

fn push_point(out: &mut String, point: &Point) {
    let summary = &point.summary;
    let mark = match summary.status {
        ExitStatus::Passed => "✓",
        ExitStatus::Inconclusive => "?",
        ExitStatus::Failed | ExitStatus::InputError | ExitStatus::NothingSelected | ExitStatus::NoTestbed => "✗",
    };
    let _ = write!(
        out,
        "  {mark} {}  {:>4} passed {:>3} failed {:>3} inconclusive {:>3} waived {:>3} skipped  {}",
        point.started,
        summary.passed,
        summary.failed,
        summary.inconclusive,
        summary.waived,
        summary.skipped,
        status_word(summary.status),
    );
    if !point.changed.is_empty() {
        let _ = write!(out, "  now {}", point.changed.join(", "));
    }
    out.push('\n');
}

fn push_flaky(out: &mut String, flaky: &[Flake], style: Style) {
    if flaky.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {} ({})", style.bold("flaky"), flaky.len());
    for Flake { case, title, retried, turned, runs } in flaky.iter().take(LISTED) {
        let title = clip(title, TITLE);
        let _ = writeln!(
            out,
            "    {case} {title}: turned {turned} times with nothing changed, passed on retry {retried} times, in {runs} runs"
        );
    }
    push_rest(out, flaky.len());
}

fn push_fixes(out: &mut String, (heading, word): (&str, &str), fixes: &[Fix], style: Style) {
    if fixes.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {} ({})", style.bold(heading), fixes.len());
    for fix in fixes.iter().take(LISTED) {
        let waived = if fix.waived { ", waived" } else { "" };
        let runs = count(fix.runs, "run", "runs");
        let _ = writeln!(
            out,
            "    {} {}: {word} {} ({runs}, since {}{waived})",
            fix.case,
            clip(&fix.title, TITLE),
            span(fix.seconds),
            fix.since
        );
    }
    push_rest(out, fixes.len());
}

fn push_rest(out: &mut String, all: usize) {
    if all > LISTED {
        let _ = writeln!(out, "    … and {} more", all - LISTED);
    }
}

/// The middle of how long mended failures lasted.
pub(super) fn median(fixes: &[Fix]) -> Option<i64> {
    let mut seconds: Vec<i64> = fixes.iter().map(|fix| fix.seconds).collect();
    seconds.sort_unstable();
    seconds.get(seconds.len().checked_sub(1)? / 2).copied()
}

/// How long something lasted, such as `3 d 4 h`, `2 h 5 min` or `40 s`.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}
