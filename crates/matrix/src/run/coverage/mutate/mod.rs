//! Mutants of a document: every item that a reader would call a rule, a peer, a port, a path, a method or a condition
//! is dropped in turn; every value that could take more is made to; every action and mode is turned round.
//!
//! Which of them the API server would refuse is not known here: those are told apart when they are tried.

mod bindings;
mod fields;
mod values;

use std::collections::BTreeSet;

use airtight_manifest::{Document, Node, NodeValue, Position, Resource};

use super::edit::{Edit, Path, Step, written};
use super::mutant::{Mutant, Operator};
use super::subject::{Standing, Subject, place};

/// A mutant in the making: what is done at which path.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) operator: Operator,
    pub(super) path: Path,
    pub(super) edit: Edit,
    pub(super) at: Position,
    pub(super) what: String,
}

/// Every mutant of a subject, its removal first.
pub(super) fn mutants(subject: &Subject<'_>, selected: &BTreeSet<String>) -> Vec<Mutant> {
    let removal = subject.is_policy().then(|| Mutant {
        document: subject.index,
        object: subject.object().clone(),
        operator: Operator::RemoveObject,
        path: Path::new(),
        edit: None,
        at: place(subject),
        what: "the whole object removed".to_owned(),
    });
    let mut seen = BTreeSet::new();
    let mutations = mutations(subject, selected).into_iter().map(|mutation| Mutant {
        document: subject.index,
        object: subject.object().clone(),
        operator: mutation.operator,
        path: mutation.path,
        edit: Some(mutation.edit),
        at: subject.document.location(mutation.at),
        what: mutation.what,
    });
    removal.into_iter().chain(mutations).filter(|mutant| seen.insert(mutant.id())).collect()
}

fn mutations(subject: &Subject<'_>, selected: &BTreeSet<String>) -> Vec<Mutation> {
    let document: &Document = subject.document;
    let mut found = bindings::labels(document, selected);
    match (subject.standing, &subject.resource) {
        (Standing::Policy(_), _) => {
            for root in ["spec", "specs"] {
                if let Some((_, node)) = document.root.entry(root) {
                    let kind = document.root.get("kind").and_then(Node::as_str).unwrap_or_default();
                    visit(fields::Kind::of(kind), &mut vec![Step::Key(root.to_owned())], node, &mut found);
                }
            }
        }
        (Standing::Binding, Resource::Service(_)) => found.extend(bindings::service(document)),
        (Standing::Binding | Standing::WithoutBearing, _) => {}
    }
    found
}

/// Every mutation at or below a value.
fn visit(kind: fields::Kind, path: &mut Path, node: &Node, found: &mut Vec<Mutation>) {
    match &node.value {
        NodeValue::Map(entries) => {
            for (key, value) in entries {
                path.push(Step::Key(key.name.clone()));
                fields::of_field(kind, path, key, value, found);
                if !fields::is_opaque(&key.name) {
                    visit(kind, path, value, found);
                }
                path.pop();
            }
        }
        NodeValue::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                values::of_item(path, item, found);
                visit(kind, path, item, found);
                path.pop();
            }
        }
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::String(_) => {}
    }
}

/// The mutation that takes a value away.
fn dropped(path: &[Step], at: Position) -> Mutation {
    Mutation {
        operator: Operator::Drop,
        path: path.to_vec(),
        edit: Edit::Drop,
        at,
        what: format!("without `{}`", written(path)),
    }
}
