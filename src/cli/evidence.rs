//! The evidence folder of a run on a cluster: what was seen, as it came, beside the verdicts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use airtight_cluster::Cluster;
use airtight_live::detect::{Installed, running_images};
use airtight_live::guest::{Guests, reference};
use airtight_live::raw::{Recorder, redact, redact_text};
use airtight_manifest::{Node, digest};
use airtight_matrix::run::RunRecord;
use airtight_report::{Format, stage, write};
use serde::Serialize;
use serde_json::{Value, json};

use super::error::CliError;
use super::input::Inputs;

/// The folder, beside the reports.
const FOLDER: &str = "evidence";

/// What a run keeps besides its verdicts.
pub(super) struct Kept<'a> {
    pub(super) recorder: &'a Recorder,
    /// What the cluster is.
    pub(super) cluster: Value,
    /// The objects of the manifests, and those that the run made.
    pub(super) objects: Vec<KeptObject>,
}

/// An object that was expected on the cluster, or made there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeptObject {
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

/// What the cluster is: versions, settings, and the digests of the images that run.
pub(super) fn cluster(
    cluster: &dyn Cluster,
    server: &str,
    context: Option<&str>,
    installed: &Installed,
    probe: &str,
) -> Value {
    let images = match running_images(cluster, &installed.images(), probe) {
        Ok(images) => json!(images),
        Err(error) => json!({"unread": error.to_string()}),
    };
    json!({"server": server, "context": context, "installed": installed, "images": images})
}

/// The manifests' objects, and what guests are there besides.
pub(super) fn objects(inputs: &Inputs, guests: &Guests<'_>) -> Vec<KeptObject> {
    let made: BTreeMap<&str, &str> = guests.made().collect();
    let mut all = Vec::new();
    let mut named = BTreeSet::new();
    for document in &inputs.manifests.documents {
        let value = document.root.to_json();
        let object = reference(&value);
        let line = document.root.get("kind").map_or(document.root.at.line, |kind: &Node| kind.at.line);
        all.push(KeptObject {
            sha256: digest(&value),
            made: made.contains_key(object.as_str()),
            file: Some(document.file.to_string()),
            line: Some(line),
            object: object.clone(),
        });
        named.insert(object);
    }
    let others = made.iter().filter(|(object, _)| !named.contains(**object));
    all.extend(others.map(|(object, digest)| KeptObject {
        object: (*object).to_owned(),
        sha256: (*digest).to_owned(),
        made: true,
        file: None,
        line: None,
    }));
    all
}

impl Kept<'_> {
    fn files(&self, record: &RunRecord) -> BTreeMap<String, Vec<u8>> {
        let mut cluster = json!({"run": record.id, "started": record.started, "tool": record.tool});
        if let (Some(head), Some(rest)) = (cluster.as_object_mut(), self.cluster.as_object()) {
            head.extend(rest.clone());
        }
        redact(&mut cluster);
        let pretty = |value: &Value| format!("{value:#}\n").into_bytes();
        let file = |name: &str, content| (name.to_owned(), content);
        BTreeMap::from([
            file("admission.jsonl", self.recorder.admission()),
            file("answers.jsonl", self.recorder.answers()),
            file("cluster.json", pretty(&cluster)),
            file("objects.json", pretty(&json!(self.objects))),
            file("observers.jsonl", self.recorder.observers()),
        ])
    }
}

/// Takes secrets out of what observers and backends said of the cases.
fn without_secrets(record: &mut RunRecord) {
    for observation in record.cases.iter_mut().filter_map(|case| case.observation.as_mut()) {
        let evidence = &mut observation.evidence;
        for line in &mut evidence.logs {
            // JSON that holds no secret stays as it came, byte for byte.
            let clean = redact_text(line);
            if serde_json::from_str::<Value>(line).ok() != serde_json::from_str(&clean).ok() || !line.starts_with('{') {
                *line = clean;
            }
        }
        for (name, value) in &mut evidence.backend_headers {
            let mut pair = json!([name, value]);
            redact(&mut pair);
            if let Some(text) = pair.pointer("/1").and_then(Value::as_str) {
                text.clone_into(value);
            }
        }
    }
}

/// Writes the evidence folder and the reports, which point to it: all of them, or nothing.
///
/// # Errors
/// When the folder or a report cannot be written.
pub(super) fn write_with(
    kept: &Kept<'_>,
    folder: &Path,
    record: &mut RunRecord,
    formats: &[Format],
) -> Result<Vec<PathBuf>, CliError> {
    without_secrets(record);
    let existed = folder.is_dir();
    let written = stage(folder, FOLDER, &kept.files(record)).and_then(|staged| {
        record.evidence = Some(staged.record().clone());
        let published = staged.publish()?;
        match write(folder, record, formats) {
            Ok(mut written) => {
                written.push(published.keep());
                Ok(written)
            }
            Err(error) => {
                published.undo();
                Err(error)
            }
        }
    });
    if written.is_err() && !existed {
        // Only an empty folder goes; the error at hand says more than this one would.
        let _ = fs::remove_dir(folder);
    }
    Ok(written?)
}
