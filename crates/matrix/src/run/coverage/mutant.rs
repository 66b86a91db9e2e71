//! Mutants: a set of manifests with one thing changed.

use airtight_manifest::{Location, ObjectRef};
use serde::{Deserialize, Serialize};

use super::edit::{Edit, Path, written};

/// What is done to a set of manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// The whole object is taken away.
    RemoveObject,
    /// A rule, an item of a list, a field or a label is taken away.
    Drop,
    /// A value takes more than before.
    Widen,
    /// An action, a mode or an operator becomes its contrary.
    Flip,
}

/// One thing changed in one document.
#[derive(Debug, Clone)]
pub(super) struct Mutant {
    /// Index of the document.
    pub(super) document: usize,
    /// The object that it is.
    pub(super) object: ObjectRef,
    /// What is done.
    pub(super) operator: Operator,
    /// Where in the document; empty for the object as a whole.
    pub(super) path: Path,
    /// How; none if the object is taken away.
    pub(super) edit: Option<Edit>,
    /// The place of what is changed.
    pub(super) at: Location,
    /// What is changed, in words.
    pub(super) what: String,
}

impl Mutant {
    /// What tells it from all others, whatever lines it stands on.
    pub(super) fn id(&self) -> String {
        let Some(edit) = &self.edit else { return format!("{} removed", self.object) };
        let (object, path) = (&self.object, written(&self.path));
        match edit {
            Edit::Drop => format!("{object} {path} dropped"),
            Edit::Set(value) => format!("{object} {path} = {value}"),
            Edit::Rename(key, value) => format!("{object} {path} → {key}: {value}"),
            Edit::Move(key) => format!("{object} {path} → {key}"),
        }
    }
}
