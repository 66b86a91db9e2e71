//! One step: its actions in order, then its gates.

use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::executor::Executor;
use super::{ensure, gates, names, trust, ways};
use crate::authority::{AuthorityError, issue, make_authority};
use crate::failure::StepFailure;
use crate::invocation::Invocation;
use crate::plan::{Action, Step};
use crate::probe_image::ProbeProgram;
use crate::program::{Bounds, Call, run};
use crate::state::{Record, write_atomically};

/// Code of a step that was left because another failed.
pub(super) const HALTED: &str = "halted";

/// How often a call is made that fails for a reason that may pass.
const ATTEMPTS: u32 = 3;

/// One step with what is known of its past.
pub(super) struct Work<'a> {
    pub(super) executor: &'a Executor<'a>,
    pub(super) step: &'a Step,
    pub(super) prior: Option<&'a Record>,
    pub(super) digest: &'a str,
    pub(super) halt: &'a AtomicBool,
    pub(super) note: &'a dyn Fn(String),
}

impl Work<'_> {
    pub(super) fn run(&self) -> Result<(), StepFailure> {
        let deadline = Instant::now() + Duration::from_secs(self.step.timeout_seconds);
        let bounds = Bounds { deadline, stop: self.executor.stop, owner: self.executor.owner };
        for action in &self.step.actions {
            self.go_on()?;
            self.act(action, bounds)?;
        }
        for gate in &self.step.gates {
            gates::pass(gate, self, bounds)?;
        }
        Ok(())
    }

    /// Whether there is a reason to leave the step.
    pub(super) fn go_on(&self) -> Result<(), StepFailure> {
        if self.executor.stop.interrupted() {
            return Err(StepFailure::interrupted());
        }
        if self.halt.load(Ordering::SeqCst) {
            return Err(StepFailure::new(HALTED, "another step failed", "`airtight up` goes on from here"));
        }
        Ok(())
    }

    fn act(&self, action: &Action, bounds: Bounds<'_>) -> Result<(), StepFailure> {
        match action {
            Action::Write { path, text } => write(path, text),
            Action::Run(call) => self.patiently(bounds, || self.invoke(call, bounds)),
            Action::RunAfresh { call, clear } => self.patiently(bounds, || match self.call(call, bounds) {
                Err(failure) if failure.code == "helm-pending" => {
                    self.call(clear, bounds)?;
                    self.call(call, bounds)
                }
                result => result,
            }),
            Action::Ensure(wanted) => ensure::ensure(wanted, self, bounds),
            Action::Pack(packed) => pack(packed),
            Action::Authority(folder) => make_authority(folder).map_err(|error| not_certified(&error)),
            Action::Certify(certificate) => issue(certificate).map_err(|error| not_certified(&error)),
            Action::Apply(source) => self.patiently(bounds, || self.executor.cluster.apply(source, bounds)),
            Action::Trust(wanted) => {
                self.patiently(bounds, || trust::make_known(wanted, self.executor.cluster, bounds))
            }
            Action::Ways(wanted) => self.patiently(bounds, || {
                let calls = ways::calls(wanted, self.executor.cluster, bounds)?;
                calls.into_iter().try_for_each(|call| self.invoke(&call.into(), bounds))
            }),
            Action::Name(hosts) => self.patiently(bounds, || names::resolve(hosts, self.executor.cluster, bounds)),
        }
    }

    pub(super) fn invoke(&self, invocation: &Invocation, bounds: Bounds<'_>) -> Result<(), StepFailure> {
        match invocation {
            Invocation::Program(call) => self.call(call, bounds),
            Invocation::Docker(call) => {
                (self.note)(call.to_string());
                self.executor.docker.run(call, bounds).map(drop)
            }
        }
    }

    fn call(&self, call: &Call, bounds: Bounds<'_>) -> Result<(), StepFailure> {
        (self.note)(call.to_string());
        run(call, bounds).map(|_| ()).map_err(StepFailure::from)
    }

    /// Tries a few times what fails for a reason that may pass.
    pub(super) fn patiently(
        &self,
        bounds: Bounds<'_>,
        mut attempt: impl FnMut() -> Result<(), StepFailure>,
    ) -> Result<(), StepFailure> {
        let mut tried = 1;
        loop {
            match attempt() {
                Err(failure) if failure.transient && tried < ATTEMPTS && Instant::now() < bounds.deadline => {
                    (self.note)(format!("{}; attempt {} of {ATTEMPTS} follows", failure.message, tried + 1));
                    self.rest(Duration::from_secs(u64::from(2 * tried)))?;
                    tried += 1;
                }
                result => return result,
            }
        }
    }

    /// Waits, unless there is a reason to leave.
    pub(super) fn rest(&self, duration: Duration) -> Result<(), StepFailure> {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            self.go_on()?;
            thread::sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }
}

fn pack(packed: &ProbeProgram) -> Result<(), StepFailure> {
    let failed = |error: &dyn Display| {
        let message = format!("the probe's image was not packed: {error}");
        StepFailure::new("probe-image", message, "run `airtight up` again once `probe/build-static.sh` is done")
    };
    let archive = packed.pack().map_err(|error| failed(&error))?;
    write_atomically(&packed.archive, &archive).map_err(|error| failed(&error))
}

fn not_certified(error: &AuthorityError) -> StepFailure {
    let message = format!("the stand-ins have no certificates: {error}");
    StepFailure::new("certificates", message, "check the folder and its permissions, or name another with --state-dir")
}

fn write(path: &Path, text: &str) -> Result<(), StepFailure> {
    write_atomically(path, text.as_bytes()).map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        StepFailure::new(
            "unwritable",
            message,
            "check the folder and its permissions, or name another with --state-dir",
        )
    })
}
