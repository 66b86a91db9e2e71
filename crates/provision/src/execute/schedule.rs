//! The steps on their way: which may run, which run, and what has become of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::event::{Ended, Event};
use super::executor::Executor;
use super::{ensure, step};
use crate::authority::{has_authority, is_issued};
use crate::failure::StepFailure;
use crate::plan::{Action, Source, Step};
use crate::program::Bounds;
use crate::state::{Progress, Record, State};

/// How many steps run side by side.
const LANES: usize = 4;

/// How often it is said again what a step waits for.
const REMINDER: Duration = Duration::from_secs(15);

/// What a step's thread tells.
pub(super) enum StepMessage {
    Waiting(usize, String),
    Ended(usize, Result<(), StepFailure>),
}

/// A step that runs.
struct Running {
    since: Instant,
    said: String,
    said_at: Instant,
}

/// The steps on their way.
pub(super) struct Schedule<'a> {
    executor: &'a Executor<'a>,
    digests: BTreeMap<&'a str, String>,
    state: State,
    waiting: BTreeSet<usize>,
    running: BTreeMap<usize, Running>,
    done: BTreeSet<&'a str>,
    /// Steps that were carried out anew: what builds upon them is carried out too.
    renewed: BTreeSet<&'a str>,
    failures: Vec<(String, StepFailure)>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(executor: &'a Executor<'a>) -> std::io::Result<Self> {
        let mut state = State::read(&executor.site.folder.state())?;
        state.stack.clone_from(&executor.plan.stack);
        Ok(Self {
            executor,
            digests: executor.plan.digests(),
            state,
            waiting: (0..executor.plan.steps.len()).collect(),
            running: BTreeMap::new(),
            done: BTreeSet::new(),
            renewed: BTreeSet::new(),
            failures: Vec::new(),
        })
    }

    pub(super) fn steer<'s>(
        &mut self,
        scope: &'s thread::Scope<'s, '_>,
        sender: &Sender<StepMessage>,
        receiver: &Receiver<StepMessage>,
        halt: &'s AtomicBool,
        tell: &mut dyn FnMut(Event),
    ) -> std::io::Result<()>
    where
        'a: 's,
    {
        loop {
            while let Some(index) = self.next(halt) {
                self.begin(index, scope, sender, halt, tell)?;
            }
            if self.running.is_empty() {
                return Ok(());
            }
            match receiver.recv_timeout(Duration::from_millis(200)) {
                Ok(StepMessage::Waiting(index, what)) => self.note(index, what, tell),
                Ok(StepMessage::Ended(index, result)) => self.end(index, result, halt, tell)?,
                Err(RecvTimeoutError::Timeout) => self.remind(tell),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// A step whose needs are done, if there is room for it and no reason to end.
    fn next(&self, halt: &AtomicBool) -> Option<usize> {
        if self.running.len() >= LANES || halt.load(Ordering::SeqCst) || self.executor.stop.interrupted() {
            return None;
        }
        let ready = |index: &&usize| self.step(**index).needs.iter().all(|need| self.done.contains(need.as_str()));
        self.waiting.iter().find(ready).copied()
    }

    fn step(&self, index: usize) -> &'a Step {
        &self.executor.plan.steps[index]
    }

    fn begin<'s>(
        &mut self,
        index: usize,
        scope: &'s thread::Scope<'s, '_>,
        sender: &Sender<StepMessage>,
        halt: &'s AtomicBool,
        tell: &mut dyn FnMut(Event),
    ) -> std::io::Result<()>
    where
        'a: 's,
    {
        self.waiting.remove(&index);
        let step = self.step(index);
        let digest = self.digests[step.id.as_str()].clone();
        let prior = self.state.steps.get(&step.id).cloned();
        let renewed = step.needs.iter().any(|need| self.renewed.contains(need.as_str()));
        if !renewed && self.state.is_done(&step.id, &digest) && self.still_there(step) {
            self.done.insert(&step.id);
            tell(Event::Kept { step: step.id.clone() });
            return Ok(());
        }
        self.record(step, Progress::Begun, 0, None)?;
        tell(Event::Started { step: step.id.clone(), title: step.title.clone() });
        let now = Instant::now();
        self.running.insert(index, Running { since: now, said: String::new(), said_at: now });
        let (executor, sender) = (self.executor, sender.clone());
        scope.spawn(move || {
            let note = |what: String| drop(sender.send(StepMessage::Waiting(index, what)));
            let work = step::Work { executor, step, prior: prior.as_ref(), digest: &digest, halt, note: &note };
            drop(sender.send(StepMessage::Ended(index, work.run())));
        });
        Ok(())
    }

    /// Whether what a step made is there: somebody may have removed it since.
    fn still_there(&self, step: &Step) -> bool {
        let bounds = Bounds {
            deadline: Instant::now() + Duration::from_secs(30),
            stop: self.executor.stop,
            owner: self.executor.owner,
        };
        step.actions.iter().all(|action| match action {
            Action::Ensure(wanted) => ensure::is_as_it_should_be(wanted, self.executor.docker, bounds),
            Action::Write { path, .. } => path.exists(),
            Action::Pack(packed) => packed.archive.exists(),
            Action::Authority(folder) => has_authority(folder),
            Action::Certify(certificate) => is_issued(certificate),
            // Applied again whatever is there: an object that somebody deleted or changed comes back.
            Action::Apply(Source::Text { .. }) | Action::Trust(_) | Action::Ways(_) => false,
            Action::Run(_) | Action::RunAfresh { .. } | Action::Apply(Source::Location(_)) | Action::Name(_) => true,
        })
    }

    fn record(
        &mut self,
        step: &Step,
        progress: Progress,
        seconds: u64,
        failure: Option<&StepFailure>,
    ) -> std::io::Result<()> {
        let digest = self.digests[step.id.as_str()].clone();
        let failure = failure.map(|failure| failure.code.to_owned());
        self.state.steps.insert(step.id.clone(), Record { progress, digest, seconds, failure });
        self.state.write(&self.executor.site.folder.state())
    }

    fn note(&mut self, index: usize, what: String, tell: &mut dyn FnMut(Event)) {
        let Some(running) = self.running.get_mut(&index) else { return };
        if running.said == what && running.said_at.elapsed() < REMINDER {
            return;
        }
        running.said.clone_from(&what);
        running.said_at = Instant::now();
        let seconds = running.since.elapsed().as_secs();
        tell(Event::Waiting { step: self.step(index).id.clone(), what, seconds });
    }

    /// A program that runs for long says nothing by itself.
    fn remind(&mut self, tell: &mut dyn FnMut(Event)) {
        let silent = |running: &Running| running.said_at.elapsed() >= REMINDER;
        let quiet: Vec<(usize, String)> = self
            .running
            .iter()
            .filter(|(_, running)| silent(running))
            .map(|(index, running)| (*index, running.said.clone()))
            .collect();
        for (index, said) in quiet {
            let what = if said.is_empty() { self.step(index).title.clone() } else { said };
            self.note(index, what, tell);
        }
    }

    fn end(
        &mut self,
        index: usize,
        result: Result<(), StepFailure>,
        halt: &AtomicBool,
        tell: &mut dyn FnMut(Event),
    ) -> std::io::Result<()> {
        let Some(running) = self.running.remove(&index) else { return Ok(()) };
        let (step, seconds) = (self.step(index), running.since.elapsed().as_secs());
        match result {
            Ok(()) => {
                self.record(step, Progress::Done, seconds, None)?;
                self.done.insert(&step.id);
                self.renewed.insert(&step.id);
                tell(Event::Done { step: step.id.clone(), seconds });
            }
            // Cut off, not failed: the record still says that it was begun.
            Err(failure) if failure.code == step::HALTED || failure.code == "interrupted" => {}
            Err(failure) => {
                halt.store(true, Ordering::SeqCst);
                self.record(step, Progress::Failed, seconds, Some(&failure))?;
                self.failures.push((step.id.clone(), failure.clone()));
                tell(Event::Failed { step: step.id.clone(), seconds, failure });
            }
        }
        Ok(())
    }

    pub(super) fn cluster_was_begun(&self) -> bool {
        self.state.steps.contains_key("cluster")
    }

    pub(super) fn ended(&self) -> Ended {
        let failed = |id: &str| self.failures.iter().any(|(step, _)| step == id);
        let ids = || self.executor.plan.steps.iter().map(|step| step.id.as_str());
        let open = ids().filter(|id| !self.done.contains(id) && !failed(id)).map(str::to_owned).collect();
        Ended {
            failures: self.failures.clone(),
            done: ids().filter(|id| self.done.contains(id)).map(str::to_owned).collect(),
            open,
            interrupted: self.executor.stop.interrupted(),
        }
    }
}
