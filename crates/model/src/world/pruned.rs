//! What a mutation leaves of an object: fields that its kind lacks are dropped without a word, where the API server
//! would refuse them in a request (Kubernetes `plugin/webhook/mutating/dispatcher.go` of `k8s.io/apiserver`; a custom
//! resource is pruned when it is stored).

use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Document, Node, NodeValue, Resource};

use super::intake::accept;

/// The object as it is stored, and what it is.
///
/// # Errors
/// What the API server refuses all the same.
pub(super) fn accept_mutated(document: &Document, stack: &Stack) -> Result<(Document, Resource), Vec<Diagnostic>> {
    let mut document = document.clone();
    loop {
        let findings = match accept(&document, stack) {
            Ok(resource) => return Ok((document, resource)),
            Err(findings) => findings,
        };
        let Some(pruned) = without_unknown(&document, &findings) else { return Err(findings) };
        document = pruned;
    }
}

/// The document without the fields that are complained about; none if it has none of them.
fn without_unknown(document: &Document, findings: &[Diagnostic]) -> Option<Document> {
    let mut root = Node::clone(&document.root);
    let unknown = findings.iter().filter(|finding| finding.code == "unknown-field");
    for path in unknown.filter_map(|finding| path_in(&finding.message)) {
        root = without(&root, &steps(path));
    }
    (root != *document.root).then(|| Document { file: document.file.clone(), root: root.into() })
}

fn path_in(message: &str) -> Option<&str> {
    message.split_once("has no field `")?.1.strip_suffix('`')
}

/// `spec.list[0].field` as its steps.
fn steps(path: &str) -> Vec<&str> {
    path.split(['.', '[', ']']).filter(|step| !step.is_empty()).collect()
}

fn without(node: &Node, path: &[&str]) -> Node {
    let Some((step, rest)) = path.split_first() else { return node.clone() };
    let value = match &node.value {
        NodeValue::Map(entries) => NodeValue::Map(
            entries
                .iter()
                .filter(|(key, _)| !(rest.is_empty() && key.name == *step))
                .map(|(key, child)| (key.clone(), if key.name == *step { without(child, rest) } else { child.clone() }))
                .collect(),
        ),
        NodeValue::List(items) => NodeValue::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| if *step == index.to_string() { without(item, rest) } else { item.clone() })
                .collect(),
        ),
        other => other.clone(),
    };
    Node { value, at: node.at }
}

#[cfg(test)]
mod tests {
    use airtight_manifest::Position;
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_taken_out_where_they_stand() {
        let at = Position { line: 1, column: 1 };
        let node = Node::from_json(&json!({"spec": {"list": [{"a": 1, "b": 2}, {"a": 3}], "c": 4}}), at);
        let left = without(&node, &steps("spec.list[0].a")).to_json();
        assert_eq!(left, json!({"spec": {"list": [{"b": 2}, {"a": 3}], "c": 4}}));
        assert_eq!(without(&node, &steps("spec.nothing")), node);
    }
}
