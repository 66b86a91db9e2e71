//! Gates are passed by state: asked for again and again, within the step's time.

use std::time::{Duration, Instant};

use airtight_cluster::retry;
use airtight_cluster::wait::{Look, Patience, until};

use super::step::Work;
use super::trouble::{Trouble, Worst, trouble_of};
use crate::docker_call::DockerCall;
use crate::failure::StepFailure;
use crate::gate::{Gate, GateState, NodeFile};
use crate::program::Bounds;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the last question may take beyond the step's time.
const ANSWER: Duration = Duration::from_secs(10);

pub(super) fn pass(gate: &Gate, work: &Work<'_>, bounds: Bounds<'_>) -> Result<(), StepFailure> {
    // The last look is when the time is up.
    let left = bounds.deadline.saturating_duration_since(Instant::now());
    let mut worst = Worst::default();
    let passed = until(Patience::steady(left + PAUSE, PAUSE), &|| work.go_on().is_err(), || {
        work.go_on()?;
        // The last question may take longer than the step: its answer is what the failure shows.
        let question = Bounds { deadline: bounds.deadline.max(Instant::now()) + ANSWER, ..bounds };
        let missing = match state(gate, work, question) {
            Ok(GateState::Met) => return Ok(Look::Done(())),
            Ok(GateState::Waiting(what)) => {
                let trouble = trouble(gate, work, question);
                let seen = trouble.as_ref().map(|trouble| format!("{what}; {trouble}"));
                worst.keep(trouble);
                seen.unwrap_or(what)
            }
            Err(failure) if retry::lasts(failure.code) && *gate != Gate::ApiReady => return Err(failure),
            Err(failure) if failure.code == "interrupted" => return Err(failure),
            // The API server may be restarting; if it stays away, this is what the failure shows.
            Err(failure) => failure.message,
        };
        (work.note)(format!("waiting for {gate}: {missing}"));
        Ok(Look::Open(missing))
    })?;
    passed.or_else(|late| {
        work.go_on()?;
        let limit = Duration::from_secs(work.step.timeout_seconds);
        let question = Bounds { deadline: Instant::now() + ANSWER, ..bounds };
        let last = format!("{}{}", late.last, worst.beside(&late.last, work.executor.cluster, question));
        Err(StepFailure::overdue(&gate.to_string(), &last, limit))
    })
}

fn state(gate: &Gate, work: &Work<'_>, bounds: Bounds<'_>) -> Result<GateState, StepFailure> {
    let cluster = work.executor.cluster;
    match gate {
        Gate::ApiReady => {
            cluster.ready(bounds)?;
            Ok(GateState::Met)
        }
        Gate::NodeFile(file) => node_file(file, work, bounds),
        Gate::Rollout(_) | Gate::Established(_) | Gate::Condition(_) | Gate::NodesReady(_) | Gate::Webhook(_) => {
            let found =
                gate.lookups().iter().map(|lookup| cluster.get(lookup, bounds)).collect::<Result<Vec<_>, _>>()?;
            Ok(gate.judge(&found))
        }
    }
}

/// What keeps the pods of a workload from being ready.
fn trouble(gate: &Gate, work: &Work<'_>, bounds: Bounds<'_>) -> Option<Trouble> {
    match gate {
        Gate::Rollout(workload) => trouble_of(workload, work.executor.cluster, bounds),
        Gate::ApiReady
        | Gate::NodeFile(_)
        | Gate::Established(_)
        | Gate::Condition(_)
        | Gate::NodesReady(_)
        | Gate::Webhook(_) => None,
    }
}

fn node_file(file: &NodeFile, work: &Work<'_>, bounds: Bounds<'_>) -> Result<GateState, StepFailure> {
    for node in work.executor.site.nodes() {
        let cat = DockerCall::Exec { container: node.clone(), command: vec!["cat".to_owned(), file.path.clone()] };
        let has = match work.executor.docker.run(&cat, bounds) {
            Ok(said) => said.contains(&file.contains),
            Err(failure) if failure.code == "container-failed" => false,
            Err(failure) => return Err(failure),
        };
        if !has {
            return Ok(GateState::Waiting(format!("{node} does not have it yet")));
        }
    }
    Ok(GateState::Met)
}
