//! Changes to one document at one place.

use std::fmt::Write as _;

use airtight_manifest::{Key, Node, NodeValue, Position};
use serde_json::Value;

/// One step from a value to a value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The way from the root of a document to a value.
pub(super) type Path = Vec<Step>;

/// What is done to the value at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Edit {
    /// It is taken away.
    Drop,
    /// It becomes another value.
    Set(Value),
    /// It becomes another value under another key.
    Rename(&'static str, Value),
    /// The item of a list goes to the list of another key beside it.
    Move(&'static str),
}

/// A path as references to rules have it, such as `spec.ingress[0].fromEndpoints[1]`.
pub(super) fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if key.contains(['.', '/', ':']) => drop(write!(text, "[\"{key}\"]")),
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => drop(write!(text, ".{key}")),
            Step::Index(index) => drop(write!(text, "[{index}]")),
        }
    }
    text
}

impl Edit {
    /// The document after the edit; none if there is nothing at the path.
    pub(super) fn apply(&self, root: &Node, path: &[Step]) -> Option<Node> {
        let mut changed = root.clone();
        let (last, rest) = path.split_last()?;
        match self {
            Self::Drop => drop(take(at(&mut changed, rest)?, last)?),
            Self::Set(value) => {
                let node = at(&mut changed, path)?;
                *node = Node::from_json(value, node.at);
            }
            Self::Rename(key, value) => {
                let (written, old) = take(at(&mut changed, rest)?, last)?;
                put(at(&mut changed, rest)?, key, written, Node::from_json(value, old.at))?;
            }
            Self::Move(key) => {
                let (_, outer) = rest.split_last()?;
                let (_, item) = take(at(&mut changed, rest)?, last)?;
                push(at(&mut changed, outer)?, key, item)?;
            }
        }
        Some(changed)
    }
}

fn at<'n>(root: &'n mut Node, path: &[Step]) -> Option<&'n mut Node> {
    path.iter().try_fold(root, |node, step| match (step, &mut node.value) {
        (Step::Key(key), NodeValue::Map(entries)) => {
            entries.iter_mut().find(|(known, _)| known.name == *key).map(|(_, value)| value)
        }
        (Step::Index(index), NodeValue::List(items)) => items.get_mut(*index),
        _ => None,
    })
}

/// Takes a value away; where it was written, and the value.
fn take(parent: &mut Node, step: &Step) -> Option<(Position, Node)> {
    match (step, &mut parent.value) {
        (Step::Key(key), NodeValue::Map(entries)) => {
            let index = entries.iter().position(|(known, _)| known.name == *key)?;
            let (key, value) = entries.remove(index);
            Some((key.at, value))
        }
        (Step::Index(index), NodeValue::List(items)) if *index < items.len() => {
            let item = items.remove(*index);
            Some((item.at, item))
        }
        _ => None,
    }
}

fn put(parent: &mut Node, key: &str, at: Position, value: Node) -> Option<()> {
    let NodeValue::Map(entries) = &mut parent.value else { return None };
    entries.retain(|(known, _)| known.name != key);
    entries.push((Key { name: key.to_owned(), at }, value));
    Some(())
}

fn push(parent: &mut Node, key: &str, item: Node) -> Option<()> {
    let NodeValue::Map(entries) = &mut parent.value else { return None };
    if !entries.iter().any(|(known, _)| known.name == key) {
        entries.push((
            Key { name: key.to_owned(), at: item.at },
            Node { at: item.at, value: NodeValue::List(Vec::new()) },
        ));
    }
    let (_, list) = entries.iter_mut().find(|(known, _)| known.name == key)?;
    let NodeValue::List(items) = &mut list.value else { return None };
    items.push(item);
    Some(())
}
