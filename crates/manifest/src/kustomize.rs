//! Kustomizations in a tree of files: what each uses, which of them stand alone, and which a program must render.
//!
//! The `resources:` lists are followed here. Any other field that would change an object is for Kustomize itself:
//! applying the objects without it would judge a set that `kubectl apply -k` does not produce.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, closest};
use super::node::{Node, NodeValue};
use super::sift::{LeftOut, Unused};
use super::yaml::Document;

/// The name of a kustomization without extension.
pub(super) const BARE_NAME: &str = "Kustomization";

const NAMES: &[&str] = &["kustomization.yaml", "kustomization.yml", BARE_NAME];

/// Fields that change no object. The order of applying (`sortOptions`) decides nothing here: the world is what comes of
/// it in the end.
const PLAIN: &[&str] = &["apiVersion", "kind", "metadata", "resources", "sortOptions"];

/// Fields that name other kustomizations (and files, in the case of `resources`).
const REFERRING: &[&str] = &["resources", "components", "bases"];

/// Whether a file of this name is a kustomization.
pub(super) fn is_name(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The files of a tree with their documents, by shown name.
pub(super) type Files = BTreeMap<String, Vec<Document>>;

/// The kustomizations of a tree of files.
pub(super) struct Kustomizations<'a> {
    files: &'a Files,
    /// Each folder with its kustomization, if that is not empty.
    roots: BTreeMap<&'a str, Option<&'a Document>>,
}

/// What becomes of the files beneath one kustomization that no other uses.
pub(super) enum Top<'a> {
    /// Its lists are followed.
    Listed { files: BTreeSet<String> },
    /// A program must render it; the document is the kustomization that asks for it.
    Rendered { folder: &'a str, field: String, by: &'a Document, files: BTreeSet<String> },
}

impl Top<'_> {
    /// The files that it lists, or has others list.
    fn files(&self) -> &BTreeSet<String> {
        match self {
            Self::Listed { files, .. } | Self::Rendered { files, .. } => files,
        }
    }
}

impl<'a> Kustomizations<'a> {
    pub(super) fn of(files: &'a Files) -> Self {
        let roots = files.iter().filter(|(name, documents)| is_kustomization(name, documents));
        Self { files, roots: roots.map(|(name, documents)| (folder(name), documents.first())).collect() }
    }

    /// The kustomizations that stand alone: no other uses them, and none is above them.
    pub(super) fn tops(&self) -> Result<Vec<Top<'a>>, Vec<Diagnostic>> {
        let used: BTreeSet<String> = self.roots.keys().flat_map(|root| self.referred(root)).collect();
        let free: Vec<&'a str> = self.roots.keys().filter(|root| !used.contains(**root)).copied().collect();
        let tops = free.iter().filter(|root| !free.iter().any(|other| other != *root && is_below(root, other)));
        let (mut made, mut failures) = (Vec::new(), Vec::new());
        for top in tops {
            match self.top(top) {
                Ok(top) => made.push(top),
                Err(findings) => failures.extend(findings),
            }
        }
        if failures.is_empty() { Ok(made) } else { Err(failures) }
    }

    fn top(&self, folder: &'a str) -> Result<Top<'a>, Vec<Diagnostic>> {
        let mut walk = Walk { all: self, used: BTreeSet::new(), changes: None, failures: Vec::new() };
        walk.follow(folder);
        let Walk { used, changes, failures, .. } = walk;
        if !failures.is_empty() {
            return Err(failures);
        }
        Ok(match changes {
            Some((by, field)) => Top::Rendered { folder, field, by, files: used },
            None => Top::Listed { files: used },
        })
    }

    /// Folders of other kustomizations that one names.
    fn referred(&self, root: &str) -> Vec<String> {
        let document = self.roots.get(root).copied().flatten();
        let entries = document.into_iter().flat_map(|document| entries(document, REFERRING));
        entries.map(|entry| join(root, entry)).filter(|folder| self.roots.contains_key(folder.as_str())).collect()
    }

    /// Whether a kustomization names a file, as a patch, a component's data, or whatever else.
    fn mentions(&self, file: &str) -> bool {
        self.roots.iter().any(|(root, document)| {
            document.is_some_and(|document| texts(&document.root).iter().any(|text| join(root, text) == file))
        })
    }
}

/// The names of the files whose objects count, once each kustomization has taken what is its own.
pub(super) fn kept(files: &Files, tops: &[Top<'_>], left_out: &mut LeftOut) -> BTreeSet<String> {
    let kustomizations = Kustomizations::of(files);
    let mut kept = BTreeSet::new();
    for (name, _) in files.iter().filter(|(name, documents)| !is_kustomization(name, documents)) {
        let user = tops.iter().find(|top| top.files().contains(name));
        let below = kustomizations.roots.keys().any(|root| is_below(name, root));
        match user {
            Some(Top::Rendered { .. }) => {}
            None if kustomizations.mentions(name) => left_out.add(Unused::Kustomized, name),
            None if below => left_out.add(Unused::Unlisted, name),
            Some(Top::Listed { .. }) | None => {
                kept.insert(name.clone());
            }
        }
    }
    kept
}

struct Walk<'k, 'a> {
    all: &'k Kustomizations<'a>,
    used: BTreeSet<String>,
    /// The first kustomization that changes objects, and by which field.
    changes: Option<(&'a Document, String)>,
    failures: Vec<Diagnostic>,
}

impl Walk<'_, '_> {
    fn follow(&mut self, root: &str) {
        let Some((_, Some(document))) = self.all.roots.get_key_value(root) else { return };
        if !self.used.insert(format!("{root}/")) {
            return;
        }
        let fields = fields(document).find(|field| !PLAIN.contains(field));
        if let (None, Some(field)) = (&self.changes, fields) {
            self.changes = Some((document, field.to_owned()));
        }
        for name in REFERRING {
            for entry in document.root.get(name).and_then(Node::as_list).unwrap_or_default() {
                self.entry(root, document, entry);
            }
        }
    }

    fn entry(&mut self, root: &str, document: &Document, entry: &Node) {
        let Some(text) = entry.as_str() else {
            let finding = Diagnostic::error("invalid-value", "a resource is a path in quotes or plain text");
            return self.failures.push(finding.at(document.location(entry.at)));
        };
        if is_remote(text) {
            return self.failures.push(remote(document, root, entry, text));
        }
        let target = join(root, text);
        if self.all.files.contains_key(&target) {
            self.used.insert(target);
        } else if self.all.roots.contains_key(target.as_str()) {
            self.follow(&target);
        } else {
            self.failures.push(self.missing(document, entry, text, &target));
        }
    }

    fn missing(&self, document: &Document, entry: &Node, text: &str, target: &str) -> Diagnostic {
        let finding =
            Diagnostic::error("dangling-reference", format!("the kustomization lists `{text}`, which is not there"))
                .at(document.location(entry.at));
        match closest(target, self.all.files.keys().map(String::as_str)) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None => finding.hint("a listed folder needs a kustomization.yaml of its own"),
        }
    }
}

/// Files and folders that the kustomizations among `files` name and that are not among them.
pub(super) fn outside(files: &Files) -> Vec<String> {
    let all = Kustomizations::of(files);
    let named = all.roots.iter().flat_map(|(root, document)| {
        let entries = document.iter().flat_map(|document| entries(document, REFERRING));
        entries.filter(|entry| !is_remote(entry)).map(|entry| join(root, entry)).collect::<Vec<_>>()
    });
    named.filter(|target| !files.contains_key(target) && !all.roots.contains_key(target.as_str())).collect()
}

fn fields(document: &Document) -> impl Iterator<Item = &str> {
    let entries = if let NodeValue::Map(entries) = &document.root.value { entries.as_slice() } else { &[] };
    entries.iter().map(|(key, _)| key.name.as_str())
}

fn entries<'a>(document: &'a Document, fields: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let lists = fields.iter().filter_map(|field| document.root.get(field).and_then(Node::as_list));
    lists.flatten().filter_map(Node::as_str)
}

/// Every text in a document that could be a path.
fn texts(node: &Node) -> Vec<&str> {
    match &node.value {
        NodeValue::String(text) => vec![text.as_str()],
        NodeValue::List(items) => items.iter().flat_map(texts).collect(),
        NodeValue::Map(entries) => entries.iter().flat_map(|(_, value)| texts(value)).collect(),
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) => Vec::new(),
    }
}

/// Whether Kustomize would fetch it (`api/internal/git/repospec.go`).
fn is_remote(entry: &str) -> bool {
    entry.contains("://")
        || entry.contains("?ref=")
        || entry.starts_with("git@")
        || ["github.com/", "gitlab.com/", "bitbucket.org/"].iter().any(|host| entry.starts_with(host))
}

fn remote(document: &Document, root: &str, entry: &Node, text: &str) -> Diagnostic {
    let folder = if root.is_empty() { "." } else { root };
    Diagnostic::error("remote-base", format!("the kustomization lists `{text}`, which airtight does not fetch"))
        .at(document.location(entry.at))
        .hint(format!("render it where there is a network: `kubectl kustomize {folder} | airtight matrix -m -`"))
}

/// The error where a kustomization asks for a program and there is none to run.
pub(super) fn unrendered(folder: &str, field: &str, by: &Document) -> Diagnostic {
    let at = match &by.root.value {
        NodeValue::Map(entries) => entries.iter().find(|(key, _)| key.name == field).map(|(key, _)| key.at),
        _ => None,
    };
    let folder = if folder.is_empty() { "." } else { folder };
    Diagnostic::error("kustomize-unsupported", format!("airtight does not apply `{field}` of a kustomization"))
        .at(by.location(at.unwrap_or(by.root.at)))
        .hint(format!("render it first (`kubectl kustomize {folder} > rendered.yaml`) and load the result"))
}

/// Other programs have kinds of their own in files of these names.
fn is_kustomization(name: &str, documents: &[Document]) -> bool {
    let foreign = documents.first().and_then(|document| document.root.get("apiVersion")).and_then(Node::as_str);
    is_name(name.rsplit('/').next().unwrap_or_default())
        && foreign.is_none_or(|api| api.starts_with("kustomize.config.k8s.io/"))
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
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "." | "")) => {
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
