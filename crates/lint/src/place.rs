//! Where objects stand: which lines of a file are whose.

use std::collections::BTreeMap;
use std::sync::Arc;

use airtight_manifest::{Diagnostic, Document, Location, Node, ObjectRef};

/// Where each object begins.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<ObjectRef, Location>);

impl Places {
    pub(crate) fn of(documents: &[Document]) -> Self {
        let placed = documents.iter().filter_map(|one| Some((object(one)?, one.location(one.root.at))));
        Self(placed.collect())
    }

    /// The places that a finding speaks of: its own, and those of the objects that it is about.
    pub(crate) fn spoken_of<'a>(&'a self, finding: &'a Diagnostic) -> impl Iterator<Item = &'a Location> {
        finding.location.iter().chain(finding.about.iter().filter_map(|object| self.0.get(object)))
    }
}

/// Which object a document is.
pub(crate) fn object(document: &Document) -> Option<ObjectRef> {
    let metadata = document.root.get("metadata")?;
    let text = |key: &str| metadata.get(key).and_then(Node::as_str);
    Some(ObjectRef::new(document.root.get("kind")?.as_str()?, text("namespace"), text("name")?))
}

/// The lines of one YAML document, first to last, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) file: Arc<str>,
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Lines {
    pub(crate) fn contain(&self, place: &Location) -> bool {
        self.file == place.file && (self.first..=self.last).contains(&place.position.line)
    }
}

/// The documents of a text. Comments before the first line of content belong to what follows.
pub(crate) fn documents(file: &Arc<str>, text: &str) -> Vec<Lines> {
    let mut found: Vec<Lines> = Vec::new();
    let (mut first, mut last, mut filled) = (1, 0, false);
    for (number, line) in (1_u32..).zip(text.lines()) {
        if filled && line.starts_with("---") {
            found.push(Lines { file: Arc::clone(file), first, last });
            (first, filled) = (number, false);
        }
        let content = line.split('#').next().unwrap_or_default().trim();
        filled |= !content.is_empty() && !line.starts_with("---");
        last = number;
    }
    found.push(Lines { file: Arc::clone(file), first, last });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_before_a_document_belong_to_it() {
        let text = "# of the first\n---\na: 1\n---\n# of the second\nb: 2\n--- # odd\nc: 3\n";
        let lines: Vec<(u32, u32)> =
            documents(&Arc::from("x"), text).iter().map(|lines| (lines.first, lines.last)).collect();
        assert_eq!(lines, [(1, 3), (4, 6), (7, 8)]);
    }
}
