//! Files of this repository, by their paths from its top, wherever a test runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use airtight_manifest::{Document, load, yaml};

/// The top of the repository.
#[must_use]
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> =
        LazyLock::new(|| Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned());
    &ROOT
}

/// The text of a file.
#[must_use]
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a file, under its path from the top.
#[must_use]
pub fn documents(path: &str) -> Vec<Document> {
    yaml::parse(&Arc::from(path), &text(path)).unwrap_or_else(|finding| panic!("{path}: {finding}"))
}

/// The only document of a file, or the first one.
#[must_use]
pub fn document(path: &str) -> Document {
    documents(path).remove(0)
}

/// The documents of a folder and of all below it, as the program loads them. They are read once.
#[must_use]
pub fn folder(path: &str) -> Vec<Document> {
    static READ: Mutex<BTreeMap<String, Vec<Document>>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let documents = read.entry(path.to_owned()).or_insert_with(|| {
        load(&root().join(path)).unwrap_or_else(|findings| panic!("{path}: {findings:#?}")).documents
    });
    documents.clone()
}
