//! The comparison as GitHub Markdown, for a comment on a pull request.

use super::document::{Change, End, Group, Moves};
use super::words;
use crate::markdown::document::{Document, code, escape};

/// The most bytes of a comment (GitHub refuses a body over 65,536 characters).
const LIMIT: usize = 60_000;
/// How many names a list has before the rest is counted.
const NAMED: usize = 5;
/// How many groups of one kind are told.
const GROUPS: usize = 20;

/// The comparison as GitHub Markdown, short enough for a comment.
#[must_use]
pub fn render(moves: &Moves) -> String {
    let mut document = Document::new(LIMIT);
    let mark = match moves.changed {
        _ if moves.compared == 0 => "❌",
        changed if changed.opened + changed.closed > 0 => "⚠️",
        changed if changed.unclear > 0 => "❔",
        _ => "✅",
    };
    document.always(&format!("## {mark} {}\n\n", words::headline(moves)));
    document.always(&format!("{} → {}\n\n", code(&words::set(&moves.before)), code(&words::set(&moves.after))));
    for change in [Change::Opened, Change::Closed, Change::Unclear] {
        document.table(&title(change), HEADER, rows(moves, change));
    }
    document.folded(&title(Change::Otherwise), HEADER, rows(moves, Change::Otherwise));
    let around = words::around(moves, NAMED).into_iter();
    document.folded("Around it", &["What", "Which"], around.map(|(title, words)| vec![title.into(), escape(&words)]));
    document.finish()
}

const HEADER: &[&str] = &["From", "To", "Was", "Now"];

fn title(change: Change) -> String {
    let words = words::heading(change);
    words.chars().take(1).flat_map(char::to_uppercase).chain(words.chars().skip(1)).collect()
}

fn rows(moves: &Moves, change: Change) -> impl Iterator<Item = Vec<String>> {
    let groups = moves.groups.iter().filter(move |group| group.change == change);
    let rest: usize = groups.clone().skip(GROUPS).map(|group| group.cells).sum();
    let rest = (rest > 0).then(|| vec![format!("{rest} more"), String::new(), String::new(), String::new()]);
    groups.take(GROUPS).map(row).chain(rest)
}

fn row(group: &Group) -> Vec<String> {
    let mut ends = [Vec::new(), Vec::new()];
    for flows in group.flows.iter().take(NAMED) {
        ends[0].push(code(&words::some(&flows.from, NAMED)));
        ends[1].push(code(&words::some(&flows.to, NAMED)));
    }
    if group.flows.len() > NAMED {
        ends[0].push(format!("and {} more", group.flows.len() - NAMED));
    }
    if !group.requests.is_empty() {
        ends[1].push(escape(&words::some(&group.requests, NAMED)));
    }
    let [from, to] = ends.map(|lines| lines.join("<br>"));
    vec![from, to, end(&group.before), end(&group.after)]
}

fn end(end: &End) -> String {
    format!("{}<br>{}", escape(&words::end(end)), code(&words::rules(&end.rules, 2)))
}
