//! Guests: what a run puts on somebody else's cluster, and takes away again.
//!
//! Everything that is made carries the label [`RUN_LABEL`] with the run's name, and belongs to a namespace of that name
//! (Kubernetes "Owners and dependents": an owner may be cluster-wide), so that what is not deleted one by one goes with
//! it. Objects are created, never applied: a creation is the one call that cannot overwrite what somebody else made.

mod ephemeral;
mod leftover;
mod listener;
mod made;
mod service;
mod stand_in;
mod survey;

pub use ephemeral::{Entered, NAME as EPHEMERAL, enter};
pub use leftover::{Leftover, leftovers};
pub use made::reference;
pub use service::{account, service};
pub use stand_in::{LeftOut, StandIn, stand_in};
pub use survey::{Survey, Workload, lacking};

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use airtight_cluster::apply::create;
use airtight_cluster::discovery::{Kinds, Known};
use airtight_cluster::pod::{Pod, is_hopeless};
use airtight_cluster::wait::{Look, Patience, until};
use airtight_cluster::{ApiCall, Cluster, retry};
use airtight_manifest::Failure;
use serde_json::{Value, json};

use self::made::{Made, dressed};

/// By this label everything that a run made is found again; its value is the run's name.
pub const RUN_LABEL: &str = "airtight.dev/run";

/// By this annotation what was made last is removed first.
pub(super) const ORDER: &str = "airtight.dev/order";

/// How the names of runs begin.
pub(super) const PREFIX: &str = "airtight-run-";

/// How long one object's creation is tried at most.
const CREATION: Duration = Duration::from_secs(30);

/// What a run has put on a cluster. It is removed when this is dropped, at the latest.
pub struct Guests<'c> {
    /// For everything but removal: it may be over at any moment.
    cluster: &'c dyn Cluster,
    /// For removal.
    always: &'c dyn Cluster,
    patience: Patience,
    run: String,
    /// The namespace of the run's name, once it is made.
    owner: Option<Value>,
    made: Vec<Made>,
    known: Known,
    removed: bool,
}

impl<'c> Guests<'c> {
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
    /// When another run's guests are there, and when an object cannot be read.
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
        self.made.push(Made { uid: None, ..Made::of(&body, path.clone()) });
        match self.create(&collection, &path, &body) {
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

    /// Waits until the pods of stand-ins are ready, all of them.
    ///
    /// # Errors
    /// When one does not become ready in time, with what its kubelet says.
    pub fn wait_for(&self, pods: &[(String, String)], image: &str) -> Result<Duration, Failure> {
        let begin = Instant::now();
        let mut open: Vec<&(String, String)> = pods.iter().collect();
        let waited = until(self.patience, &|| self.cluster.is_over(), || {
            let (mut why, mut still) = (None, Vec::new());
            for name in &open {
                let Some(reason) = self.unready(name, image)? else { continue };
                let reason_of = format!("{}/{}: {reason}", name.0, name.1);
                if is_hopeless(&reason) {
                    return Err(never_ready(&reason_of, image));
                }
                why = Some(reason_of);
                still.push(*name);
            }
            open = still;
            Ok(why.map_or(Look::Done(()), Look::Open))
        })?;
        waited.map(|()| begin.elapsed()).map_err(|late| never_ready(&late.last, image))
    }

    /// The same patience with equal pauses.
    fn steady(&self) -> Patience {
        Patience::steady(self.patience.within, self.patience.first_pause)
    }

    fn unready(&self, (namespace, name): &(String, String), image: &str) -> Result<Option<String>, Failure> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let answer = self.cluster.send(&ApiCall::get(&path))?;
        let pod = Pod::read(&answer.body, image).filter(|_| answer.accepted());
        Ok(match pod {
            Some(pod) if pod.unready.is_none() && pod.address.is_none() => Some("it has no address".to_owned()),
            Some(pod) => pod.unready,
            None => Some(format!("it cannot be read ({}): {}", answer.status, answer.message())),
        })
    }

    /// Removes everything that was made, the last first, once. What could not be removed, each with the reason.
    pub fn remove(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.removed, true) {
            return Vec::new();
        }
        let end = Instant::now() + self.patience.within;
        let owner = self.owner.as_ref().map(|owner| Made::of(owner, format!("/api/v1/namespaces/{}", self.run)));
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
        let stored = self
            .create("/api/v1/namespaces", &path, &body)
            .map_err(|refused| refused.error(&format!("Namespace {}", self.run)))?;
        self.owner = Some(stored.clone());
        Ok(stored)
    }

    /// Where an object is created, and where it is then.
    fn places(&mut self, object: &Value) -> Result<(String, String), Failure> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("/apiVersion").to_owned(), text("/kind").to_owned());
        let served = self.known.resource(self.cluster, &version, &kind)?;
        let namespace = if text("/metadata/namespace").is_empty() { "default" } else { text("/metadata/namespace") };
        Ok((served.collection(Some(namespace)), served.at(Some(namespace), text("/metadata/name"))))
    }

    /// Creates, again while that may help. A creation whose answer was lost is found by the run's label.
    fn create(&self, collection: &str, path: &str, body: &Value) -> Result<Value, Refused> {
        let patience = Patience::steady(self.patience.within.min(CREATION), self.patience.first_pause);
        let mut lost = false;
        let created = until(patience, &|| self.cluster.is_over(), || {
            Ok(Look::Open(match create(self.cluster, collection, body) {
                Ok(answer) if answer.accepted() => return Ok(Look::Done(answer.body)),
                Ok(answer) if answer.status == 409 && lost => return self.own(path).map(Look::Done),
                Ok(answer) if retry::creation(&answer) => {
                    lost |= answer.status >= 500;
                    Refused { why: answer.words(), certain: !lost, status: answer.status }
                }
                Ok(answer) => return Err(Refused { why: answer.words(), certain: true, status: answer.status }),
                Err(error) => {
                    lost = true;
                    Refused { why: error.message, certain: false, status: 0 }
                }
            }))
        })?;
        created.map_err(|late| late.last)
    }

    /// The object at a path, if it is this run's.
    fn own(&self, path: &str) -> Result<Value, Refused> {
        let unknown = |why: String| Refused { why, certain: false, status: 0 };
        let answer = self.cluster.send(&ApiCall::get(path)).map_err(|error| unknown(error.message))?;
        if !answer.accepted() {
            return Err(unknown(answer.words()));
        }
        if made::run_of(&answer.body) == Some(self.run.as_str()) {
            return Ok(answer.body);
        }
        Err(Refused { why: "it exists, and is not this run's".to_owned(), certain: true, status: 409 })
    }
}

impl Drop for Guests<'_> {
    fn drop(&mut self) {
        // Only an error or a panic comes here with something left to remove, and has its own message.
        let _ = self.remove();
    }
}

fn never_ready(why: &str, image: &str) -> Failure {
    Failure::new("stand-ins", format!("stand-ins do not become ready; {why}"))
        .hint(format!("can every node pull {image}? --probe-image names another, --wait gives more time"))
}

/// Why an object was not created.
struct Refused {
    why: String,
    /// Whether it is known that nothing was stored.
    certain: bool,
    status: u16,
}

impl Refused {
    fn error(self, what: &str) -> Failure {
        let hint = match self.status {
            403 if self.why.contains("webhook") => "admission refuses it; the policy it names must let it pass",
            403 => "`airtight rbac` with the same flags prints the role that this takes",
            404 => "its namespace, or its component, is not there",
            409 => "take it out of --manifests, or delete it",
            _ => "the API server's words say what it did not like",
        };
        Failure::new("not-made", format!("{what} cannot be made: {}", self.why)).hint(hint)
    }
}

/// Kinds of which a cluster lacks the resource, of those that objects have: `(apiVersion, kind)`.
///
/// # Errors
/// When the API server does not tell what it serves.
pub fn unserved_kinds(cluster: &dyn Cluster, objects: &[Value]) -> Result<BTreeSet<(String, String)>, Failure> {
    let text = |object: &Value, key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let all: BTreeSet<_> = objects.iter().map(|object| (text(object, "apiVersion"), text(object, "kind"))).collect();
    let kinds = Kinds::new(cluster);
    let mut missing = BTreeSet::new();
    for (version, kind) in all {
        if kinds.find(&version, &kind)?.is_none() {
            missing.insert((version, kind));
        }
    }
    Ok(missing)
}
