//! The objects of one run: made, counted, and removed at the end.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use airtight_cluster::Cluster;
use airtight_cluster::discovery::Known;
use airtight_cluster::wait::Patience;
use airtight_manifest::Failure;
use serde_json::{Value, json};

use super::created::{Created, RUN_LABEL, dressed, reference};
use super::creation::Creation;
use super::readiness;
use super::survey::{self, Survey};

/// How the names of runs begin.
pub(super) const PREFIX: &str = "airtight-run-";

/// What a run has put on a cluster. It is removed when this is dropped, at the latest.
pub struct TemporaryResources<'c> {
    /// For everything but removal: it may be over at any moment.
    pub(super) cluster: &'c dyn Cluster,
    /// For removal.
    always: &'c dyn Cluster,
    pub(super) patience: Patience,
    run: String,
    /// The namespace of the run's name, once it is made.
    owner: Option<Value>,
    made: Vec<Created>,
    known: Known,
    removed: bool,
}

impl<'c> TemporaryResources<'c> {
    /// Nothing yet. What is made goes through `cluster`; what is removed through `always`, which must work when the
    /// user has interrupted the run.
    #[must_use]
    pub fn new(cluster: &'c dyn Cluster, always: &'c dyn Cluster, patience: Patience) -> Self {
        let suffix = RandomState::new().hash_one(0_u8) >> 32;
        Self {
            cluster,
            always,
            patience,
            run: format!("{PREFIX}{suffix:08x}"),
            owner: None,
            made: Vec::new(),
            known: Known::default(),
            removed: false,
        }
    }

    /// The run's name, which is the value of [`RUN_LABEL`].
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// What was made: kind, namespace and name, and the SHA-256 of the object as it was sent.
    pub fn made(&self) -> impl Iterator<Item = (&str, &str)> {
        self.made.iter().map(|made| (made.what.as_str(), made.digest.as_str()))
    }

    /// How many objects were made.
    #[must_use]
    pub fn count(&self) -> usize {
        self.made.len()
    }

    /// Looks whether objects are there already.
    ///
    /// # Errors
    /// When another run's objects are there, and when an object cannot be read.
    pub fn survey(&mut self, objects: &[Value]) -> Result<Survey, Failure> {
        survey::survey(self, objects)
    }

    /// Creates an object.
    ///
    /// # Errors
    /// When it exists, and when the API server refuses it.
    pub fn make(&mut self, object: &Value) -> Result<(), Failure> {
        let owner = self.owner()?;
        let (collection, path) = self.places(object)?;
        let what = reference(object);
        let body = dressed(object, &self.run, &owner, self.made.len());
        // What may have been made must be removed, whatever is known of it.
        self.made.push(Created { uid: None, ..Created::of(&body, path.clone()) });
        let creation = Creation { cluster: self.cluster, run: &self.run, collection: &collection, path: &path };
        match creation.send(&body, self.patience) {
            Ok(stored) => {
                if let Some(made) = self.made.last_mut() {
                    made.uid = stored.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
                }
                Ok(())
            }
            Err(refused) => {
                if refused.certain {
                    self.made.pop();
                }
                Err(refused.error(&what))
            }
        }
    }

    /// Waits until the pods of stand-ins (namespace and name) are ready, all of them; how long it took.
    ///
    /// # Errors
    /// When one does not become ready in time, with what its kubelet says.
    pub fn wait_for(&self, pods: &[(String, String)], image: &str) -> Result<Duration, Failure> {
        let begun = Instant::now();
        readiness::wait_for(self.cluster, self.patience, pods, image)?;
        Ok(begun.elapsed())
    }

    /// Removes everything that was made, the last first, once. What could not be removed, each with the reason.
    pub fn remove(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.removed, true) {
            return Vec::new();
        }
        let end = Instant::now() + self.patience.within;
        let owner = self.owner.as_ref().map(|owner| Created::of(owner, format!("/api/v1/namespaces/{}", self.run)));
        let mut left = Vec::new();
        for made in self.made.iter().rev().chain(&owner) {
            let patience = Patience::steady(end.saturating_duration_since(Instant::now()), self.patience.first_pause);
            if let Err(why) = made.delete(self.always, &self.run, patience) {
                left.push(format!("{}: {why}", made.what));
            }
        }
        left
    }

    /// The namespace that everything belongs to, made when the first object is.
    fn owner(&mut self) -> Result<Value, Failure> {
        if let Some(owner) = &self.owner {
            return Ok(owner.clone());
        }
        let path = format!("/api/v1/namespaces/{}", self.run);
        let body = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": self.run, "labels": {RUN_LABEL: self.run}}});
        // Should the answer be lost, it is still to be deleted.
        self.owner = Some(body.clone());
        let collection = "/api/v1/namespaces";
        let creation = Creation { cluster: self.cluster, run: &self.run, collection, path: &path };
        let stored =
            creation.send(&body, self.patience).map_err(|refused| refused.error(&format!("Namespace {}", self.run)))?;
        self.owner = Some(stored.clone());
        Ok(stored)
    }

    /// Where an object is created, and where it is then.
    pub(super) fn places(&mut self, object: &Value) -> Result<(String, String), Failure> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("/apiVersion").to_owned(), text("/kind").to_owned());
        let served = self.known.resource(self.cluster, &version, &kind)?;
        let namespace = if text("/metadata/namespace").is_empty() { "default" } else { text("/metadata/namespace") };
        Ok((served.collection(Some(namespace)), served.at(Some(namespace), text("/metadata/name"))))
    }
}

impl Drop for TemporaryResources<'_> {
    fn drop(&mut self) {
        // Only an error or a panic comes here with something left to remove, and has its own message.
        let _ = self.remove();
    }
}
