//! A connection to the cluster that is brought up, whose calls end with a step's bounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use airtight_cluster::discovery::{Known, Served};
use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Container, Execution, Verb};
use airtight_manifest::Failure;

use crate::bounded::within;
use crate::failure::StepFailure;
use crate::program::Bounds;

/// How long one question may take, with all its attempts.
const ANSWER: Duration = Duration::from_secs(30);

/// Attempts of one call. A step makes its calls a few times more, with longer pauses.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    call: Duration::from_secs(15),
    overall: ANSWER,
    attempts: 4,
    pause: Duration::from_millis(250),
};

/// What calls of the API server are called where they end too late.
const CALL: &str = "a call of the API server";

/// The API server of a kubeconfig, which need not be there before the first call.
pub(super) struct Connection {
    kubeconfig: PathBuf,
    connected: Mutex<Option<Connected>>,
}

/// A connection that stands, and the kubeconfig that it was made with.
struct Connected {
    kubeconfig: Vec<u8>,
    cluster: Arc<KubeCluster>,
    known: Known,
}

/// The same for the time that a step has.
pub(super) struct Bounded<'a> {
    connection: &'a Connection,
    bounds: Bounds<'a>,
}

impl Connection {
    pub(super) fn new(kubeconfig: PathBuf) -> Self {
        Self { kubeconfig, connected: Mutex::new(None) }
    }

    /// The cluster, as far as the bounds go.
    pub(super) fn within<'a>(&'a self, bounds: Bounds<'a>) -> Bounded<'a> {
        Bounded { connection: self, bounds }
    }

    /// Connects, anew if the kubeconfig is another: a cluster that is made anew has another authority.
    fn with<T>(&self, act: impl FnOnce(&mut Connected) -> T) -> Result<T, Failure> {
        let kubeconfig = fs::read(&self.kubeconfig).map_err(|error| unread(&self.kubeconfig, &error))?;
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        let current = connected.take().filter(|connected| connected.kubeconfig == kubeconfig);
        let current = if let Some(current) = current {
            current
        } else {
            let access = Access { kubeconfig: Some(self.kubeconfig.clone()), context: None };
            let cluster = Arc::new(KubeCluster::connect(&access, LIMITS)?);
            Connected { kubeconfig, cluster, known: Known::default() }
        };
        Ok(act(connected.insert(current)))
    }
}

impl Bounded<'_> {
    /// Whether the API server says that it is ready.
    pub(super) fn ready(&self) -> Result<(), Failure> {
        let cluster = self.connection.with(|connected| Arc::clone(&connected.cluster))?;
        within(self.question(), CALL, move || cluster.is_ready()).map_err(ended)?
    }

    /// The resource of a kind.
    pub(super) fn resource(&self, version: &str, kind: &str) -> Result<Served, Failure> {
        // Nobody else may wait for the connection while this asks.
        let mut known = self.connection.with(|connected| connected.known.clone())?;
        let served = known.resource(self, version, kind)?;
        self.connection.with(|connected| connected.known = known)?;
        Ok(served)
    }

    /// A question, unlike a change, need not take as long as the step has.
    fn question(&self) -> Bounds<'_> {
        Bounds { deadline: self.bounds.deadline.min(Instant::now() + ANSWER), ..self.bounds }
    }
}

impl Cluster for Bounded<'_> {
    fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
        let cluster = self.connection.with(|connected| Arc::clone(&connected.cluster))?;
        let (verb, path) = (request.verb, request.path.to_owned());
        let (body, user) = (request.body.cloned(), request.user.cloned());
        let bounds = if verb == Verb::Get { self.question() } else { self.bounds };
        let call = move || cluster.send(&ApiCall { verb, path: &path, body: body.as_ref(), user: user.as_ref() });
        within(bounds, CALL, call).map_err(ended)?
    }

    fn exec(&self, place: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
        Err(Failure::new("no-exec", format!("provisioning runs nothing in {place}")))
    }

    fn logs(&self, place: &Container, since: jiff::Timestamp) -> Result<String, Failure> {
        let cluster = self.connection.with(|connected| Arc::clone(&connected.cluster))?;
        let place = place.clone();
        within(self.question(), CALL, move || cluster.logs(&place, since)).map_err(ended)?
    }

    fn is_over(&self) -> bool {
        self.bounds.stop.interrupted()
    }
}

/// The bounds ended it.
fn ended(failure: StepFailure) -> Failure {
    Failure { code: failure.code, message: failure.message, hint: Some(failure.hint) }
}

fn unread(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new("kubeconfig", format!("cannot read {}: {error}", path.display()))
        .hint("`airtight down` and `airtight up` make the cluster and its kubeconfig anew")
}
