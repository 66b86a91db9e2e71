//! What all OSCAL documents have: metadata, properties, resources.

use airtight_matrix::run::RunRecord;
use serde_json::{Value, json};

use crate::identity;
use crate::moment::Moments;
use crate::options::OscalVersion;
use crate::place::Places;
use crate::text::{clip, one_line};

/// The namespace of our properties.
pub(super) const NAMESPACE: &str = "https://airtight.dev/ns/oscal";

/// The names of the three documents, beside `run.json`.
pub(super) const PLAN: &str = "oscal-assessment-plan.json";

/// The most characters of one text.
const TEXT: usize = 2000;

/// A text on one line that is never empty.
pub(super) fn text(text: &str) -> String {
    let line = one_line(text);
    if line.is_empty() { "-".to_owned() } else { clip(&line, TEXT).into_owned() }
}

/// A token: a letter or `_` first, then letters, digits, `.`, `-` and `_`. Where `wanted` is none, what makes it one ends
/// with something of the whole name, so that two names never meet.
pub(super) fn token(wanted: &str, whole: &str) -> String {
    let plain: String =
        wanted.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect();
    let first = plain.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain_first = if first { plain.clone() } else { format!("_{plain}") };
    if plain_first == wanted {
        return plain_first;
    }
    let id = identity::lasting("token", whole);
    format!("{plain_first}-{}", &id[..8])
}

/// A property of ours.
pub(super) fn prop(name: &str, value: &str) -> Value {
    let value = text(value);
    json!({"name": name, "ns": NAMESPACE, "value": value})
}

pub(super) fn metadata(record: &RunRecord, title: &str, moments: Moments, version: OscalVersion) -> Value {
    json!({
        "title": title,
        "last-modified": moments.end.to_string(),
        "version": text(&record.id),
        "oscal-version": version.name(),
    })
}

/// Properties that say which run it was, and on what.
pub(super) fn run_props(record: &RunRecord) -> Vec<Value> {
    let mut props = vec![
        prop("run-id", &record.id),
        prop("testbed", &record.testbed),
        prop("stack", &record.stack.name),
        prop("airtight-version", &record.tool.version),
    ];
    let versions = record.stack.versions.iter();
    props.extend(versions.map(|(name, version)| {
        prop(&token(&format!("{}-version", name.replace(' ', "-").to_lowercase()), name), version)
    }));
    props
}

/// A resource of the back matter.
pub(super) fn resource(what: &str, name: &str, title: &str, description: &str) -> Value {
    json!({"uuid": identity::lasting(what, name), "title": text(title), "description": text(description)})
}

/// A reference to a resource of the back matter.
pub(super) fn back_reference(what: &str, name: &str) -> String {
    format!("#{}", identity::lasting(what, name))
}

/// The files that were read, and those with raw observations, each with its digest.
pub(super) fn files(record: &RunRecord) -> Vec<Value> {
    let places = Places::of(record);
    let inputs = record.inputs.iter().map(|(file, digest)| {
        file_resource(&format!("Input {}", places.relative(file)), &places.uri(file), digest, "input", file)
    });
    let evidence = record.evidence.iter().flat_map(|evidence| {
        let folder = places.uri(&evidence.folder);
        evidence.files.iter().map(move |(file, digest)| {
            let href = format!("{folder}/{}", Places::default().uri(file));
            file_resource(&format!("Raw observations {file}"), &href, digest, "evidence", file)
        })
    });
    inputs.chain(evidence).collect()
}

fn file_resource(title: &str, href: &str, digest: &str, what: &str, name: &str) -> Value {
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hashes = if is_digest { json!([{"algorithm": "SHA-256", "value": digest}]) } else { Value::Null };
    let mut resource = resource(what, name, title, "Its digest was taken when the run read or wrote it.");
    resource["rlinks"] = json!([{"href": href, "hashes": hashes}]);
    resource
}

/// The run itself.
pub(super) fn run_resource(record: &RunRecord) -> Value {
    let mut resource = resource(
        "run",
        &record.id,
        "The whole record of the run",
        "Every case with its trace, and everything else in this document.",
    );
    resource["rlinks"] = json!([{"href": "run.json", "media-type": "application/json"}]);
    resource
}

/// The program that tried the cases.
pub(super) fn harness(record: &RunRecord) -> Value {
    json!({
        "uuid": identity::lasting("component", "airtight"),
        "type": "software",
        "title": text(&record.tool.name),
        "description": "Tries flows that must be allowed and flows that must be denied, and says which layer decided.",
        "props": [{"name": "version", "value": text(&record.tool.version)}],
        "status": {"state": "operational"},
    })
}
