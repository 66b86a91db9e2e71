//! Gates are passed by state: asked for again and again, within the step's time.

use std::time::{Duration, Instant};

use airtight_cluster::retry;
use airtight_cluster::wait::{Look, Patience, until};
use serde_json::Value;

use super::step::Work;
use crate::docker_call::DockerCall;
use crate::failure::StepFailure;
use crate::gate::{Gate, GateState, Lookup, NodeFile, Workload};
use crate::program::Bounds;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the last question may take beyond the step's time.
const ANSWER: Duration = Duration::from_secs(10);

/// Reasons of a waiting container that are no trouble.
const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

pub(super) fn pass(gate: &Gate, work: &Work<'_>, bounds: Bounds<'_>) -> Result<(), StepFailure> {
    // The last look is when the time is up.
    let left = bounds.deadline.saturating_duration_since(Instant::now());
    let passed = until(Patience::steady(left + PAUSE, PAUSE), &|| work.go_on().is_err(), || {
        work.go_on()?;
        // The last question may take longer than the step: its answer is what the failure shows.
        let question = Bounds { deadline: bounds.deadline.max(Instant::now()) + ANSWER, ..bounds };
        let missing = match state(gate, work, question) {
            Ok(GateState::Met) => return Ok(Look::Done(())),
            Ok(GateState::Waiting(what)) => what,
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
        Err(StepFailure::overdue(&gate.to_string(), &late.last, limit))
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
            let state = gate.judge(&found);
            Ok(match (gate, state) {
                (Gate::Rollout(workload), GateState::Waiting(what)) => {
                    GateState::Waiting(format!("{what}{}", troubles_of(workload, work, bounds)))
                }
                (_, state) => state,
            })
        }
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

/// What keeps the pods of a workload from starting, as far as they say.
fn troubles_of(workload: &Workload, work: &Work<'_>, bounds: Bounds<'_>) -> String {
    let lookup = Lookup { resource: "pods".to_owned(), namespace: Some(workload.namespace.clone()), name: None };
    let pods = work.executor.cluster.get(&lookup, bounds).ok().flatten().unwrap_or_default();
    troubles(&pods, &workload.name).first().map(|trouble| format!("; {trouble}")).unwrap_or_default()
}

fn troubles(pods: &Value, workload: &str) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for pod in list(&pods["items"]) {
        let name = text(&pod["metadata"]["name"]);
        if !name.starts_with(&format!("{workload}-")) {
            continue;
        }
        let status = &pod["status"];
        for container in list(&status["initContainerStatuses"]).into_iter().chain(list(&status["containerStatuses"])) {
            let waiting = &container["state"]["waiting"];
            let reason = text(&waiting["reason"]);
            if !reason.is_empty() && !USUAL.contains(&reason.as_str()) {
                found.push(format!("pod {name}: {reason}: {}", text(&waiting["message"])));
            }
        }
        let unscheduled = list(&status["conditions"])
            .into_iter()
            .find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False");
        found.extend(unscheduled.map(|condition| format!("pod {name}: {}", text(&condition["message"]))));
    }
    found
}
