//! `kustomization.yaml`: the `resources:` lists, and nothing else of Kustomize.
//!
//! Any other field that would change an object is refused aloud: applying the objects without it
//! would judge a set that `kubectl apply -k` does not produce.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, closest};
use super::node::{Key, Node, NodeValue};
use super::yaml::Document;

const NAMES: &[&str] = &["kustomization.yaml", "kustomization.yml"];

/// Documents to use, and what was left out.
pub(super) struct Selection {
    pub(super) documents: Vec<Document>,
    pub(super) findings: Vec<Diagnostic>,
}

/// Keeps, in each folder tree that has a kustomization at its top, what the kustomization lists.
pub(super) fn select(mut files: BTreeMap<String, Vec<Document>>) -> Result<Selection, Vec<Diagnostic>> {
    let roots: Vec<String> =
        files.keys().filter(|name| is_kustomization(name)).map(|name| folder(name).to_owned()).collect();
    let tops: Vec<&String> =
        roots.iter().filter(|root| !roots.iter().any(|other| other != *root && is_below(root, other))).collect();
    let mut listing = Listing { files: &files, used: BTreeSet::new(), failures: Vec::new() };
    for top in &tops {
        listing.follow(top);
    }
    let Listing { used, failures, .. } = listing;
    if !failures.is_empty() {
        return Err(failures);
    }
    let mut selection = Selection { documents: Vec::new(), findings: Vec::new() };
    for (name, documents) in std::mem::take(&mut files) {
        if is_kustomization(&name) {
            continue;
        }
        let managed = tops.iter().any(|top| is_below(&name, top));
        if managed && !used.contains(&name) {
            selection.findings.push(left_out(&name, &documents));
        } else {
            selection.documents.extend(documents);
        }
    }
    Ok(selection)
}

struct Listing<'a> {
    files: &'a BTreeMap<String, Vec<Document>>,
    used: BTreeSet<String>,
    failures: Vec<Diagnostic>,
}

impl Listing<'_> {
    fn follow(&mut self, root: &str) {
        let Some((name, documents)) =
            NAMES.iter().map(|name| join(root, name)).find_map(|name| self.files.get_key_value(&name))
        else {
            return;
        };
        if !self.used.insert(name.clone()) {
            return;
        }
        let Some(document) = documents.first() else { return };
        self.refuse_other_fields(document);
        for resource in document.root.get("resources").and_then(Node::as_list).unwrap_or_default() {
            self.resource(root, document, resource);
        }
    }

    fn resource(&mut self, root: &str, document: &Document, resource: &Node) {
        let Some(entry) = resource.as_str() else {
            let finding = Diagnostic::error("invalid-value", "a resource is a path in quotes or plain text");
            return self.failures.push(finding.at(document.location(resource.at)));
        };
        let target = join(root, entry);
        if self.files.contains_key(&target) {
            self.used.insert(target);
        } else if NAMES.iter().any(|name| self.files.contains_key(&join(&target, name))) {
            self.follow(&target);
        } else {
            self.failures.push(self.missing(document, resource, entry, &target));
        }
    }

    fn missing(&self, document: &Document, resource: &Node, entry: &str, target: &str) -> Diagnostic {
        let finding =
            Diagnostic::error("dangling-reference", format!("the kustomization lists `{entry}`, which is not there"))
                .at(document.location(resource.at));
        match closest(target, self.files.keys().map(String::as_str)) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None => finding.hint("a listed folder needs a kustomization.yaml of its own"),
        }
    }

    /// The order of applying (`sortOptions`) decides nothing here: the world is what comes of it in the end.
    fn refuse_other_fields(&mut self, document: &Document) {
        let NodeValue::Map(entries) = &document.root.value else { return };
        for (key, _) in entries {
            if !matches!(key.name.as_str(), "apiVersion" | "kind" | "metadata" | "resources" | "sortOptions") {
                self.failures.push(other_field(document, key));
            }
        }
    }
}

fn other_field(document: &Document, key: &Key) -> Diagnostic {
    Diagnostic::error("kustomize-unsupported", format!("airtight does not apply `{}` of a kustomization", key.name))
        .at(document.location(key.at))
        .hint("render it first (`kubectl kustomize DIR > rendered.yaml`) and load the result")
}

fn left_out(name: &str, documents: &[Document]) -> Diagnostic {
    let finding = Diagnostic::warning("left-out", format!("{name} is listed in no kustomization and is not used"))
        .hint("add it to `resources:`, or move it to another folder");
    match documents.first() {
        Some(document) => finding.at(document.location(document.root.at)),
        None => finding,
    }
}

fn is_kustomization(name: &str) -> bool {
    NAMES.contains(&name.rsplit('/').next().unwrap_or_default())
}

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn is_below(name: &str, root: &str) -> bool {
    root.is_empty() || name.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

/// Joins and resolves `.` and `..`, without asking the disk.
fn join(root: &str, entry: &str) -> String {
    let mut parts: Vec<&str> = root.split('/').collect();
    for part in entry.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    // An empty root stands for the folder that was named, not for the file system's top.
    let absolute = root.starts_with('/');
    let joined = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    if absolute { format!("/{joined}") } else { joined }
}
