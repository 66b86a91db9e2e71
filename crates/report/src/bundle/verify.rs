//! Telling what of a bundle was changed after it was made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Component, Path};

use serde_json::Value;

use super::build::{policies, sealed};
use super::canonical::canonical;
use super::case::records;
use super::manifest::{BUNDLE_SCHEMA, Manifest};
use super::seal::digest;
use super::{DIGEST, MANIFEST, PREDICATE, RUN, STATEMENT, TIMESTAMP_QUERY};
use crate::error::ReportError;
use crate::json;

/// What was done to a bundle after it was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alteration {
    /// A file is not what the manifest says.
    Changed(String),
    /// A file is gone.
    Removed(String),
    /// A file is there that the manifest does not name.
    Added(String),
    /// The manifest is another than the one that is known from elsewhere.
    AnotherManifest {
        /// The digest that was expected.
        expected: String,
        /// That of the bundle's.
        found: String,
    },
    /// The digests fit, and what the files say does not: someone changed a file and the manifest with it.
    Contradicts {
        /// The file.
        file: String,
        /// What it contradicts.
        what: &'static str,
    },
}

impl fmt::Display for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(file) => write!(f, "changed: {file}"),
            Self::Removed(file) => write!(f, "removed: {file}"),
            Self::Added(file) => write!(f, "added: {file}"),
            Self::AnotherManifest { expected, found } => {
                write!(f, "another manifest: its SHA-256 is {found}, and {expected} was expected")
            }
            Self::Contradicts { file, what } => write!(f, "contradicts {what}: {file}"),
        }
    }
}

/// What was changed in the bundle in `folder`; nothing of an unaltered one. `expected` is the SHA-256 of its manifest as it
/// is known from elsewhere: a signature, a time stamp, the manifest of a later bundle.
///
/// # Errors
/// [`ReportError::Bundle`] if the folder has no manifest, [`ReportError::Parse`] if that is none, and
/// [`ReportError::Schema`] if it is of another version.
pub fn verify(folder: &Path, expected: Option<&str>) -> Result<(Manifest, Vec<Alteration>), ReportError> {
    let unreadable = |source| ReportError::Bundle { path: folder.to_owned(), source };
    let text = fs::read(folder.join(MANIFEST)).map_err(unreadable)?;
    let manifest = parse(&text)?;
    let there = walk(folder).map_err(unreadable)?;
    let mut found = BTreeSet::new();
    let own = digest(&text);
    if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&own)) {
        found.insert(Alteration::AnotherManifest { expected: expected.to_owned(), found: own });
    }
    if canonical(&manifest)? != text {
        found.insert(Alteration::Changed(MANIFEST.to_owned()));
    }
    found.extend(files(folder, &manifest, &there));
    found.extend(contents(folder, &manifest)?);
    Ok((manifest, found.into_iter().collect()))
}

fn parse(text: &[u8]) -> Result<Manifest, ReportError> {
    let value: Value = serde_json::from_slice(text).map_err(|source| ReportError::Parse { source })?;
    match value["schema"].as_str() {
        Some(BUNDLE_SCHEMA) => serde_json::from_value(value).map_err(|source| ReportError::Parse { source }),
        other => Err(ReportError::Schema { found: other.unwrap_or_default().to_owned(), supported: BUNDLE_SCHEMA }),
    }
}

/// Every file below a folder by its path in it; what is neither file nor folder (a link, a device) is no file of a bundle,
/// and counts as one that was put there.
fn walk(folder: &Path) -> io::Result<BTreeMap<String, bool>> {
    let mut files = BTreeMap::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((path, name)) = open.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let own = entry.file_name().to_string_lossy().into_owned();
            let name = if name.is_empty() { own } else { format!("{name}/{own}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push((entry.path(), name));
            } else {
                files.insert(name, kind.is_file());
            }
        }
    }
    Ok(files)
}

/// Files that are made of the manifest, and the manifest.
const SEALS: [&str; 5] = [MANIFEST, DIGEST, TIMESTAMP_QUERY, STATEMENT, PREDICATE];

fn files(folder: &Path, manifest: &Manifest, there: &BTreeMap<String, bool>) -> Vec<Alteration> {
    let mut found = Vec::new();
    for (name, record) in &manifest.files {
        let content = fs::read(folder.join(name)).ok().filter(|_| is_within(name) && there.get(name) == Some(&true));
        match content {
            None if there.contains_key(name) => found.push(Alteration::Changed(name.clone())),
            None => found.push(Alteration::Removed(name.clone())),
            Some(content) if digest(&content) == record.sha256 && content.len() as u64 == record.bytes => {}
            Some(_) => found.push(Alteration::Changed(name.clone())),
        }
    }
    let known = |name: &String| manifest.files.contains_key(name) || SEALS.contains(&name.as_str());
    found.extend(there.keys().filter(|name| !known(name)).cloned().map(Alteration::Added));
    found
}

/// Whether a name leads to a file of the bundle, and nowhere else.
fn is_within(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// What the files say, held against each other: whoever changes one and its digest must change all that follow from it.
fn contents(folder: &Path, manifest: &Manifest) -> Result<Vec<Alteration>, ReportError> {
    let mut found = Vec::new();
    let contradicts = |file: &str, what| Alteration::Contradicts { file: file.to_owned(), what };
    let Ok(text) = fs::read_to_string(folder.join(RUN)) else { return Ok(found) };
    let Ok(record) = json::read(&text) else {
        found.push(contradicts(RUN, "itself"));
        return Ok(found);
    };
    let same = record.id == manifest.run
        && record.summary == manifest.summary
        && record.stack == manifest.stack
        && record.testbed == manifest.testbed
        && record.tool == manifest.tool
        && policies(&record)? == manifest.policies;
    if !same {
        found.push(contradicts(MANIFEST, "the record of the run"));
    }
    for (name, content) in sealed(&record, manifest)?.iter().filter(|(name, _)| *name != MANIFEST) {
        match fs::read(folder.join(name)) {
            Ok(there) if there == *content => {}
            Ok(_) => found.push(Alteration::Changed(name.clone())),
            Err(_) => found.push(Alteration::Removed(name.clone())),
        }
    }
    // Another version may word the same otherwise.
    if record.tool.version == env!("CARGO_PKG_VERSION") {
        for (name, case) in records(&record)? {
            let there = fs::read(folder.join(&name)).ok();
            if there.is_some_and(|there| canonical(&case).is_ok_and(|own| own != there)) {
                found.push(contradicts(&name, "the record of the run"));
            } else if !manifest.files.contains_key(&name) {
                found.push(Alteration::Removed(name));
            }
        }
    }
    Ok(found)
}
