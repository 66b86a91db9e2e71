//! Disagreements that are upstream bugs: each is named, with its version and its source.

use std::path::Path;
use std::sync::Arc;

use airtight_manifest::{Failure, yaml};
use serde::Deserialize;

/// A disagreement that is the engine's own fault, or out of what it can be asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    pub(crate) name: String,
    pub(crate) engine: String,
    /// Versions of the engine.
    pub(crate) versions: Vec<String>,
    /// Texts that the smallest world has, all of them.
    pub(crate) has: Vec<String>,
    /// What each says: the model, the engine.
    pub(crate) model: String,
    pub(crate) says: String,
    /// The upstream bug.
    #[expect(dead_code, reason = "for the reader of the file")]
    pub(crate) upstream: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    exceptions: Vec<Exception>,
}

/// The exceptions of one engine at one version.
///
/// # Errors
/// The file is missing, or not as it should be.
pub(crate) fn read(path: &Path, engine: &str, version: &str) -> Result<Vec<Exception>, Failure> {
    let fail = |why: String| Failure::new("exceptions", format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let name: Arc<str> = path.display().to_string().into();
    let documents = yaml::parse(&name, &text).map_err(|error| fail(error.to_string()))?;
    let document = documents.first().ok_or_else(|| fail("it is empty".to_owned()))?;
    let listed: Listed = serde_json::from_value(document.root.to_json()).map_err(|error| fail(error.to_string()))?;
    let mut exceptions = listed.exceptions;
    exceptions.retain(|one| one.engine == engine && one.versions.iter().any(|known| known == version));
    Ok(exceptions)
}

impl Exception {
    /// Whether it is this disagreement of this world.
    pub(crate) fn covers(&self, world: &str, model: &str, engine: &str) -> bool {
        self.model == model && self.says == engine && self.has.iter().all(|text| world.contains(text.as_str()))
    }
}
