//! The objects that were expected on a cluster, or made there, with their digests.

use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::{Document, Node, digest};
use serde::Serialize;

use crate::temporary::{TemporaryResources, reference};

/// An object that was expected on the cluster, or made there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceObject {
    object: String,
    /// SHA-256 of the object as JSON with sorted members: of its manifest, or as it was sent.
    sha256: String,
    /// Whether this run made it.
    made: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

/// The manifests' objects, and what the run made besides.
#[must_use]
pub fn objects(documents: &[Document], resources: &TemporaryResources<'_>) -> Vec<EvidenceObject> {
    let made: BTreeMap<&str, &str> = resources.made().collect();
    let mut all: Vec<EvidenceObject> = documents.iter().map(|document| of_manifest(document, &made)).collect();
    let named: BTreeSet<String> = all.iter().map(|each| each.object.clone()).collect();
    let others = made.iter().filter(|(object, _)| !named.contains(**object));
    all.extend(others.map(|(object, digest)| EvidenceObject {
        object: (*object).to_owned(),
        sha256: (*digest).to_owned(),
        made: true,
        file: None,
        line: None,
    }));
    all
}

fn of_manifest(document: &Document, made: &BTreeMap<&str, &str>) -> EvidenceObject {
    let value = document.root.to_json();
    let object = reference(&value);
    let line = document.root.get("kind").map_or(document.root.at.line, |kind: &Node| kind.at.line);
    EvidenceObject {
        sha256: digest(&value),
        made: made.contains_key(object.as_str()),
        file: Some(document.file.to_string()),
        line: Some(line),
        object,
    }
}
