//! Vectors: YAML files in which input and expected output stand side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airtight_manifest::{Document, yaml};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A file with vectors.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
}

/// The form of most files: a list under `vectors`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed<V> {
    vectors: Vec<V>,
}

/// The files of a folder of the crate under test, in the order of their names. What begins with `_` is what others
/// build on.
pub fn files(folder: impl AsRef<Path>) -> Vec<File> {
    let folder = folder.as_ref();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml") && !name(path).starts_with('_'));
    paths.sort();
    assert!(!paths.is_empty(), "no vectors in {}", folder.display());
    paths.into_iter().map(|path| File { path }).collect()
}

/// The vectors that the files of a folder list under `vectors`, each with the path of its file.
pub fn listed<V: DeserializeOwned>(folder: impl AsRef<Path>) -> Vec<(String, V)> {
    let listed = |file: File| {
        let path = file.path.display().to_string();
        file.read::<Listed<V>>().vectors.into_iter().map(move |vector| (path.clone(), vector))
    };
    files(folder).into_iter().flat_map(listed).collect()
}

/// The vectors of which each is a document of a file, each with the path of its file.
pub fn each<V: DeserializeOwned>(folder: impl AsRef<Path>) -> Vec<(String, V)> {
    let each = |file: File| {
        let path = file.path.display().to_string();
        file.documents().into_iter().map(move |document| (path.clone(), decode(&path, &document)))
    };
    files(folder).into_iter().flat_map(each).collect()
}

fn decode<T: DeserializeOwned>(path: &str, document: &Document) -> T {
    serde_json::from_value(document.root.to_json()).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

impl File {
    /// A file by its path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its name, under which its documents are found.
    #[must_use]
    pub fn name(&self) -> &str {
        name(&self.path)
    }

    /// Its documents, as manifests are read.
    #[must_use]
    pub fn documents(&self) -> Vec<Document> {
        let text = fs::read_to_string(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        yaml::parse(&Arc::from(self.name()), &text).unwrap_or_else(|finding| panic!("{finding}"))
    }

    /// Its first document as a type.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self) -> T {
        decode(&self.path.display().to_string(), &self.documents()[0])
    }
}
