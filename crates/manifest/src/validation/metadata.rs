//! Names, labels, annotations and owners (apimachinery `pkg/api/validation/objectmeta.go`, `generic.go`).

use super::fields::{Path, Refusals};
use super::formats::{is_label, is_label_key, is_label_value, is_subdomain};
use crate::node::{Node, NodeValue};

/// Annotations of an object are this long at most, keys and values together.
const ANNOTATION_BYTES: usize = 256 * 1024;

/// How a kind's objects may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// An RFC 1123 subdomain.
    Subdomain,
    /// An RFC 1123 label.
    Label,
    /// A label that begins with a letter (RFC 1035).
    LetterFirst,
    /// Whatever can stand in a URL's path.
    PathSegment,
}

/// The naming of a kind (`ValidateNameFunc` of each in `pkg/apis/*/validation`).
fn naming(kind: &str) -> Naming {
    match kind {
        "Namespace" | "StatefulSet" => Naming::Label,
        "Service" => Naming::LetterFirst,
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => Naming::PathSegment,
        _ => Naming::Subdomain,
    }
}

impl Naming {
    fn takes(self, name: &str) -> bool {
        match self {
            Self::Subdomain => is_subdomain(name),
            Self::Label => is_label(name),
            Self::LetterFirst => is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase()),
            Self::PathSegment => !matches!(name, "." | "..") && !name.contains(['/', '%']),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Subdomain => "lower-case letters, digits, `-` and `.`, a letter or digit at both ends, at most 253",
            Self::Label => "lower-case letters, digits and `-`, a letter or digit at both ends, at most 63",
            Self::LetterFirst => "lower-case letters, digits and `-`, beginning with a letter, at most 63",
            Self::PathSegment => "anything but `.`, `..` and what has `/` or `%`",
        }
    }
}

pub(super) fn check(refusals: &mut Refusals<'_>, kind: &str) {
    let Some(metadata) = refusals.root().get("metadata") else { return };
    let path = Path::of(&["metadata"]);
    names(refusals, &path, metadata, naming(kind));
    if let Some(namespace) = text(metadata, "namespace").filter(|namespace| !namespace.is_empty()) {
        let message = format!("\"{namespace}\" is no name of a namespace: {}", Naming::Label.words());
        refusals.unless(is_label(namespace), &path.field("namespace"), message);
    }
    labels(refusals, &path, metadata);
    annotations(refusals, &path, metadata);
    owners(refusals, &path.field("ownerReferences"), metadata.get("ownerReferences"));
    for (index, finalizer) in list(metadata.get("finalizers")).iter().enumerate() {
        let fits = finalizer.as_str().is_none_or(is_label_key);
        refusals.unless(fits, &path.field("finalizers").index(index), "a finalizer is a qualified name");
    }
}

fn names(refusals: &mut Refusals<'_>, path: &Path, metadata: &Node, naming: Naming) {
    let prefix = text(metadata, "generateName").filter(|prefix| !prefix.is_empty());
    let name = text(metadata, "name").filter(|name| !name.is_empty());
    match (name, prefix) {
        (Some(name), _) => {
            let message = format!("\"{name}\" is no name: {}", naming.words());
            refusals.unless(naming.takes(name), &path.field("name"), message);
        }
        (None, Some(_)) => {}
        (None, None) => refusals.refuse(&path.field("name"), "name or generateName is required"),
    }
    if let Some(prefix) = prefix {
        // What follows the last hyphen is made up later (`maskTrailingDash`).
        let masked = prefix.strip_suffix('-').map(|rest| format!("{rest}a"));
        let message = format!("\"{prefix}\" is no beginning of a name: {}", naming.words());
        refusals.unless(naming.takes(masked.as_deref().unwrap_or(prefix)), &path.field("generateName"), message);
    }
}

/// Labels of an object, or of the template of its pods.
pub(super) fn labels(refusals: &mut Refusals<'_>, path: &Path, metadata: &Node) {
    let path = path.field("labels");
    for (key, value) in entries(metadata.get("labels")) {
        let message = format!(
            "\"{key}\" is no key of a label: an optional DNS name and `/`, then at most 63 letters, digits, `-`, `_` and `.`"
        );
        refusals.unless(is_label_key(key), &path.key(key), message);
        if let Some(value) = value.as_str() {
            let message = format!("\"{value}\" is no value of a label: at most 63 letters, digits, `-`, `_` and `.`");
            refusals.unless(is_label_value(value), &path.key(key), message);
        }
    }
}

pub(super) fn annotations(refusals: &mut Refusals<'_>, path: &Path, metadata: &Node) {
    let path = path.field("annotations");
    let mut bytes = 0;
    for (key, value) in entries(metadata.get("annotations")) {
        // Their keys may be in capitals as well.
        let fits = is_label_key(&key.to_lowercase());
        refusals.unless(fits, &path.key(key), format!("\"{key}\" is no key of an annotation"));
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    refusals.unless(bytes <= ANNOTATION_BYTES, &path, format!("{bytes} bytes, more than {ANNOTATION_BYTES}"));
}

fn owners(refusals: &mut Refusals<'_>, path: &Path, owners: Option<&Node>) {
    let mut controllers = 0;
    for (index, owner) in list(owners).iter().enumerate() {
        let path = path.index(index);
        for field in ["apiVersion", "kind", "name", "uid"] {
            refusals.require(text(owner, field), &path.field(field));
        }
        controllers += usize::from(owner.get("controller").is_some_and(|node| node.value == NodeValue::Bool(true)));
    }
    refusals.unless(controllers <= 1, path, "only one owner can be the controller");
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Node::as_str)
}

fn list(node: Option<&Node>) -> &[Node] {
    node.and_then(Node::as_list).unwrap_or_default()
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (&str, &Node)> {
    let entries = match node.map(|node| &node.value) {
        Some(NodeValue::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().map(|(key, value)| (key.name.as_str(), value))
}
