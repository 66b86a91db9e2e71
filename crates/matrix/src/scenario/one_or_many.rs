//! Fields that take one value or a list: the tree is brought into list form before it is decoded.
//!
//! An untagged enum would do the same and would lose the places and the unknown fields on its way.

use airtight_manifest::{Key, Node, NodeValue, Position};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Where a value may stand for a list of one, from a case downwards; `*` is any key or index.
const LISTS: &[&[&str]] = &[
    &["from"],
    &["to"],
    &["request"],
    &["request", "*", "headers", "*"],
    &["request", "*", "token", "audiences"],
    &["expect", "allow", "status"],
    &["expect", "allow", "outcome"],
    &["expect", "allow", "via"],
    &["expect", "deny", "status"],
    &["expect", "deny", "outcome"],
];

/// The same case with every value that stands for a list of one in a list.
pub(super) fn in_list_form(case: &Node) -> Node {
    let mut case = case.clone();
    for path in LISTS {
        wrap(&mut case, path);
    }
    for path in SOURCES {
        name(&mut case, path);
    }
    case
}

/// Where a text stands for a source of this name.
const SOURCES: &[&[&str]] = &[&["from", "*"], &["after", "*", "from"]];

fn name(node: &mut Node, path: &[&str]) {
    let Some((step, rest)) = path.split_first() else {
        if !matches!(node.value, NodeValue::Map(_) | NodeValue::List(_) | NodeValue::Null) {
            let name = Key { name: "name".to_owned(), at: node.at };
            node.value = NodeValue::Map(vec![(name, node.clone())]);
        }
        return;
    };
    match &mut node.value {
        NodeValue::Map(entries) => {
            entries.iter_mut().filter(|(key, _)| key.name == *step).for_each(|(_, child)| self::name(child, rest));
        }
        NodeValue::List(items) if *step == "*" => items.iter_mut().for_each(|child| self::name(child, rest)),
        NodeValue::List(_)
        | NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::String(_) => {}
    }
}

fn wrap(node: &mut Node, path: &[&str]) {
    let Some((step, rest)) = path.split_first() else {
        if !matches!(node.value, NodeValue::List(_) | NodeValue::Null) {
            let one = node.clone();
            node.value = NodeValue::List(vec![one]);
        }
        return;
    };
    match &mut node.value {
        NodeValue::Map(entries) => entries
            .iter_mut()
            .filter(|(key, _)| *step == "*" || key.name == *step)
            .for_each(|(_, child)| wrap(child, rest)),
        NodeValue::List(items) if *step == "*" => items.iter_mut().for_each(|child| wrap(child, rest)),
        NodeValue::List(_)
        | NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::String(_) => {}
    }
}

/// A list without values, where a value is wanted.
pub(super) struct EmptyList {
    pub(super) key: String,
    pub(super) at: Position,
}

/// Lists of a case that expand to nothing, and so would silently take cases or conditions away.
pub(super) fn empty_lists(case: &Node) -> Vec<EmptyList> {
    let mut found = Vec::new();
    for path in LISTS {
        seek(case, path, "", &mut found);
    }
    found
}

fn seek(node: &Node, path: &[&str], key: &str, found: &mut Vec<EmptyList>) {
    let Some((step, rest)) = path.split_first() else {
        if node.as_list().is_some_and(<[Node]>::is_empty) {
            found.push(EmptyList { key: key.to_owned(), at: node.at });
        }
        return;
    };
    match &node.value {
        // One request stands for a list of one: the step over its index takes no key.
        NodeValue::Map(_) if *step == "*" && key == "request" => seek(node, rest, key, found),
        NodeValue::Map(entries) => entries
            .iter()
            .filter(|(key, _)| *step == "*" || key.name == *step)
            .for_each(|(key, child)| seek(child, rest, &key.name, found)),
        NodeValue::List(items) if *step == "*" => items.iter().for_each(|child| seek(child, rest, key, found)),
        NodeValue::List(_)
        | NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::String(_) => {}
    }
}

/// Schema of one `T` or a list of them.
pub(super) fn listed<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

/// Schema of a mapping to one text or a list of texts.
pub(super) fn listed_map(generator: &mut SchemaGenerator) -> Schema {
    let value = listed::<String>(generator);
    json_schema!({ "type": "object", "additionalProperties": value })
}
