//! Making a bundle.

use std::collections::BTreeMap;

use airtight_matrix::run::RunRecord;
use serde_json::{Map, Value};

use super::canonical::canonical;
use super::case::{VALID, records};
use super::manifest::{BUNDLE_SCHEMA, FileRecord, Manifest, Producer};
use super::seal::{checksum, digest, timestamp_query};
use super::statement::statement;
use super::{DIGEST, MANIFEST, PREDICATE, RAW, RUN, STATEMENT, TIMESTAMP_QUERY};
use crate::error::ReportError;
use crate::json;
use crate::moment::Moments;
use crate::tally::check;

/// The files of a run's bundle, by their path in it.
///
/// `raw` are the files of the run's evidence folder by name; `previous` is the SHA-256 of the manifest that this one
/// follows.
///
/// # Errors
/// [`ReportError::Inconsistent`] if the record contradicts itself, [`ReportError::Evidence`] if a raw file is not the one
/// that the run wrote, [`ReportError::Render`] if the record's start is no time.
pub fn build(
    record: &RunRecord,
    raw: &BTreeMap<String, Vec<u8>>,
    producer: Producer,
    previous: Option<String>,
) -> Result<BTreeMap<String, Vec<u8>>, ReportError> {
    check(record)?;
    check_raw(record, raw)?;
    let mut files = BTreeMap::from([(RUN.to_owned(), json::render(record)?.into_bytes())]);
    files.extend(raw.iter().map(|(name, content)| (format!("{RAW}/{name}"), content.clone())));
    for (name, case) in records(record)? {
        files.insert(name, canonical(&case)?);
    }
    let manifest = manifest(record, &files, producer, previous)?;
    files.extend(sealed(record, &manifest)?);
    Ok(files)
}

/// The manifest, and what is made of it.
pub(super) fn sealed(record: &RunRecord, manifest: &Manifest) -> Result<BTreeMap<String, Vec<u8>>, ReportError> {
    let text = canonical(manifest)?;
    let (statement, predicate) = statement(record, manifest, &text);
    Ok(BTreeMap::from([
        (DIGEST.to_owned(), checksum(&text)),
        (TIMESTAMP_QUERY.to_owned(), timestamp_query(&text)),
        (STATEMENT.to_owned(), canonical(&statement)?),
        (PREDICATE.to_owned(), canonical(&predicate)?),
        (MANIFEST.to_owned(), text),
    ]))
}

fn manifest(
    record: &RunRecord,
    files: &BTreeMap<String, Vec<u8>>,
    produced_by: Producer,
    previous: Option<String>,
) -> Result<Manifest, ReportError> {
    let moments = Moments::of(record, "an evidence bundle")?;
    let listed = files
        .iter()
        .map(|(name, content)| (name.clone(), FileRecord { sha256: digest(content), bytes: content.len() as u64 }));
    Ok(Manifest {
        schema: BUNDLE_SCHEMA.to_owned(),
        run: record.id.clone(),
        started: moments.start.to_string(),
        ended: moments.end.to_string(),
        valid_until: moments.end.checked_add(VALID).unwrap_or(moments.end).to_string(),
        testbed: record.testbed.clone(),
        stack: record.stack.clone(),
        tool: record.tool.clone(),
        summary: record.summary,
        produced_by,
        policies: policies(record)?,
        previous,
        files: listed.collect(),
    })
}

/// The digest of all policy objects: of their digests by name, as canonical JSON.
pub(super) fn policies(record: &RunRecord) -> Result<String, ReportError> {
    let objects: Map<String, Value> = record
        .policies
        .iter()
        .map(|policy| (policy.rule.object.to_string(), Value::String(policy.digest.clone())))
        .collect();
    Ok(digest(&canonical(&objects)?))
}

/// Raw files must be those that the run wrote, all of them.
fn check_raw(record: &RunRecord, raw: &BTreeMap<String, Vec<u8>>) -> Result<(), ReportError> {
    let none = BTreeMap::new();
    let known = record.evidence.as_ref().map_or(&none, |evidence| &evidence.files);
    for (name, expected) in known {
        match raw.get(name) {
            Some(content) if digest(content) == *expected => {}
            Some(_) => return Err(ReportError::Evidence { file: name.clone(), why: "was changed after the run" }),
            None => return Err(ReportError::Evidence { file: name.clone(), why: "is not there any more" }),
        }
    }
    match raw.keys().find(|name| !known.contains_key(*name)) {
        Some(name) => Err(ReportError::Evidence { file: name.clone(), why: "is none of the run's" }),
        None => Ok(()),
    }
}
