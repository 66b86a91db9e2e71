//! Changes that cases presuppose, really made on a cluster of ours, and unmade.

use std::time::Duration;

use airtight_cluster::discovery::{Kinds, Served};
use airtight_cluster::pod::{Pod, is_hopeless};
use airtight_cluster::read::{object, text};
use airtight_cluster::wait::{Look, Patience, until};
use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Impersonated, Verb};
use airtight_manifest::{Failure, ObjectRef};
use airtight_model::world::{Act, ApiRequest, ApiUser};
use serde_json::Value;

use crate::generation::Generated;
use crate::options::Options;

/// How long an object may take to be gone, a namespace with its pods included.
const GONE: Duration = Duration::from_secs(90);

/// What the API server keeps of an object by itself.
const SERVER_FIELDS: [&str; 6] =
    ["resourceVersion", "uid", "creationTimestamp", "managedFields", "generation", "selfLink"];

/// One object as it was before a change.
struct Made {
    served: Served,
    target: ObjectRef,
    before: Option<Value>,
    /// As the API server knows it, once it is known.
    uid: Option<String>,
}

/// What was changed.
pub(super) struct Changes<'c> {
    cluster: &'c dyn Cluster,
    /// Through it changes are unmade, also when the user has ended the run.
    always: &'c dyn Cluster,
    /// On whose behalf a change may be unmade that admission lets nobody else make.
    users: Vec<Impersonated>,
    made: Vec<Made>,
}

pub(super) fn impersonated(user: &ApiUser) -> Impersonated {
    Impersonated { name: user.name.clone(), groups: user.groups.clone() }
}

/// Somebody who may do everything and whom Kyverno leaves alone as it is installed (its chart, `config.excludeGroups`):
/// what admission let nobody undo would stay.
fn restorer() -> Impersonated {
    let groups = ["system:masters", "system:nodes"].map(str::to_owned).to_vec();
    Impersonated { name: "airtight-restores".to_owned(), groups }
}

impl<'c> Changes<'c> {
    pub(super) fn new(cluster: &'c dyn Cluster, always: &'c dyn Cluster, users: Vec<Impersonated>) -> Self {
        let users = std::iter::once(restorer()).chain(users).collect();
        Self { cluster, always, users, made: Vec::new() }
    }

    /// Makes a change on behalf of its user.
    ///
    /// # Errors
    /// When it is not accepted.
    pub(super) fn make(&mut self, request: &ApiRequest) -> Result<ApiAnswer, Failure> {
        let ApiRequest { by, change } = request;
        let wanted = change.value();
        let version = wanted.as_ref().map(|object| text(object, "/apiVersion"));
        let served = Kinds::new(self.cluster).resource(&change.target.kind, version)?;
        let target = change.target.clone();
        let before = object(self.cluster, &served.path(&target))?;
        let sent = match change.act {
            Act::Delete => None,
            Act::Apply | Act::Update => wanted,
        };
        // What may have been made must be unmade, whatever is known of it: an answer may be lost.
        let uid = before.as_ref().map(|before| text(before, "/metadata/uid").to_owned());
        self.made.push(Made { served: served.clone(), target: target.clone(), before: before.clone(), uid });
        let answer = send(self.cluster, &served, &target, before.as_ref(), sent, Some(&impersonated(by)))?;
        if answer.accepted() {
            if let Some(made) = self.made.last_mut().filter(|made| made.uid.is_none()) {
                made.uid = Some(text(&answer.body, "/metadata/uid").to_owned());
            }
            return Ok(answer);
        }
        self.made.pop();
        Err(Failure::new("not-changed", format!("what was to happen before did not: {request}: {}", answer.words())))
    }

    /// Waits until the pods among what was made are ready.
    ///
    /// # Errors
    /// When one does not become ready.
    pub(super) fn wait_for_pods(&self, options: &Options) -> Result<(), Failure> {
        let pods: Vec<&Made> = self.made.iter().filter(|made| &*made.target.kind == "Pod").collect();
        let patience = Patience { within: options.patience, ..Patience::default() };
        let waited = until(patience, &|| self.cluster.is_over(), || {
            for made in &pods {
                let found = object(self.cluster, &made.served.path(&made.target))?;
                let read = found.as_ref().and_then(|pod| Pod::read(pod, &options.image));
                let why = read.map_or_else(|| Some("it is not there".to_owned()), |pod| pod.unready);
                if let Some(why) = why.as_deref().filter(|why| is_hopeless(why)) {
                    let message = format!("what was to happen before did not: {}: {why}", made.target);
                    return Err(Failure::new("not-changed", message));
                }
                if let Some(why) = why {
                    return Ok(Look::Open(format!("{}: {why}", made.target)));
                }
            }
            Ok::<_, Failure>(Look::Done(()))
        })?;
        waited.map_err(|late| Failure::new("not-changed", format!("what was to happen before did not: {}", late.last)))
    }

    /// Makes everything as it was, the last change first; what is still different, each with the reason.
    pub(super) fn unmake(&self) -> Vec<String> {
        let undone = self.made.iter().rev().filter_map(|made| {
            let why = self.restore(made).err()?;
            Some(format!("{} is not as it was: {why}", made.target))
        });
        undone.collect()
    }

    fn restore(&self, made: &Made) -> Result<(), String> {
        let path = made.served.path(&made.target);
        let now = object(self.always, &path).map_err(|error| error.to_string())?;
        match (&made.before, now) {
            (None, None) => Ok(()),
            (None, Some(now)) => self.remove(&made.served, &made.target, &now),
            (Some(before), Some(now)) if is_alike(before, &now) => Ok(()),
            (Some(before), now) => self.put_back(made, now.as_ref(), before),
        }
    }

    /// Removes an object, and waits until it is gone.
    fn remove(&self, served: &Served, target: &ObjectRef, now: &Value) -> Result<(), String> {
        self.as_somebody(|user| send(self.always, served, target, Some(now), None, user))?;
        let path = served.path(target);
        let gone = until(Patience::steady(GONE, Duration::from_millis(500)), &|| false, || {
            let there = object(self.always, &path)?;
            Ok::<_, Failure>(there.map_or(Look::Done(()), |_| Look::Open(())))
        });
        match gone {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(format!("it is still there after {} s", GONE.as_secs())),
            Err(error) => Err(error.to_string()),
        }
    }

    fn put_back(&self, made: &Made, now: Option<&Value>, before: &Value) -> Result<(), String> {
        let mut body = before.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|field, _| !SERVER_FIELDS.contains(&field.as_str()));
        }
        self.as_somebody(|user| send(self.always, &made.served, &made.target, now, Some(body.clone()), user))
    }

    /// Sends as oneself, and where that is refused as one user after the other.
    fn as_somebody(&self, send: impl Fn(Option<&Impersonated>) -> Result<ApiAnswer, Failure>) -> Result<(), String> {
        let mut refusals = Vec::new();
        for user in std::iter::once(None).chain(self.users.iter().map(Some)) {
            let answer = send(user).map_err(|error| error.to_string())?;
            if answer.accepted() || answer.status == 404 {
                return Ok(());
            }
            refusals.push(answer.words());
        }
        Err(refusals.swap_remove(0))
    }

    /// Removes what was generated of the changes and stays when everything is as it was. What others make meanwhile is
    /// theirs.
    pub(super) fn remove_generated(&self, stays: &[Generated]) -> Vec<String> {
        let of_ours = |each: &&Generated| self.made.iter().any(|made| made.uid.as_deref() == Some(&each.trigger));
        let removed = stays.iter().filter(of_ours).filter_map(|Generated { target, served, .. }| {
            let now = object(self.always, &served.path(target)).map_err(|error| error.to_string());
            let removed = now.and_then(|now| now.map_or(Ok(()), |now| self.remove(served, target, &now)));
            Some(format!("{target} was generated and stays: {}", removed.err()?))
        });
        removed.collect()
    }
}

/// Sends an object in the place of `now`, or removes it.
fn send(
    cluster: &dyn Cluster,
    served: &Served,
    target: &ObjectRef,
    now: Option<&Value>,
    body: Option<Value>,
    user: Option<&Impersonated>,
) -> Result<ApiAnswer, Failure> {
    let (one, all) = (served.path(target), served.collection(target.namespace.as_deref()));
    let Some(mut body) = body else {
        return cluster.send(&ApiCall { verb: Verb::Delete, path: &one, body: None, user });
    };
    match now {
        Some(now) => {
            body["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
            cluster.send(&ApiCall { verb: Verb::Replace, path: &one, body: Some(&body), user })
        }
        None => cluster.send(&ApiCall { verb: Verb::Create, path: &all, body: Some(&body), user }),
    }
}

/// Whether two states of an object say the same, whatever the API server keeps beside.
fn is_alike(one: &Value, other: &Value) -> bool {
    let differs = |path: &str| one.pointer(path) != other.pointer(path);
    let own = |object: &Value| {
        let fields = object.as_object().into_iter().flatten();
        let said = fields.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status"));
        said.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
    };
    own(one) == own(other) && !differs("/metadata/labels")
}
