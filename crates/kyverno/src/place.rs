//! A changed object on the tree that it was written as.

use airtight_manifest::{Key, Node, NodeValue};
use serde_json::Value;

/// `value` as a tree in which everything that `written` has too keeps its place; what is new stands at the place of
/// the node that it is in.
pub(super) fn onto(written: &Node, value: &Value) -> Node {
    match (&written.value, value) {
        (NodeValue::Map(entries), Value::Object(map)) => {
            let entries = map.iter().map(|(name, value)| match entries.iter().find(|(key, _)| key.name == *name) {
                Some((key, node)) => (key.clone(), onto(node, value)),
                None => (Key { name: name.clone(), at: written.at }, Node::from_json(value, written.at)),
            });
            Node { value: NodeValue::Map(entries.collect()), at: written.at }
        }
        (NodeValue::List(nodes), Value::Array(items)) => {
            let items = items.iter().enumerate().map(|(index, item)| match counterpart(nodes, index, item) {
                Some(node) => onto(node, item),
                None => Node::from_json(item, written.at),
            });
            Node { value: NodeValue::List(items.collect()), at: written.at }
        }
        _ => Node::from_json(value, written.at),
    }
}

/// The element of the same name, or the same element, or the one at the same place.
fn counterpart<'n>(nodes: &'n [Node], index: usize, item: &Value) -> Option<&'n Node> {
    if let Some(name) = item["name"].as_str() {
        return nodes.iter().find(|node| node.get("name").and_then(Node::as_str) == Some(name));
    }
    nodes.iter().find(|node| node.to_json() == *item).or_else(|| nodes.get(index))
}
