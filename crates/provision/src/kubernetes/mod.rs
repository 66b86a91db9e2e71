//! The Kubernetes API of the cluster that is brought up, with kube.

mod discovery;
mod fetch;
mod objects;
mod refusal;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_cluster::{ApiAnswer, ApiCall, Cluster as _, Verb};
use discovery::Served;
use objects::Object;
use serde_json::Value;

use super::bounded::within;
use super::cluster_api::Cluster;
use super::failure::StepFailure;
use super::gate::Lookup;
use super::plan::Source;
use super::program::Bounds;

/// How long one question may take, with all its attempts.
const ANSWER: Duration = Duration::from_secs(30);

/// Who owns the fields that are applied.
const MANAGER: &str = "airtight";

/// How many objects a page has at most.
const PAGE: usize = 500;

/// Attempts of one call. A step makes its calls a few times more, with longer pauses.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    call: Duration::from_secs(15),
    overall: ANSWER,
    attempts: 4,
    pause: Duration::from_millis(250),
};

/// The API server of a kubeconfig of our own: the user's is never read.
pub struct Kubernetes {
    kubeconfig: PathBuf,
    connected: Mutex<Option<Connected>>,
}

/// A connection, and the kubeconfig that it was made with.
struct Connected {
    kubeconfig: Vec<u8>,
    cluster: Arc<KubeCluster>,
    /// Kinds by `apiVersion` and name. A kind that is not served is asked for again: it may be by then.
    served: BTreeMap<(String, String), Served>,
}

impl Kubernetes {
    /// The cluster of a kubeconfig, which need not be there before the first call.
    #[must_use]
    pub fn new(kubeconfig: PathBuf) -> Self {
        Self { kubeconfig, connected: Mutex::new(None) }
    }

    /// Connects, anew if the kubeconfig is another: a cluster that is made anew has another authority.
    fn with_connection<T>(&self, act: impl FnOnce(&mut Connected) -> T) -> Result<T, StepFailure> {
        let kubeconfig = fs::read(&self.kubeconfig).map_err(|error| {
            let message = format!("cannot read {}: {error}", self.kubeconfig.display());
            StepFailure::new(
                "kubeconfig",
                message,
                "`airtight down` and `airtight up` make the cluster and its kubeconfig anew",
            )
        })?;
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        let current = connected.take().filter(|connected| connected.kubeconfig == kubeconfig);
        let current = if let Some(current) = current {
            current
        } else {
            let access = Access { kubeconfig: Some(self.kubeconfig.clone()), context: None };
            let cluster = KubeCluster::connect(&access, LIMITS).map_err(refusal::of_call)?;
            Connected { kubeconfig, cluster: Arc::new(cluster), served: BTreeMap::new() }
        };
        Ok(act(connected.insert(current)))
    }

    fn send(&self, verb: Verb, path: &str, body: Option<&Value>, bounds: Bounds<'_>) -> Result<ApiAnswer, StepFailure> {
        let cluster = self.with_connection(|connected| Arc::clone(&connected.cluster))?;
        let (owned, body) = (path.to_owned(), body.cloned());
        let call = move || cluster.send(&ApiCall { verb, path: &owned, body: body.as_ref(), user: None });
        within(bounds, "a call of the API server", call)?.map_err(refusal::of_call)
    }

    fn read(&self, path: &str, bounds: Bounds<'_>) -> Result<Option<Value>, StepFailure> {
        let bounds = Bounds { deadline: bounds.deadline.min(Instant::now() + ANSWER), ..bounds };
        let answer = self.send(Verb::Get, path, None, bounds)?;
        match answer.status {
            404 => Ok(None),
            _ if answer.accepted() => Ok(Some(answer.body)),
            _ => Err(refusal::of_answer(&answer, &format!("reading {path}"))),
        }
    }

    /// Every object under a path, page by page, as one list.
    fn list(&self, path: &str, bounds: Bounds<'_>) -> Result<Option<Value>, StepFailure> {
        let (mut items, mut next) = (Vec::new(), String::new());
        loop {
            let page = format!("{path}?limit={PAGE}{next}");
            let Some(mut list) = self.read(&page, bounds)? else { return Ok(None) };
            items.extend(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
            match list["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => next = format!("&continue={token}"),
                Some(_) | None => return Ok(Some(serde_json::json!({"items": items}))),
            }
        }
    }

    fn apply_one(&self, object: &Object, bounds: Bounds<'_>) -> Result<(), StepFailure> {
        let served = self.served(object, bounds)?;
        let path = format!("{}?fieldManager={MANAGER}&force=true", served.path(object));
        let answer = self
            .send(Verb::Apply, &path, Some(&object.body), bounds)
            .map_err(|failure| StepFailure { message: format!("{object}: {}", failure.message), ..failure })?;
        if answer.accepted() { Ok(()) } else { Err(refusal::of_answer(&answer, &object.to_string())) }
    }

    fn served(&self, object: &Object, bounds: Bounds<'_>) -> Result<Served, StepFailure> {
        let key = (object.api_version.clone(), object.kind.clone());
        if let Some(served) = self.with_connection(|connected| connected.served.get(&key).cloned())? {
            return Ok(served);
        }
        let root = discovery::root(&object.api_version);
        let resources = self.read(&root, bounds)?.unwrap_or_default();
        let served = discovery::of_kind(&root, &object.kind, &resources).ok_or_else(|| refusal::unserved(object))?;
        self.with_connection(|connected| connected.served.insert(key, served.clone()))?;
        Ok(served)
    }

    /// The path of a resource such as `deployments.apps`, in the version that the API server prefers; none if it
    /// does not serve the group.
    fn collection(&self, lookup: &Lookup, bounds: Bounds<'_>) -> Result<Option<String>, StepFailure> {
        let Some((plural, group)) = lookup.resource.split_once('.') else {
            return Ok(Some(discovery::collection("/api/v1", &lookup.resource, lookup.namespace.as_deref())));
        };
        let group = self.read(&format!("/apis/{group}"), bounds)?;
        let root = group.as_ref().and_then(discovery::preferred);
        Ok(root.map(|root| discovery::collection(&root, plural, lookup.namespace.as_deref())))
    }
}

impl Cluster for Kubernetes {
    fn ready(&self, bounds: Bounds<'_>) -> Result<(), StepFailure> {
        let bounds = Bounds { deadline: bounds.deadline.min(Instant::now() + ANSWER), ..bounds };
        let cluster = self.with_connection(|connected| Arc::clone(&connected.cluster))?;
        let said = within(bounds, "a call of the API server", move || cluster.is_ready())?;
        said.map_err(refusal::of_call)
    }

    fn get(&self, lookup: &Lookup, bounds: Bounds<'_>) -> Result<Option<Value>, StepFailure> {
        let Some(collection) = self.collection(lookup, bounds)? else { return Ok(None) };
        match &lookup.name {
            Some(name) => self.read(&format!("{collection}/{name}"), bounds),
            None => self.list(&collection, bounds),
        }
    }

    fn apply(&self, source: &Source, bounds: Bounds<'_>) -> Result<(), StepFailure> {
        objects::read(source, bounds)?.iter().try_for_each(|object| self.apply_one(object, bounds))
    }
}
