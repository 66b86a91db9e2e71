//! The comparison for a terminal.

use std::fmt::Write as _;

use super::document::{Change, Flows, Group, Moves};
use super::words;
use crate::text::one_line;

/// How many names a list has before the rest is counted.
const NAMED: usize = 6;
/// How many lines of flows a group has.
const LINES: usize = 8;
/// How many groups of flows that are decided otherwise are told.
const OTHERWISE: usize = 10;

/// The comparison as lines for a terminal: what moved first, what stands around it last.
#[must_use]
pub fn render(moves: &Moves) -> String {
    let mut text = format!("{}\n", words::headline(moves));
    let _ = writeln!(text, "  before  {}", one_line(&words::set(&moves.before)));
    let _ = writeln!(text, "  after   {}", one_line(&words::set(&moves.after)));
    let mut untold = 0;
    for (index, group) in moves.groups.iter().enumerate() {
        let first = moves.groups.iter().position(|other| other.change == group.change).unwrap_or_default();
        if group.change == Change::Otherwise && index - first >= OTHERWISE {
            untold += group.cells;
            continue;
        }
        text.push_str(&entry(group));
    }
    if untold > 0 {
        let _ = writeln!(text, "\n~ {untold} more {}", words::heading(Change::Otherwise));
    }
    let around = words::around(moves, NAMED);
    if !around.is_empty() {
        text.push('\n');
    }
    for (title, words) in around {
        let _ = writeln!(text, "{title}: {}", one_line(&words));
    }
    text
}

fn entry(group: &Group) -> String {
    let mark = match group.change {
        Change::Opened => '+',
        Change::Closed => '-',
        Change::Unclear => '?',
        Change::Otherwise => '~',
    };
    let mut text = format!("\n{mark} {} ({})\n", words::heading(group.change), group.cells);
    for (title, end) in [("was", &group.before), ("now", &group.after)] {
        let line = format!("{}: {}", words::end(end), words::rules(&end.rules, NAMED));
        let _ = writeln!(text, "    {title} {}", one_line(&line));
    }
    if !group.requests.is_empty() {
        let _ = writeln!(text, "    requests: {}", one_line(&words::some(&group.requests, NAMED)));
    }
    for flows in group.flows.iter().take(LINES) {
        let _ = writeln!(text, "      {}", one_line(&line(flows)));
    }
    if group.flows.len() > LINES {
        let _ = writeln!(text, "      and {} more", group.flows.len() - LINES);
    }
    text
}

fn line(flows: &Flows) -> String {
    format!("{} → {}", words::some(&flows.from, NAMED), words::some(&flows.to, NAMED))
}
