//! Namespaces that objects name and nobody has written: they are assumed to exist, with the labels that every namespace
//! has. Dropping what is in them would judge a set that nobody applies.

use std::collections::BTreeMap;
use std::sync::Arc;

use airtight_manifest::{Diagnostic, Document, Location, Node, Severity};
use serde_json::json;

use super::api_server::Namespaces;
use super::intake::{Item, accepted};

/// How many namespaces the note names.
const NAMED: usize = 5;

/// The namespaces that `items` name and that are not among `known`, each with the place that names it first.
pub(super) fn missing(items: &[Item], known: &Namespaces) -> Vec<Item> {
    let mut places: BTreeMap<Arc<str>, &Item> = BTreeMap::new();
    for item in items {
        if let Some(name) = item.resource.object().namespace.as_ref().filter(|name| !known.contains_key(*name)) {
            places.entry(Arc::clone(name)).or_insert(item);
        }
    }
    places.into_iter().filter_map(|(name, item)| namespace(&name, item)).collect()
}

fn namespace(name: &str, named_by: &Item) -> Option<Item> {
    let root = &named_by.document.root;
    let at = root.get("metadata").and_then(|metadata| metadata.get("namespace")).map_or(root.at, |node| node.at);
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let document = Document { file: Arc::clone(&named_by.document.file), root: Arc::new(Node::from_json(&object, at)) };
    Some(Item { assumed: true, ..accepted(document)? })
}

/// What the reader is told of them: which are slips of the pen (an API server would refuse what is in them), and a note
/// on the rest.
pub(super) fn findings(assumed: &[Item], items: &[Item], known: &Namespaces) -> Vec<Diagnostic> {
    let (mut findings, mut rest) = (Vec::new(), Vec::new());
    for item in assumed {
        let first =
            items.iter().find(|other| other.resource.object().namespace.as_ref() == Some(&item.resource.object().name));
        let name = &item.resource.object().name;
        match known.keys().find(|written| is_near(written, name)) {
            Some(near) => findings.push(misspelt(item, first, near)),
            None => rest.push(item),
        }
    }
    findings.extend(note(&rest));
    findings
}

fn misspelt(namespace: &Item, within: Option<&Item>, meant: &str) -> Diagnostic {
    let object = within.unwrap_or(namespace).resource.object();
    let name = &namespace.resource.object().name;
    Diagnostic::error("dangling-reference", format!("{object} is in namespace `{name}`, which does not exist"))
        .at(place(namespace))
        .hint(format!("did you mean `{meant}`? Otherwise add the Namespace to the manifests"))
}

fn note(assumed: &[&Item]) -> Option<Diagnostic> {
    let names: Vec<&str> = assumed.iter().take(NAMED).map(|item| &*item.resource.object().name).collect();
    let more = match assumed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!(
        "namespaces that are written nowhere are assumed, without labels of their own: {}{more}",
        names.join(", ")
    );
    let note = Diagnostic::new(Severity::Note, "assumed-namespace", what);
    let hint = "add the Namespaces, if policies tell them apart by labels";
    assumed.first().map(|first| note.at(place(first)).hint(hint))
}

fn place(item: &Item) -> Location {
    item.document.location(item.document.root.at)
}

/// One slip of the pen apart, and not merely by a number or a letter at the end that counts.
fn is_near(written: &str, name: &str) -> bool {
    let (shorter, longer) = if written.len() < name.len() { (written, name) } else { (name, written) };
    let doubled = longer.len() == shorter.len() + 1
        && longer.starts_with(shorter)
        && longer.chars().last() == shorter.chars().last();
    let doubled = doubled && longer.ends_with(char::is_alphabetic);
    doubled || (written.len() > 3 && is_swapped_or_missing(shorter, longer))
}

/// Whether one letter within is missing, or two neighbours are swapped.
fn is_swapped_or_missing(shorter: &str, longer: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (shorter.chars().collect(), longer.chars().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    match b.len() - a.len() {
        0 => same + 1 < a.len() && a[same] == b[same + 1] && a[same + 1] == b[same] && a[same + 2..] == b[same + 2..],
        1 => same < a.len() && a[same..] == b[same + 1..],
        _ => false,
    }
}
