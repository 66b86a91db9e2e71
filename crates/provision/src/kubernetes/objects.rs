//! Objects of manifests, in the order in which an API server takes them.

use std::fmt;
use std::fs;
use std::sync::Arc;

use airtight_cluster::kube::{NotFetched, fetch};
use airtight_manifest::{Diagnostic, yaml};
use serde_json::Value;

use crate::bounded::within;
use crate::failure::StepFailure;
use crate::plan::Source;
use crate::program::Bounds;

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
    let (name, text) = match source {
        Source::Text { name, text } => (name, text.clone()),
        Source::Location(location) => (location, text_of(location, bounds)?),
    };
    let documents = yaml::parse(&Arc::from(name.as_str()), &text).map_err(|finding| unparsed(&finding))?;
    let mut objects = Vec::new();
    for document in &documents {
        take(name, document.root.to_json(), &mut objects)?;
    }
    objects.sort_by_key(|object| turn(&object.kind));
    Ok(objects)
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
