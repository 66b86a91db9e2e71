//! Documents → those that airtight reads; what is not its own is counted, by kind and by reason, and ends nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Severity};
use super::kinds::{GroupKind, unknown_kind};
use super::lists::unlisted;
use super::load::Reading;
use super::node::{Node, NodeValue};
use super::resource::{Scope, modelled};
use super::source::Location;
use super::yaml::Document;

/// The group of airtight's own documents.
const OURS: &str = "airtight.dev";

/// Those of them that say what is around the manifests.
const OWN_INPUTS: &[&str] = &["Environment", "Stack"];

/// How many files a note names.
const NAMED: usize = 3;

/// Why a file is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unused {
    /// No kustomization of its folder lists it.
    Unlisted,
    /// A kustomization uses it, and not as a resource.
    Kustomized,
    /// It is part of a chart, which is not rendered.
    Chart,
    /// It is a template of another program.
    Template,
    /// It has no object of the Kubernetes API in it.
    Data,
}

/// Files that were read and are not used, by reason.
#[derive(Debug, Default)]
pub(super) struct LeftOut(BTreeMap<Unused, Vec<String>>);

impl LeftOut {
    pub(super) fn add(&mut self, why: Unused, file: &str) {
        self.0.entry(why).or_default().push(file.to_owned());
    }

    /// One finding for each reason.
    pub(super) fn findings(&self) -> Vec<Diagnostic> {
        self.0.iter().map(|(why, files)| finding(*why, files)).collect()
    }
}

fn finding(why: Unused, files: &[String]) -> Diagnostic {
    let (severity, one, many) = match why {
        Unused::Unlisted => (
            Severity::Warning,
            "is listed in no kustomization and is not used",
            "are listed in no kustomization and are not used",
        ),
        Unused::Kustomized => {
            (Severity::Note, "is a kustomization's patch or data", "are patches or data of a kustomization")
        }
        Unused::Chart => (
            Severity::Warning,
            "is part of a chart that is not rendered (name the chart's folder itself)",
            "are part of charts that are not rendered (name a chart's folder itself)",
        ),
        Unused::Template => (
            Severity::Warning,
            "is a template that another program fills in, and is not used",
            "are templates that another program fills in, and are not used",
        ),
        Unused::Data => (
            Severity::Note,
            "is no manifest (no apiVersion and kind) and is left out",
            "are no manifests (no apiVersion and kind) and are left out",
        ),
    };
    let message = match files {
        [file] => format!("{file} {one}"),
        files => format!("{} files {many}: {}", files.len(), listed(files)),
    };
    Diagnostic::new(severity, "left-out", message)
}

fn listed(names: &[String]) -> String {
    let first = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// What a set of documents comes to.
#[derive(Debug, Default)]
pub(super) struct Sifted {
    pub(super) documents: Vec<Document>,
    pub(super) findings: Vec<Diagnostic>,
    pub(super) failures: Vec<Diagnostic>,
}

/// Takes lists apart and leaves out objects of kinds that airtight does not read, and files without objects.
pub(super) fn sift(files: Vec<(String, Vec<Document>)>, reading: Reading<'_>, left_out: &mut LeftOut) -> Sifted {
    let mut sifted = Sifted::default();
    let mut objects = Vec::new();
    for (name, documents) in files {
        if !documents.is_empty() && documents.iter().all(|document| is_data(&document.root)) {
            left_out.add(Unused::Data, &name);
            continue;
        }
        for document in documents {
            match unlisted(document) {
                Ok(documents) => objects.extend(documents),
                Err(finding) => sifted.failures.push(finding),
            }
        }
    }
    let defined: BTreeSet<GroupKind> = objects.iter().filter_map(defined).collect();
    let mut unread: BTreeMap<GroupKind, Vec<Location>> = BTreeMap::new();
    for document in objects {
        match unknown(&document).filter(|kind| !OWN_INPUTS.iter().any(|name| is_ours(kind, name))) {
            None => sifted.documents.push(at_home(document, reading.namespace)),
            Some(kind) if defined.contains(&kind) => {}
            Some(kind) if kind.meant().is_some() || (reading.strict && kind.group != OURS) => {
                sifted.failures.push(unknown_kind(&document, &kind.kind, &kind.group));
            }
            Some(kind) => unread.entry(kind).or_default().push(document.location(document.root.at)),
        }
    }
    sifted.findings.extend(unread.iter().map(|(kind, places)| uncounted(kind, places)));
    sifted
}

/// A document in the namespace that it names, else in the one that the user named.
fn at_home(document: Document, namespace: Option<&str>) -> Document {
    let Some(namespace) = namespace else { return document };
    let kind = GroupKind::of(&document);
    let info = kind.as_ref().and_then(|kind| modelled(&kind.kind, &kind.group));
    let written = document.root.get("metadata").and_then(|metadata| metadata.get("namespace"));
    let is_none = |node: &Node| node.value == NodeValue::Null || node.as_str() == Some("");
    let homeless = written.is_none_or(is_none) && info.is_some_and(|info| info.scope == Scope::Namespaced);
    if homeless { document.in_namespace(namespace) } else { document }
}

fn is_ours(kind: &GroupKind, name: &str) -> bool {
    kind.group == OURS && kind.kind == name
}

/// The kind of a document whose kind airtight does not read.
fn unknown(document: &Document) -> Option<GroupKind> {
    GroupKind::of(document).filter(|kind| !kind.is_read())
}

fn uncounted(kind: &GroupKind, places: &[Location]) -> Diagnostic {
    let first = places.first().map(|place| format!(" (first at {place})")).unwrap_or_default();
    let count = places.len();
    if is_ours(kind, "Scenario") {
        let message = format!("{count} {kind} among the manifests not read: name scenarios with --scenarios{first}");
        return Diagnostic::new(Severity::Warning, "left-out", message);
    }
    let severity = if kind.sounds_like_a_policy() { Severity::Warning } else { Severity::Note };
    Diagnostic::new(severity, "unknown-kind", format!("{count} {kind} left out: not a kind that airtight reads{first}"))
}

/// The kind that a CustomResourceDefinition makes known.
fn defined(document: &Document) -> Option<GroupKind> {
    let root = &document.root;
    if root.get("kind").and_then(Node::as_str) != Some("CustomResourceDefinition") {
        return None;
    }
    let spec = root.get("spec")?;
    let group = spec.get("group")?.as_str()?.to_owned();
    let kind = spec.get("names")?.get("kind")?.as_str()?.to_owned();
    Some(GroupKind { group, kind })
}

/// Whether a document is something else than an object of the Kubernetes API, and not merely a broken one.
fn is_data(root: &Node) -> bool {
    let NodeValue::Map(_) = &root.value else { return matches!(root.value, NodeValue::List(_)) };
    let has = |key: &str| root.get(key).is_some_and(|node| !node.is_null());
    let text = |key: &str| root.get(key).and_then(Node::as_str);
    match (text("apiVersion"), text("kind")) {
        (Some(_), Some(_)) => false,
        (Some(api), None) => !has("metadata") && !has("spec") && !is_bare_head(root, api),
        // Other programs have a `kind` of their own without an API.
        (None, Some(kind)) => !has("metadata") && !has("spec") && !names_a_kind(kind),
        (None, None) => !(has("metadata") && has("spec")),
    }
}

/// An object of which nothing is written but its API: it was cut off.
fn is_bare_head(root: &Node, api: &str) -> bool {
    let NodeValue::Map(entries) = &root.value else { return false };
    entries.len() == 1 && !api.is_empty()
}

fn names_a_kind(kind: &str) -> bool {
    let known = GroupKind { group: String::new(), kind: kind.to_owned() };
    kind.starts_with(char::is_uppercase) && (known.is_read() || known.meant().is_some())
}
