//! The Kubernetes API as far as provisioning needs it.

use serde_json::Value;

use super::failure::StepFailure;
use super::gate::Lookup;
use super::plan::Source;
use super::program::Bounds;

/// A cluster's API server.
pub trait Cluster: Sync {
    /// Asks whether it is ready.
    ///
    /// # Errors
    /// When it says that it is not, or cannot be asked.
    fn ready(&self, bounds: Bounds<'_>) -> Result<(), StepFailure>;

    /// The object, or the list of objects; none if the object does not exist.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn get(&self, lookup: &Lookup, bounds: Bounds<'_>) -> Result<Option<Value>, StepFailure>;

    /// Applies manifests by server-side apply, as the owner of their fields: namespaces and definitions first.
    ///
    /// # Errors
    /// When manifests cannot be read, or an object is refused.
    fn apply(&self, source: &Source, bounds: Bounds<'_>) -> Result<(), StepFailure>;
}
