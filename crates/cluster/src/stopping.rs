//! A cluster that nothing more is asked of once the user wants to end.

use std::time::Duration;

use airtight_manifest::Failure;

use crate::{ApiAnswer, ApiCall, Cluster, Container, Execution, Verb};

/// Passes calls on until `stopped` says that everything is to end; from then on, only what was made is deleted.
pub struct Stopping<'c> {
    cluster: &'c dyn Cluster,
    stopped: &'c (dyn Fn() -> bool + Sync),
}

impl<'c> Stopping<'c> {
    /// A cluster that can be left in the middle of a run.
    #[must_use]
    pub fn new(cluster: &'c dyn Cluster, stopped: &'c (dyn Fn() -> bool + Sync)) -> Self {
        Self { cluster, stopped }
    }

    fn check(&self) -> Result<(), Failure> {
        if self.is_over() {
            let message = "interrupted".to_owned();
            return Err(Failure { code: "interrupted", message, hint: None });
        }
        Ok(())
    }
}

impl Cluster for Stopping<'_> {
    fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
        if request.verb != Verb::Delete {
            self.check()?;
        }
        self.cluster.send(request)
    }

    fn exec(&self, place: &Container, command: &[&str], stdin: &[u8], within: Duration) -> Result<Execution, Failure> {
        self.check()?;
        self.cluster.exec(place, command, stdin, within)
    }

    fn logs(&self, place: &Container, since: jiff::Timestamp) -> Result<String, Failure> {
        self.check()?;
        self.cluster.logs(place, since)
    }

    fn is_over(&self) -> bool {
        (self.stopped)()
    }
}
