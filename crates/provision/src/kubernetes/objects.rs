//! Objects of manifests, in the order in which an API server takes them.

use std::fmt;
use std::fs;
use std::sync::Arc;

use airtight_cluster::kube::{NotFetched, fetch};
use airtight_cluster::read::{items, text};
use airtight_manifest::{Diagnostic, yaml};
use serde_json::Value;

use crate::bounded::within;
use crate::failure::StepFailure;
use crate::plan::Source;
use crate::probe_image::PROBE_IMAGE;
use crate::program::Bounds;

/// The annotation of a pod that says of which image of the probe it was made.
const PROBE_ANNOTATION: &str = "airtight.dev/probe-image";

/// An object to apply.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    /// Where it stands.
    pub(super) source: String,
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) body: Value,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, kind, namespace, name, .. } = self;
        let namespace = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        write!(f, "{source}: {kind} {namespace}{name}")
    }
}

/// The objects of manifests: what the others live in and are defined by first, otherwise as they are written.
pub(super) fn read(source: &Source, bounds: Bounds<'_>) -> Result<Vec<Object>, StepFailure> {
    let (name, text, probe) = match source {
        Source::Text { name, text, probe } => (name, text.clone(), probe.as_deref()),
        Source::Location(location) => (location, text_of(location, bounds)?, None),
    };
    let documents = yaml::parse(&Arc::from(name.as_str()), &text).map_err(|finding| unparsed(&finding))?;
    let mut objects = Vec::new();
    for document in &documents {
        take(name, document.root.to_json(), &mut objects)?;
    }
    if let Some(id) = probe {
        for object in &mut objects {
            mark(&mut object.body, id);
        }
    }
    objects.sort_by_key(|object| turn(&object.kind));
    Ok(objects)
}

/// Says in the template of pods that run the probe's image which one it is: the image's name never changes, and nothing
/// else would make them anew.
fn mark(workload: &mut Value, id: &str) {
    let Some(template) = workload.pointer_mut("/spec/template").filter(|template| runs_the_probe(template)) else {
        return;
    };
    template["metadata"]["annotations"][PROBE_ANNOTATION] = id.into();
}

fn runs_the_probe(template: &Value) -> bool {
    let lists = ["/spec/initContainers", "/spec/containers"];
    let containers = lists.into_iter().flat_map(|list| items(template, list));
    containers.into_iter().any(|container| text(container, "/image") == PROBE_IMAGE)
}

fn turn(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        _ => 2,
    }
}

fn text_of(location: &str, bounds: Bounds<'_>) -> Result<String, StepFailure> {
    if location.starts_with("https://") || location.starts_with("http://") {
        let url = location.to_owned();
        let fetched = within(bounds, &format!("fetching {location}"), move || fetch(&url))?;
        return fetched.map_err(|error| not_fetched(location, error));
    }
    fs::read_to_string(location).map_err(|error| {
        let message = format!("cannot read {location}: {error}");
        StepFailure::new("unreadable", message, "with --chart-dir, make the folder with `airtight bundle`")
    })
}

/// Takes an object, or those of a `List`.
fn take(source: &str, body: Value, objects: &mut Vec<Object>) -> Result<(), StepFailure> {
    if body["kind"] == "List" {
        let items = body["items"].as_array().cloned().unwrap_or_default();
        return items.into_iter().try_for_each(|item| take(source, item, objects));
    }
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let wanted = |pointer: &str| text(pointer).ok_or_else(|| nameless(source, pointer));
    objects.push(Object {
        source: source.to_owned(),
        api_version: wanted("/apiVersion")?,
        kind: wanted("/kind")?,
        namespace: text("/metadata/namespace"),
        name: wanted("/metadata/name")?,
        body,
    });
    Ok(())
}

fn not_fetched(url: &str, NotFetched { why, passing }: NotFetched) -> StepFailure {
    let hint =
        "check the network and HTTPS_PROXY; without one, run `airtight bundle` where there is, and give --chart-dir";
    let failure = StepFailure::new("manifest-unreachable", format!("cannot fetch {url}: {why}"), hint);
    StepFailure { transient: passing, ..failure }
}

fn nameless(source: &str, pointer: &str) -> StepFailure {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    let message = format!("{source}: an object without {field} cannot be applied");
    StepFailure::new("no-object", message, "every object needs apiVersion, kind and metadata.name")
}

fn unparsed(finding: &Diagnostic) -> StepFailure {
    let at = finding.location.as_ref().map(|location| format!("{location}: ")).unwrap_or_default();
    StepFailure::new("no-manifest", format!("{at}{}", finding.message), "see that the file is what its name says")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_of_the_probe_say_of_which_image_they_were_made() {
        let deployment = |image: &str| {
            let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"image": image}]}});
            json!({"kind": "Deployment", "spec": {"template": template}})
        };
        let mut ours = deployment(PROBE_IMAGE);
        mark(&mut ours, "sha256:1");
        assert_eq!(ours.pointer("/spec/template/metadata/annotations"), Some(&json!({PROBE_ANNOTATION: "sha256:1"})));
        for mut other in [deployment("nginx"), json!({"kind": "Service", "spec": {}})] {
            let before = other.clone();
            mark(&mut other, "sha256:1");
            assert_eq!(other, before);
        }
    }
}
