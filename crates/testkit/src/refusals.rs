//! Vectors of what an API server refuses: an object that it accepts, with one place of it changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::{repository, vectors};

/// One object, and what is refused of it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What was changed, for messages.
    pub title: String,
    /// The object.
    pub object: Value,
    /// The paths of what is refused, in order; none if it is accepted.
    pub refused: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bases {
    bases: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    base: String,
    at: Option<String>,
    #[serde(default)]
    value: Value,
    refused: Vec<String>,
}

/// All vectors of refusals.
#[must_use]
pub fn all() -> Vec<Refusal> {
    let folder: PathBuf = repository::root().join("crates/manifest/tests/vectors/refusals");
    let bases: Bases = vectors::File { path: folder.join("_bases.yaml") }.read();
    let listed = vectors::listed::<Vector>(&folder);
    listed.into_iter().map(|(_, vector)| vector.applied(&bases.bases)).collect()
}

impl Vector {
    fn applied(self, bases: &BTreeMap<String, Value>) -> Refusal {
        let mut object = bases[&self.base].clone();
        let mut refused = self.refused;
        refused.sort();
        let Some(at) = self.at else { return Refusal { title: self.base, object, refused } };
        let title = format!("{}: {at} is {}", self.base, self.value);
        let (parent, last) = at.rsplit_once('/').unwrap();
        let fields = object.pointer_mut(parent).and_then(Value::as_object_mut);
        let fields = fields.unwrap_or_else(|| panic!("{title}: nothing is there"));
        if self.value.is_null() {
            fields.remove(last);
        } else {
            fields.insert(last.to_owned(), self.value);
        }
        Refusal { title, object, refused }
    }
}
