//! What the forms of a comparison say alike.

use std::collections::BTreeSet;

use airtight_manifest::RuleRef;
use airtight_model::path::reach::{Place, Reachability};

use super::document::{Change, Counts, End, Moves, Set};
use crate::text::count;

pub(super) use crate::reach::{layer, word as verdict};

const SAME: &str = " (same node)";
const OTHER: &str = " (other node)";

/// What a reader calls a destination; a pod's own address as on the command line.
pub(super) fn target(reach: &Reachability<'_, '_>, index: usize) -> String {
    let name = reach.target_name(index);
    match reach.targets()[index].place {
        Place::Class(_) => format!("pod/{name}"),
        Place::Service(_) | Place::Host(_) | Place::Gateway(_) => name,
    }
}

/// Names of ends, those once that are meant on the same node as on others.
pub(super) fn wherever(names: &BTreeSet<&str>) -> Vec<String> {
    let other_end = |name: &str, this: &str, that: &str| {
        let bare = name.strip_suffix(this)?;
        names.contains(&*format!("{bare}{that}")).then(|| bare.to_owned())
    };
    let bare = |name: &&str| {
        let both = other_end(name, SAME, OTHER).or_else(|| other_end(name, OTHER, SAME));
        both.unwrap_or_else(|| (*name).to_owned())
    };
    let bare: BTreeSet<String> = names.iter().map(bare).collect();
    bare.into_iter().collect()
}

/// How flows end on one side.
pub(super) fn end(end: &End) -> String {
    match end.layer {
        Some(layer) => format!("{} by {layer}", end.verdict),
        None => end.verdict.clone(),
    }
}

/// Some of a list, and how many more there are.
pub(super) fn some<T: AsRef<str>>(words: &[T], shown: usize) -> String {
    let named: Vec<&str> = words.iter().take(shown).map(AsRef::as_ref).collect();
    match words.len().saturating_sub(shown) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Some of the rules of one side; that none decides is told too.
pub(super) fn rules(rules: &[RuleRef], shown: usize) -> String {
    let words: Vec<String> = rules.iter().map(ToString::to_string).collect();
    if words.is_empty() { "no rule".to_owned() } else { some(&words, shown) }
}

/// A change as a heading.
pub(super) fn heading(change: Change) -> &'static str {
    match change {
        Change::Opened => "newly allowed",
        Change::Closed => "newly denied",
        Change::Unclear => "not known whether it changed",
        Change::Otherwise => "decided otherwise",
    }
}

/// The whole in one line.
pub(super) fn headline(moves: &Moves) -> String {
    let Counts { opened, closed, unclear, otherwise } = moves.changed;
    let all = count(moves.compared, "flow", "flows");
    if moves.compared == 0 {
        return "The two have no flow in common".to_owned();
    }
    let parts = [(opened, Change::Opened), (closed, Change::Closed), (unclear, Change::Unclear)];
    let parts = parts.into_iter().chain([(otherwise, Change::Otherwise)]).filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, change)| format!("{number} {}", heading(change))).collect();
    if parts.is_empty() && !moves.ranges.is_empty() {
        return format!("Nothing that is known moves: {all} as before, and ranges of senders are others");
    }
    if parts.is_empty() { format!("Nothing moves: {all} as before") } else { format!("{}, of {all}", parts.join(", ")) }
}

/// A set in one line.
pub(super) fn set(set: &Set) -> String {
    format!(
        "{}: {}, {}, {}, stack {}",
        set.name,
        count(set.policies, "policy", "policies"),
        count(set.pods, "pod", "pods"),
        count(set.services, "Service", "Services"),
        set.stack
    )
}

/// What stands around the flows: a title and words each.
pub(super) fn around(moves: &Moves, shown: usize) -> Vec<(&'static str, String)> {
    let places = |rules: &[RuleRef]| rules.iter().map(ToString::to_string).collect::<Vec<String>>();
    let lists = [
        ("workloads that only the first has", moves.only_before.workloads.clone()),
        ("workloads that only the second has", moves.only_after.workloads.clone()),
        ("destinations that only the first has", moves.only_before.destinations.clone()),
        ("destinations that only the second has", moves.only_after.destinations.clone()),
        ("senders' ranges that only one has, of which one address outside is tried", moves.ranges.clone()),
        ("policies new", places(&moves.policies.added)),
        ("policies gone", places(&moves.policies.removed)),
        ("policies changed", places(&moves.policies.changed)),
        ("other objects new", places(&moves.others.added)),
        ("other objects gone", places(&moves.others.removed)),
        ("other objects changed", places(&moves.others.changed)),
    ];
    let told = lists.into_iter().filter(|(_, words)| !words.is_empty());
    told.map(|(title, words)| (title, some(&words, shown))).collect()
}
