//! The Kubernetes API as far as provisioning needs it.

use serde_json::Value;

use super::failure::Failure;
use super::gate::Lookup;
use super::plan::Source;
use super::program::Bounds;

/// A cluster's API server.
pub trait Cluster: Sync {
    /// Whether it says that it is ready.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn ready(&self, bounds: Bounds<'_>) -> Result<bool, Failure>;

    /// The object, or the list of objects; none if the object does not exist.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn get(&self, lookup: &Lookup, bounds: Bounds<'_>) -> Result<Option<Value>, Failure>;

    /// Applies manifests by server-side apply, as the owner of their fields.
    ///
    /// # Errors
    /// When an object is refused.
    fn apply(&self, source: &Source, bounds: Bounds<'_>) -> Result<(), Failure>;

    /// Deletes the objects of these resources, in all namespaces, that have a label.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    fn delete_labelled(&self, resources: &[&str], label: &str, bounds: Bounds<'_>) -> Result<(), Failure>;
}
