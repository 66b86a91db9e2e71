//! Coverage for a terminal: the shares, what opens flows unnoticed, what nobody asserts, what is too much.

use std::fmt::Write as _;

use airtight_matrix::run::coverage::{Counts, CoverageRecord, MutantRecord};

use super::Extent;
use super::words::{aside, effect, headline, removal, risks, share};
use crate::text::{clip, count, one_line};

/// The measurement as lines for a terminal, the worst first.
#[must_use]
pub fn render(record: &CoverageRecord, extent: Extent) -> String {
    let mut text = String::new();
    wrapped(&mut text, "", &headline(record), extent);
    wrapped(&mut text, "  ", &aside(record), extent);
    objects(&mut text, record, extent);
    survivors(&mut text, record, extent);
    unasserted(&mut text, record, extent);
    excess(&mut text, record, extent);
    if !record.undecided.is_empty() {
        let all = record.undecided.join(", ");
        let _ = writeln!(text, "\ncases that no policy decides ({})", record.undecided.len());
        wrapped(&mut text, "  ", &all, extent);
    }
    shares(&mut text, record, extent);
    text
}

fn objects(text: &mut String, record: &CoverageRecord, extent: Extent) {
    // Who asks for everything gets each object; else those that are not wholly noticed.
    let everything = extent.lines == usize::MAX;
    let policies = record.objects.iter().filter(|object| object.removal.is_some() || object.layer == "none");
    let shown: Vec<_> = record
        .objects
        .iter()
        .filter(|object| everything || object.rules.survived > 0 || object.layer == "none" || is_missed(object))
        .collect();
    let _ = writeln!(text, "\nobjects ({} policies; shown: {})", policies.count(), shown.len());
    let _ = writeln!(text, "  {:>6} {:>6} {:>6}  object", "killed", "surv.", "equiv.");
    for object in shown.iter().take(extent.lines) {
        let Counts { killed, named, survived, equivalent, .. } = object.rules;
        let name = format!("{}  {}", object.object, removal(object));
        let line = format!("  {:>6} {survived:>6} {equivalent:>6}  {}", killed + named, one_line(&name));
        let _ = writeln!(text, "{}", clip(&line, extent.width));
    }
    rest(text, shown.len(), extent);
}

fn is_missed(object: &airtight_matrix::run::coverage::ObjectCoverage) -> bool {
    use airtight_matrix::run::coverage::Fate;
    matches!(object.removal, Some(Fate::Survived { .. } | Fate::Equivalent))
}

fn survivors(text: &mut String, record: &CoverageRecord, extent: Extent) {
    if record.survivors.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nno case notices ({}; what opens most comes first)", record.survivors.len());
    for mutant in record.survivors.iter().take(extent.lines) {
        entry(text, "✗", mutant, extent);
        wrapped(text, "      ", &effect(mutant), extent);
    }
    rest(text, record.survivors.len(), extent);
}

fn excess(text: &mut String, record: &CoverageRecord, extent: Extent) {
    if record.excess.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nexcess: without it no flow changes ({})", record.excess.len());
    record.excess.iter().take(extent.lines).for_each(|mutant| entry(text, "~", mutant, extent));
    rest(text, record.excess.len(), extent);
}

fn entry(text: &mut String, mark: &str, mutant: &MutantRecord, extent: Extent) {
    let _ = writeln!(text, "  {mark} {}", mutant.at);
    wrapped(text, "      ", &format!("{}: {}", mutant.object, one_line(&mutant.what)), extent);
}

fn unasserted(text: &mut String, record: &CoverageRecord, extent: Extent) {
    if record.unasserted.is_empty() {
        return;
    }
    let _ =
        writeln!(text, "\nallowed, and no case asserts it ({}; --draft FILE writes cases)", record.unasserted.len());
    for flow in record.unasserted.iter().take(extent.lines) {
        let how = if flow.by_request { " by request" } else { "" };
        wrapped(text, "  ", &one_line(&format!("{} → {}{how}", flow.from, flow.to)), extent);
        wrapped(text, "      ", &risks(flow), extent);
    }
    rest(text, record.unasserted.len(), extent);
}

fn shares(text: &mut String, record: &CoverageRecord, extent: Extent) {
    text.push_str("\nby layer\n");
    for (layer, counts) in &record.shares.layers {
        let _ = writeln!(text, "  {layer:<10} {}", share(counts));
    }
    for (title, map) in [("controls", &record.shares.controls), ("claims", &record.shares.claims)] {
        if map.is_empty() {
            continue;
        }
        let idle: Vec<&str> = map.iter().filter(|(_, share)| share.kills == 0).map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(text, "\n{}, each with a case that notices a mutant: {}", title, map.len() - idle.len());
        if !idle.is_empty() {
            let all =
                format!("{} of which no case notices any: {}", count(idle.len(), "one", "others"), idle.join(", "));
            wrapped(text, "  ", &all, extent);
        }
    }
}

fn rest(text: &mut String, number: usize, extent: Extent) {
    if number > extent.lines {
        let _ = writeln!(text, "  … {} more (--all shows them)", number - extent.lines);
    }
}

/// Words on lines of the extent's width, each after `indent`.
fn wrapped(text: &mut String, indent: &str, words: &str, extent: Extent) {
    let mut line = String::from(indent);
    for word in words.split_whitespace() {
        let is_begun = line.len() > indent.len();
        if is_begun && line.chars().count() + 1 + word.chars().count() > extent.width {
            let _ = writeln!(text, "{line}");
            line = String::from(indent);
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
