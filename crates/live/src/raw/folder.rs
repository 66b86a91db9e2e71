//! The evidence folder of a run on a cluster: what was seen, as it came, beside the verdicts.

use std::collections::BTreeMap;

use airtight_cluster::Cluster;
use airtight_matrix::run::RunRecord;
use serde_json::{Value, json};

use super::objects::EvidenceObject;
use super::recorder::Recorder;
use super::redact::{redact, redact_text};
use crate::detect::{Installed, running_images};

/// What a run keeps besides its verdicts.
pub struct EvidenceFolder<'a> {
    /// What was answered and observed.
    pub recorder: &'a Recorder,
    /// What the cluster is: versions, settings, and the digests of the images that run.
    pub cluster: Value,
    /// The objects of the manifests, and those that the run made.
    pub objects: Vec<EvidenceObject>,
}

impl EvidenceFolder<'_> {
    /// Its files by their names.
    #[must_use]
    pub fn files(&self, record: &RunRecord) -> BTreeMap<String, Vec<u8>> {
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

/// What the cluster is: versions, settings, and the digests of the images that run.
pub(crate) fn describe(
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

/// Takes secrets out of what observers and backends said of the cases.
pub fn without_secrets(record: &mut RunRecord) {
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
