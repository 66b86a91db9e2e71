//! Where a thing was written: files, lines and columns.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;

/// A place inside one file; line and column count from 1, columns in characters.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// Line and column in one number, for serde's data model.
    pub(super) fn packed(self) -> u64 {
        u64::from(self.line) << 32 | u64::from(self.column)
    }

    /// What [`Self::packed`] made.
    pub(super) fn unpacked(packed: u64) -> Self {
        let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
        Self { line: half(packed >> 32), column: half(packed) }
    }
}

/// A place in a named file, printed as `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Location {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The place in it.
    #[serde(flatten)]
    pub position: Position,
}

impl Location {
    /// A location from its parts.
    #[must_use]
    pub fn new(file: &Arc<str>, position: Position) -> Self {
        Self { file: Arc::clone(file), position }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.position.line, self.position.column)
    }
}

/// The text of every file that was read, so that diagnostics can show the line at fault.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: BTreeMap<Arc<str>, Arc<str>>,
}

impl Sources {
    /// Remembers a file's text and returns its shared name.
    pub fn insert(&mut self, file: &str, text: &str) -> Arc<str> {
        let name: Arc<str> = Arc::from(file);
        self.texts.insert(Arc::clone(&name), Arc::from(text));
        name
    }

    /// The text of `file`, if it was read.
    #[must_use]
    pub fn text(&self, file: &str) -> Option<&str> {
        self.texts.get(file).map(AsRef::as_ref)
    }

    /// The texts of the files that findings speak of, as far as they can be read.
    #[must_use]
    pub fn of_files(findings: &[Diagnostic]) -> Self {
        let mut sources = Self::default();
        for file in findings.iter().filter_map(|finding| finding.location.as_ref()).map(|location| &location.file) {
            if sources.text(file).is_none() {
                sources.insert(file, &super::read::text_of(file));
            }
        }
        sources
    }

    /// Takes over all texts of `other`.
    pub fn extend(&mut self, other: Self) {
        self.texts.extend(other.texts);
    }

    /// Files in name order with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(file, text)| (file.as_ref(), text.as_ref()))
    }
}
