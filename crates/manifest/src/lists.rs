//! Lists → the objects in them: `kind: List` and every typed one (`PodList`, …), however deep.
//!
//! As kubectl's decoder does it (apimachinery `pkg/apis/meta/v1/unstructured/helpers.go`, `decodeToList`): an item of a
//! typed list that names neither API nor kind has those of its list.

use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::node::{Key, Node, NodeValue};
use super::yaml::Document;

/// The objects of a document: those of a list, else the document itself.
pub(super) fn unlisted(document: Document) -> Result<Vec<Document>, Diagnostic> {
    if !is_list(&document.root) {
        return Ok(vec![document]);
    }
    if let Some(rest) = document.root.get("metadata").and_then(|metadata| metadata.get("continue"))
        && rest.as_str().is_some_and(|token| !token.is_empty())
    {
        return Err(Diagnostic::error("partial-list", "this list is one page of a longer one")
            .at(document.location(rest.at))
            .hint("get all of it: `kubectl get … -o yaml` without --chunk-size and --limit"));
    }
    let implied = implied(&document.root);
    let file = document.file;
    let items = match document.root.get("items").map(|items| &items.value) {
        Some(NodeValue::List(items)) => items.as_slice(),
        _ => &[],
    };
    let items = items.iter().map(|item| Document { file: Arc::clone(&file), root: Arc::new(headed(item, &implied)) });
    let mut objects = Vec::new();
    for item in items {
        objects.extend(unlisted(item)?);
    }
    Ok(objects)
}

fn is_list(root: &Node) -> bool {
    let named = root.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.ends_with("List"));
    let items = root.get("items").map(|items| &items.value);
    named && root.get("apiVersion").is_some() && matches!(items, Some(NodeValue::List(_) | NodeValue::Null))
}

/// API and kind of the items that name neither.
fn implied(list: &Node) -> Vec<(Key, Node)> {
    let kind = list.entry("kind").and_then(|(key, node)| {
        let kind = node.as_str()?.strip_suffix("List").filter(|kind| !kind.is_empty())?;
        Some((key.clone(), Node { value: NodeValue::String(kind.to_owned()), at: node.at }))
    });
    let Some(kind) = kind else { return Vec::new() };
    let api = list.entry("apiVersion").map(|(key, node)| (key.clone(), node.clone()));
    api.into_iter().chain([kind]).collect()
}

fn headed(item: &Node, implied: &[(Key, Node)]) -> Node {
    let mut item = item.clone();
    let bare = item.get("kind").is_none() && item.get("apiVersion").is_none();
    if let (true, NodeValue::Map(fields)) = (bare, &mut item.value) {
        fields.splice(0..0, implied.iter().cloned());
    }
    item
}
