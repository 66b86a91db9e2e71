//! Carries out a plan.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use airtight_cluster::Stop;

use super::event::{Ended, Event};
use super::schedule::Schedule;
use crate::docker::Docker;
use crate::kubernetes::Kubernetes;
use crate::owner::Owner;
use crate::plan::Plan;
use crate::program::{Bounds, Program, run};
use crate::site::Site;

/// How long the logs may take.
const LOGS: Duration = Duration::from_mins(3);

/// Carries out a plan.
pub struct Executor<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Where.
    pub site: &'a Site,
    /// The cluster's API server.
    pub cluster: &'a Kubernetes,
    /// Docker's daemon.
    pub docker: &'a Docker,
    /// Set when the user wants it to end.
    pub stop: &'a Stop,
    /// Whose the programs are that it runs.
    pub owner: &'a Owner,
}

impl Executor<'_> {
    /// Carries out what is not done yet.
    ///
    /// # Errors
    /// When the state cannot be read or written; failures of steps are in [`Ended`].
    pub fn run(&self, tell: &mut dyn FnMut(Event)) -> std::io::Result<Ended> {
        let mut schedule = Schedule::new(self)?;
        let (sender, receiver) = mpsc::channel();
        let halt = AtomicBool::new(false);
        thread::scope(|scope| schedule.steer(scope, &sender, &receiver, &halt, tell))?;
        let ended = schedule.ended();
        if !ended.failures.is_empty() && schedule.cluster_was_begun() {
            tell(self.export_logs());
        }
        Ok(ended)
    }

    /// What the nodes say goes to the folder before anybody removes them.
    fn export_logs(&self) -> Event {
        let folder = self.site.folder.logs();
        let name = self.site.name.as_ref();
        let call = Program::Kind.call(["export", "logs", &folder.display().to_string(), "--name", name]);
        let bounds = Bounds { deadline: Instant::now() + LOGS, stop: self.stop, owner: self.owner };
        match run(&call, bounds) {
            Ok(_) => Event::Logs { folder },
            Err(error) => Event::NoLogs { folder, failure: error.into() },
        }
    }
}
