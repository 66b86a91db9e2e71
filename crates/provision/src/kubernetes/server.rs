//! What steps ask of the cluster that is brought up, and what they put on it.

use std::path::PathBuf;

use airtight_cluster::apply::apply;
use airtight_cluster::{Cluster, Container};
use serde_json::Value;

use super::connection::{Bounded, Connection};
use super::lookup::look;
use super::objects::{self, Object};
use super::refusal;
use crate::failure::StepFailure;
use crate::gate::Lookup;
use crate::plan::Source;
use crate::program::Bounds;

/// The API server of a kubeconfig of our own: the user's is never read.
pub struct Kubernetes {
    connection: Connection,
}

impl Kubernetes {
    /// The cluster of a kubeconfig, which need not be there before the first call.
    #[must_use]
    pub fn new(kubeconfig: PathBuf) -> Self {
        Self { connection: Connection::new(kubeconfig) }
    }

    /// Asks whether it is ready.
    ///
    /// # Errors
    /// When it says that it is not, or cannot be asked.
    pub fn ready(&self, bounds: Bounds<'_>) -> Result<(), StepFailure> {
        self.connection.within(bounds).ready().map_err(refusal::of_call)
    }

    /// The object, or the list of objects; none if the object does not exist.
    ///
    /// # Errors
    /// When it cannot be asked, or says what is neither.
    pub fn get(&self, lookup: &Lookup, bounds: Bounds<'_>) -> Result<Option<Value>, StepFailure> {
        look(&self.connection.within(bounds), lookup).map_err(refusal::of_call)
    }

    /// The log of a container; of one that is to be started again, that of its last attempt.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn log(&self, place: &Container, bounds: Bounds<'_>) -> Result<String, StepFailure> {
        self.connection.within(bounds).logs(place, jiff::Timestamp::UNIX_EPOCH).map_err(refusal::of_call)
    }

    /// Applies manifests by server-side apply, as the owner of their fields: namespaces and definitions first.
    ///
    /// # Errors
    /// When manifests cannot be read, or an object is refused.
    pub fn apply(&self, source: &Source, bounds: Bounds<'_>) -> Result<(), StepFailure> {
        let cluster = self.connection.within(bounds);
        objects::read(source, bounds)?.iter().try_for_each(|object| apply_one(&cluster, object))
    }
}

fn apply_one(cluster: &Bounded<'_>, object: &Object) -> Result<(), StepFailure> {
    let served = cluster.resource(&object.api_version, &object.kind).map_err(|failure| match failure.code {
        "not-served" => refusal::unserved(object),
        _ => refusal::of_call(failure),
    })?;
    let path = served.at(Some(object.namespace.as_deref().unwrap_or("default")), &object.name);
    let answer = apply(cluster, &path, &object.body).map_err(|failure| {
        let failure = refusal::of_call(failure);
        StepFailure { message: format!("{object}: {}", failure.message), ..failure }
    })?;
    if answer.accepted() { Ok(()) } else { Err(refusal::of_answer(&answer, &object.to_string())) }
}
