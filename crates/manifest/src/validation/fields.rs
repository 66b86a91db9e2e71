//! Paths of fields, the places where they were written, and what is refused there.

use std::fmt;
use std::ops::RangeInclusive;

use crate::diagnostic::Diagnostic;
use crate::node::{Node, NodeValue};
use crate::object::ObjectRef;
use crate::source::Position;
use crate::yaml::Document;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(&'static str),
    Index(usize),
    /// A key of labels or annotations, as it was written.
    Key(String),
}

/// The path of a field, as the API server writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// A path of fields below the object itself.
    pub(super) fn of(fields: &[&'static str]) -> Self {
        Self(fields.iter().copied().map(Step::Field).collect())
    }

    pub(super) fn field(&self, name: &'static str) -> Self {
        self.with(Step::Field(name))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// What was written there.
    pub(super) fn node<'n>(&self, root: &'n Node) -> Option<&'n Node> {
        self.0.iter().try_fold(root, |node, step| match step {
            Step::Field(name) => node.get(name),
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.as_list()?.get(*index),
        })
    }

    /// Where it was written, or what is nearest above it.
    fn place(&self, root: &Node) -> Position {
        let mut node = root;
        for step in &self.0 {
            let next = match (step, &node.value) {
                (Step::Field(name), _) => node.get(name),
                (Step::Key(key), _) => match node.entry(key) {
                    Some((key, _)) => return key.at,
                    None => None,
                },
                (Step::Index(index), NodeValue::List(items)) => items.get(*index),
                (Step::Index(_), _) => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.at
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if position == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}

/// What is refused of one object.
#[derive(Debug)]
pub(super) struct Refusals<'a> {
    object: &'a ObjectRef,
    document: &'a Document,
    findings: Vec<Diagnostic>,
}

impl<'a> Refusals<'a> {
    pub(super) fn of(object: &'a ObjectRef, document: &'a Document) -> Self {
        Self { object, document, findings: Vec::new() }
    }

    pub(super) fn into_findings(self) -> Vec<Diagnostic> {
        self.findings
    }

    /// The document as it was written.
    pub(super) fn root(&self) -> &'a Node {
        &self.document.root
    }

    pub(super) fn refuse(&mut self, path: &Path, message: impl fmt::Display) {
        let place = path.place(&self.document.root);
        let message = format!("{}: {path}: {message}", self.object);
        let hint = if message.contains("${") {
            "Flux fills in such variables: give airtight what `flux build kustomization` or envsubst prints"
        } else {
            "the API server refuses the object: correct the field"
        };
        let finding = Diagnostic::error("invalid-object", message).at(self.document.location(place));
        self.findings.push(finding.hint(hint));
    }

    /// Refuses a value that is not `well_formed`.
    pub(super) fn unless(&mut self, well_formed: bool, path: &Path, message: impl fmt::Display) {
        if !well_formed {
            self.refuse(path, message);
        }
    }

    /// Refuses a text that is empty or not written.
    pub(super) fn require(&mut self, text: Option<&str>, path: &Path) {
        self.unless(text.is_some_and(|text| !text.is_empty()), path, "a value is required");
    }

    pub(super) fn one_of(&mut self, text: Option<&str>, supported: &[&str], path: &Path) {
        if let Some(text) = text.filter(|text| !supported.contains(text)) {
            self.refuse(path, format!("unsupported value \"{text}\": supported values are {}", supported.join(", ")));
        }
    }

    pub(super) fn within(&mut self, number: i32, range: RangeInclusive<i32>, path: &Path) {
        let (first, last) = (*range.start(), *range.end());
        self.unless(range.contains(&number), path, format!("{number} must be between {first} and {last}"));
    }

    pub(super) fn not_negative(&mut self, number: Option<i32>, path: &Path) {
        self.unless(number.unwrap_or_default() >= 0, path, "must not be negative");
    }

    /// Refuses every text that was there before.
    pub(super) fn unique<'t>(&mut self, texts: impl IntoIterator<Item = (Path, &'t str)>) {
        let mut seen = std::collections::BTreeSet::new();
        for (path, text) in texts {
            self.unless(seen.insert(text), &path, format!("duplicate value \"{text}\""));
        }
    }
}
