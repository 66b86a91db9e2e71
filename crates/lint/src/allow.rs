//! What somebody allowed, in a comment of the object: `# airtight:allow RULE until=YYYY-MM-DD reason=…`.
//!
//! It holds for findings of that rule about the object in whose document it stands, up to and including that day. One
//! without a day or a reason, with a day that is over, or that nothing needs is a finding itself. An object that is refused
//! cannot be allowed: it is not there.

use std::sync::Arc;

use airtight_manifest::{Diagnostic, Location, Position, Sources, printable};
use jiff::civil::Date;

use crate::catalogue::Catalogue;
use crate::place::{Lines, Places, documents};
use crate::report::{Allowed, Found};

const MARK: &str = "airtight:allow";
const FORM: &str = "write `# airtight:allow RULE until=YYYY-MM-DD reason=why` above the object or within it";

/// A comment that allows something.
#[derive(Debug)]
struct Permit {
    rule: String,
    until: Date,
    reason: String,
    at: Location,
    lines: Lines,
    used: bool,
}

/// Findings without those that are allowed, and what is wrong with what allows them.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) findings: Vec<Found>,
    pub(crate) allowed: Vec<Allowed>,
    pub(crate) faults: Vec<Diagnostic>,
}

/// Sorts findings by what the sources allow today.
pub(crate) fn sorted(found: Vec<Found>, sources: &Sources, places: &Places, today: Date) -> Sorted {
    let mut sorted = Sorted::default();
    let mut permits = permits(sources, today, &mut sorted.faults);
    for found in found {
        let finding = &found.diagnostic;
        let permit = permits.iter_mut().find(|permit| {
            permit.rule == finding.code
                && !finding.is_error()
                && places.spoken_of(finding).any(|place| permit.lines.contain(place))
        });
        match permit {
            None => sorted.findings.push(found),
            Some(permit) => {
                permit.used = true;
                let (reason, until, at) = (permit.reason.clone(), permit.until, permit.at.clone());
                sorted.allowed.push(Allowed { finding: found, reason, until, at });
            }
        }
    }
    sorted.faults.extend(permits.iter().filter(|permit| !permit.used && !is_by_version(permit)).map(unused));
    sorted
}

/// On another stack it may be needed.
fn is_by_version(permit: &Permit) -> bool {
    Catalogue::embedded().rule(&permit.rule).is_some_and(|rule| rule.by_version)
}

fn unused(permit: &Permit) -> Diagnostic {
    let message = format!("nothing here breaks `{}`, which this comment allows", permit.rule);
    Diagnostic::warning("suppression-unused", message).at(permit.at.clone()).hint("remove the comment")
}

/// The comments that hold today; what is wrong with others goes to `faults`.
fn permits(sources: &Sources, today: Date, faults: &mut Vec<Diagnostic>) -> Vec<Permit> {
    let mut permits = Vec::new();
    for (file, text) in sources.iter().filter(|(_, text)| text.contains(MARK)) {
        let file: Arc<str> = Arc::from(file);
        let documents = documents(&file, text);
        for (number, line) in (1_u32..).zip(text.lines()) {
            let Some((column, words)) = comment(line) else { continue };
            let at = Location::new(&file, Position { line: number, column });
            let Some(lines) = documents.iter().find(|lines| lines.contain(&at)) else { continue };
            match permit(words, at.clone(), lines, today) {
                Ok(permit) => permits.push(permit),
                Err(fault) => faults.push(fault.at(at)),
            }
        }
    }
    permits
}

/// The words after the mark, and the column of the comment.
fn comment(line: &str) -> Option<(u32, &str)> {
    let mark = line.find(MARK)?;
    let before = line[..mark].trim_end();
    let hash = before.strip_suffix('#')?;
    if !(hash.is_empty() || hash.ends_with([' ', '\t'])) {
        return None;
    }
    let column = u32::try_from(hash.chars().count() + 1).unwrap_or(u32::MAX);
    Some((column, line[mark + MARK.len()..].trim()))
}

fn permit(words: &str, at: Location, lines: &Lines, today: Date) -> Result<Permit, Diagnostic> {
    let (head, reason) = words.split_once("reason=").unwrap_or((words, ""));
    let reason = printable(reason.trim().trim_matches('"'));
    let mut rest = head.split_whitespace();
    let incomplete = |what: String| Diagnostic::warning("suppression-incomplete", what).hint(FORM);
    let Some(rule) = rest.next().filter(|word| !word.contains('=')) else {
        return Err(incomplete("this comment names no rule, and allows nothing".to_owned()));
    };
    if Catalogue::embedded().rule(rule).is_none() {
        return Err(unknown(&printable(rule)));
    }
    let written = rest.find_map(|word| word.strip_prefix("until="));
    let Some(until) = written.and_then(|day| day.parse::<Date>().ok()) else {
        let what = written.map_or("no day".to_owned(), |day| format!("`{}`, which is no day,", printable(day)));
        return Err(incomplete(format!(
            "this comment says {what} until which `{rule}` is allowed, and allows nothing"
        )));
    };
    if reason.is_empty() {
        return Err(incomplete(format!("this comment gives no reason to allow `{rule}`, and allows nothing")));
    }
    if until < today {
        let message = format!("`{rule}` was allowed here until {until}");
        return Err(Diagnostic::warning("suppression-expired", message)
            .hint("mend what it allowed, or give a later day and a reason that still holds"));
    }
    Ok(Permit { rule: rule.to_owned(), until, reason, at, lines: lines.clone(), used: false })
}

fn unknown(rule: &str) -> Diagnostic {
    let ids = Catalogue::embedded().rules().iter().map(|rule| rule.id.as_str());
    let meant = airtight_manifest::closest(rule, ids);
    let hint = meant.map_or_else(|| FORM.to_owned(), |meant| format!("did you mean `{meant}`?"));
    Diagnostic::warning("suppression-incomplete", format!("there is no rule `{rule}`: this comment allows nothing"))
        .hint(hint)
}
