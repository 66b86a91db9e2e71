//! What is found while an object is decoded, and the path at which decoding stands.

use std::fmt::Write as _;

use crate::diagnostic::closest;
use crate::node::Key;
use crate::source::Position;

/// A field that the API does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// Its path, such as `spec.podSelector`.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub at: Position,
    /// The field that was probably meant.
    pub meant: Option<&'static str>,
    /// The fields that would have been accepted.
    pub accepted: &'static [&'static str],
}

/// A field that the API has and the engine does not model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmodelledField {
    /// Its path, such as `spec.ingress[0].authentication`.
    pub path: String,
    /// Where its value begins.
    pub at: Position,
}

#[derive(Default)]
pub(super) struct Findings<'n> {
    pub(super) path: Vec<Segment<'n>>,
    pub(super) unknown: Vec<UnknownField>,
    pub(super) unmodelled: Vec<UnmodelledField>,
}

#[derive(Clone, Copy)]
pub(super) enum Segment<'n> {
    Key(&'n str),
    Index(usize),
}

impl<'n> Findings<'n> {
    pub(super) fn path(&self) -> String {
        let mut text = String::new();
        for segment in &self.path {
            match segment {
                Segment::Key(key) if text.is_empty() => text.push_str(key),
                Segment::Key(key) => {
                    text.push('.');
                    text.push_str(key);
                }
                Segment::Index(index) => {
                    let _ = write!(text, "[{index}]");
                }
            }
        }
        text
    }

    pub(super) fn note_unknown(&mut self, key: &'n Key, accepted: &'static [&'static str]) {
        self.path.push(Segment::Key(&key.name));
        let path = self.path();
        self.path.pop();
        let meant = closest(&key.name, accepted.iter().copied());
        self.unknown.push(UnknownField { path, name: key.name.clone(), at: key.at, meant, accepted });
    }
}
