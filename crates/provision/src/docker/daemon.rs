//! The connection to Docker's daemon, whose calls end with their bounds.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::errors::Error;
use tokio::runtime::Runtime;

use super::{endpoint, refusal};
use crate::failure::StepFailure;
use crate::program::Bounds;

/// How often it is looked whether there is a reason to end.
const GLANCE: Duration = Duration::from_millis(25);

/// Docker's daemon. Its calls block, on a runtime of its own: they must not be made from within another one.
pub struct Docker {
    /// A client, once there is one whose API version the daemon speaks.
    client: Mutex<Option<bollard::Docker>>,
    runtime: Runtime,
}

impl Docker {
    /// The daemon that the docker command would talk to: of `DOCKER_HOST`, of the current context, or of the usual
    /// socket. Nothing is sent yet.
    ///
    /// # Errors
    /// When no runtime can be started.
    pub fn new() -> Result<Self, StepFailure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("airtight-docker")
            .enable_all()
            .build()
            .map_err(|error| {
                let message = format!("no thread can be started: {error}");
                StepFailure::new("threads", message, "see whether the system limits what programs may do")
            })?;
        Ok(Self { client: Mutex::new(None), runtime })
    }

    /// What `work` comes to with a client, unless the bounds end it; `call` is how failures name it.
    pub(super) fn with<T, F>(
        &self,
        call: &str,
        bounds: Bounds<'_>,
        work: impl FnOnce(bollard::Docker) -> F,
    ) -> Result<T, StepFailure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let client = self.client(bounds)?;
        self.wait(call, bounds, work(client))?.map_err(|error| refusal::of(&error, call))
    }

    fn client(&self, bounds: Bounds<'_>) -> Result<bollard::Docker, StepFailure> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let call = "docker version";
        let spoken = self.wait(call, bounds, endpoint::connect()?.negotiate_version())?;
        let spoken = spoken.map_err(|error| refusal::of(&error, call))?;
        *client = Some(spoken.clone());
        Ok(spoken)
    }

    fn wait<T>(&self, call: &str, bounds: Bounds<'_>, work: impl Future<Output = T>) -> Result<T, StepFailure> {
        let begun = Instant::now();
        self.runtime.block_on(async {
            tokio::select! {
                result = work => Ok(result),
                () = ended(bounds) => Err(if bounds.stop.interrupted() {
                    StepFailure::interrupted()
                } else {
                    StepFailure { detail: vec![format!("$ {call}")], ..StepFailure::timed_out("Docker", begun.elapsed()) }
                }),
            }
        })
    }
}

/// Comes back when there is a reason to end.
async fn ended(bounds: Bounds<'_>) {
    while !bounds.stop.interrupted() && Instant::now() < bounds.deadline {
        tokio::time::sleep(GLANCE).await;
    }
}
