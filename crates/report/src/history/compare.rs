//! Runs → their history.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use airtight_matrix::run::RunRecord;
use jiff::Timestamp;

use super::document::{Fix, Flake, HISTORY_SCHEMA, History, Line, Point};
use crate::error::ReportError;
use crate::moment::Moments;
use crate::standing::Standing;
use crate::text::one_line;

/// The history of runs in any order; a run that is given twice counts once.
///
/// # Errors
/// [`ReportError::Render`] if the start of one is no time.
pub fn history(records: &[RunRecord]) -> Result<History, ReportError> {
    let mut lines: BTreeMap<(&str, &str), Vec<(Timestamp, &RunRecord)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for record in records.iter().filter(|record| seen.insert(&record.id)) {
        let moment = Moments::of(record, "a history")?.start;
        lines.entry((&record.testbed, &record.stack.name)).or_default().push((moment, record));
    }
    let lines = lines.into_values().map(|mut runs| {
        runs.sort_by(|(one, a), (other, b)| one.cmp(other).then_with(|| a.id.cmp(&b.id)));
        line(&runs)
    });
    Ok(History { schema: HISTORY_SCHEMA, lines: lines.collect() })
}

type Run<'r> = (Timestamp, &'r RunRecord);

fn line(runs: &[Run<'_>]) -> Line {
    let points: Vec<Point> = runs
        .iter()
        .enumerate()
        .map(|(index, (_, run))| point(run, index.checked_sub(1).map(|before| runs[before].1)))
        .collect();
    let stories = stories(runs);
    let mut flaky: Vec<Flake> = stories.values().filter_map(|story| flake(story, &points)).collect();
    flaky.sort_by_key(|flake| Reverse(flake.turned + flake.retried));
    let (mut open, mut fixed): (Vec<Fix>, Vec<Fix>) = (Vec::new(), Vec::new());
    for spell in stories.values().flat_map(|story| spells(story, runs)) {
        let side = if spell.mended { &mut fixed } else { &mut open };
        side.push(spell.fix);
    }
    for fixes in [&mut open, &mut fixed] {
        fixes.sort_by_key(|fix| Reverse(fix.seconds));
    }
    let (testbed, stack) =
        runs.first().map(|(_, run)| (one_line(&run.testbed), one_line(&run.stack.name))).unwrap_or_default();
    Line { testbed, stack, runs: points, flaky, fixed, open }
}

fn point(run: &RunRecord, before: Option<&RunRecord>) -> Point {
    let version = |of: &RunRecord, name: &str| {
        of.stack.versions.iter().find(|(own, _)| own == name).map(|(_, version)| version.clone())
    };
    let changed = run
        .stack
        .versions
        .iter()
        .filter(|(name, own)| before.is_some_and(|before| version(before, name).as_ref() != Some(own)));
    Point {
        run: one_line(&run.id),
        started: one_line(&run.started),
        changed: changed.map(|(name, version)| one_line(&format!("{name} {version}"))).collect(),
        same_inputs: before.is_some_and(|before| before.inputs == run.inputs),
        summary: run.summary,
    }
}

/// What came of one case, run by run.
struct Story<'r> {
    case: &'r str,
    title: &'r str,
    /// By the index of the run: how it stood, and whether it passed only after a retry.
    stood: Vec<(usize, Standing, bool)>,
}

fn stories<'r>(runs: &[Run<'r>]) -> BTreeMap<&'r str, Story<'r>> {
    let mut stories: BTreeMap<&str, Story<'_>> = BTreeMap::new();
    for (index, (_, run)) in runs.iter().enumerate() {
        for record in &run.cases {
            let case = record.case.id.as_str();
            let story = stories.entry(case).or_insert_with(|| Story { case, title: "", stood: Vec::new() });
            story.title = &record.case.title;
            story.stood.push((index, Standing::of(record), record.judgement.flaky));
        }
    }
    stories
}

/// Whether a case broke, held, or says neither.
fn holds(standing: Standing) -> Option<bool> {
    match standing {
        Standing::Failed | Standing::Waived => Some(false),
        Standing::Denied | Standing::Allowed => Some(true),
        Standing::Inconclusive | Standing::Skipped => None,
    }
}

/// A verdict that changes while nothing else did is none to rely on; that of changed inputs is.
fn flake(story: &Story<'_>, points: &[Point]) -> Option<Flake> {
    let retried = story.stood.iter().filter(|(_, _, flaky)| *flaky).count();
    let turned = story
        .stood
        .windows(2)
        .filter(|pair| {
            let [(before, one, _), (index, other, _)] = pair else { return false };
            let point = &points[*index];
            let same = *index == before + 1 && point.same_inputs && point.changed.is_empty();
            same && one.verdict() != other.verdict() && ![*one, *other].contains(&Standing::Skipped)
        })
        .count();
    (retried + turned > 0).then(|| Flake {
        case: one_line(story.case),
        title: one_line(story.title),
        retried,
        turned,
        runs: story.stood.len(),
    })
}

struct Spell {
    mended: bool,
    fix: Fix,
}

/// The failures of a case, each from the first run that saw it to the first that saw it mended. What came to nothing in
/// between ends none.
fn spells(story: &Story<'_>, runs: &[Run<'_>]) -> Vec<Spell> {
    let mut spells = Vec::new();
    let mut open: Option<(usize, usize, bool)> = None;
    let mut last = 0;
    for (index, standing, _) in &story.stood {
        last = *index;
        match (holds(*standing), &mut open) {
            (Some(false), Some((_, failed, waived))) => {
                *failed += 1;
                *waived = *standing == Standing::Waived;
            }
            (Some(false), None) => open = Some((*index, 1, *standing == Standing::Waived)),
            (Some(true), Some((since, failed, waived))) => {
                spells.push(spell(story, runs, (*since, *index), (*failed, *waived), true));
                open = None;
            }
            (Some(true), None) | (None, _) => {}
        }
    }
    spells.extend(open.map(|(since, failed, waived)| spell(story, runs, (since, last), (failed, waived), false)));
    spells
}

fn spell(
    story: &Story<'_>,
    runs: &[Run<'_>],
    (since, until): (usize, usize),
    (failed, waived): (usize, bool),
    mended: bool,
) -> Spell {
    let ((from, first), (to, end)) = (runs[since], runs[until]);
    let fix = Fix {
        case: one_line(story.case),
        title: one_line(story.title),
        since: one_line(&first.started),
        until: one_line(&end.started),
        seconds: to.as_second() - from.as_second(),
        runs: failed,
        waived,
    };
    Spell { mended, fix }
}
