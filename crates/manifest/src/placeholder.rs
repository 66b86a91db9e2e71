//! `${VARIABLE}`: what Flux fills in after Kustomize, and nobody has filled in here.

use std::collections::BTreeSet;

use super::diagnostic::Diagnostic;
use super::node::{Node, NodeValue};
use super::source::Position;
use super::yaml::Document;

/// How many variables the finding names.
const NAMED: usize = 3;

/// One finding for all variables that nobody filled in where they bear on objects; none if there are none.
pub(super) fn finding(documents: &[Document]) -> Option<Diagnostic> {
    let mut first = None;
    let mut names = BTreeSet::new();
    for document in documents.iter().filter(|document| !holds_scripts(&document.root)) {
        for (name, at) in variables(&document.root) {
            first.get_or_insert_with(|| document.location(at));
            names.insert(name);
        }
    }
    let listed = names.iter().take(NAMED).map(|name| format!("${{{name}}}")).collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(Diagnostic::warning("unfilled-variable", format!("nobody has filled in {listed}{more}")).at(first?).hint(
        "Flux substitutes them (`postBuild`): `flux build kustomization … | airtight matrix -m -`, or use envsubst",
    ))
}

/// A ConfigMap's or Secret's data are their readers' own.
fn holds_scripts(root: &Node) -> bool {
    root.get("kind").and_then(Node::as_str).is_some_and(|kind| matches!(kind, "ConfigMap" | "Secret"))
}

/// Fields whose texts are a container's or another program's own.
const SCRIPTED: &[&str] = &["command", "args", "env", "annotations", "data"];

/// Variables that stand where Flux would fill them in and a shell would not: in names, labels, selectors, addresses, …
/// (commands, arguments and variables of containers are the containers' own).
fn variables(node: &Node) -> Vec<(&str, Position)> {
    match &node.value {
        NodeValue::String(text) => named(text).map(|name| (name, node.at)).into_iter().collect(),
        NodeValue::List(items) => items.iter().flat_map(variables).collect(),
        NodeValue::Map(entries) => entries
            .iter()
            .filter(|(key, _)| !SCRIPTED.contains(&key.name.as_str()))
            .flat_map(|(_, value)| variables(value))
            .collect(),
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) => Vec::new(),
    }
}

/// The first variable of a text.
fn named(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("${")?;
    let (name, _) = rest.split_once('}')?;
    let name = name.split([':', '-', '=']).next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(fits)).then_some(name)
}
