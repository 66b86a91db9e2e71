//! When Cilium's endpoints enforce the newest policies.

use std::collections::BTreeMap;
use std::time::Duration;

use airtight_manifest::Failure;
use serde_json::Value;

use super::state::State;
use crate::read;
use crate::read::text;
use crate::{Cluster, Container, Ended};

/// How long a question to an agent may take.
const DEADLINE: Duration = Duration::from_secs(15);

/// The policy revision of each of Cilium's agents at a moment: a policy that is applied afterwards raises it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revisions {
    /// By agent.
    pub of: BTreeMap<Container, u64>,
}

impl Revisions {
    /// Asks every agent (Cilium `cilium-dbg policy get`); to be done before policies change.
    ///
    /// # Errors
    /// When the agents cannot be listed, or one of them does not tell.
    pub fn now(cluster: &dyn Cluster) -> Result<Self, Failure> {
        let pods = read::list(cluster, "/api/v1/pods?labelSelector=k8s-app%3Dcilium")?;
        let agents = pods.iter().map(|pod| Container {
            namespace: text(pod, "/metadata/namespace").to_owned(),
            pod: text(pod, "/metadata/name").to_owned(),
            container: "cilium-agent".to_owned(),
        });
        let of = agents.map(|agent| revision(cluster, &agent).map(|revision| (agent, revision)));
        Ok(Self { of: of.collect::<Result<_, _>>()? })
    }
}

fn revision(cluster: &dyn Cluster, agent: &Container) -> Result<u64, Failure> {
    let command = ["cilium-dbg", "policy", "get", "-o", "jsonpath={.revision}"];
    let silent = |why: String| Failure::new("revision", format!("{agent} does not tell its policy revision: {why}"));
    let run = cluster.exec(agent, &command, &[], DEADLINE).map_err(|error| silent(error.to_string()))?;
    let said = String::from_utf8_lossy(&run.stdout);
    match &run.ended {
        Ended::Status(0) => {
            said.trim().trim_matches('\'').parse().map_err(|_| silent(format!("it said `{}`", said.trim())))
        }
        Ended::Status(status) => Err(silent(format!("status {status}"))),
        Ended::Cut(why) => Err(silent(why.clone())),
    }
}

/// Whether every endpoint of an agent that has an identity enforces this revision (Cilium `api/v1/openapi.yaml`,
/// `Endpoint`). An endpoint that is going away need not.
pub(super) fn realized(cluster: &dyn Cluster, agent: &Container, at_least: u64) -> State {
    let run = match cluster.exec(agent, &["cilium-dbg", "endpoint", "list", "-o", "json"], &[], DEADLINE) {
        Ok(run) => run,
        Err(error) => return State::Pending(format!("it cannot be asked: {error}")),
    };
    match &run.ended {
        Ended::Status(0) => {}
        Ended::Status(status) => return State::Pending(format!("`cilium-dbg endpoint list` ended with {status}")),
        Ended::Cut(why) => return State::Pending(format!("`cilium-dbg endpoint list` was cut off: {why}")),
    }
    match serde_json::from_slice::<Vec<Value>>(&run.stdout) {
        Ok(endpoints) => endpoints_state(&endpoints, at_least),
        Err(error) => State::Pending(format!("`cilium-dbg endpoint list` wrote no list: {error}")),
    }
}

fn endpoints_state(endpoints: &[Value], at_least: u64) -> State {
    let counted: Vec<&Value> = endpoints.iter().filter(|endpoint| is_counted(endpoint)).collect();
    if counted.is_empty() {
        return State::Pending("it has no endpoint with an identity".to_owned());
    }
    let behind: Vec<String> = counted
        .iter()
        .filter_map(|endpoint| {
            let revision = endpoint.pointer("/status/policy/realized/policy-revision").and_then(Value::as_u64);
            (revision.unwrap_or_default() < at_least).then(|| shown(endpoint, revision))
        })
        .collect();
    if behind.is_empty() {
        return State::InForce;
    }
    State::Pending(format!(
        "{} of {} endpoints are behind revision {at_least}: {}",
        behind.len(),
        counted.len(),
        behind.join(", ")
    ))
}

fn is_counted(endpoint: &Value) -> bool {
    let going = matches!(text(endpoint, "/status/state"), "disconnecting" | "disconnected" | "invalid");
    endpoint.pointer("/status/identity/id").and_then(Value::as_u64).is_some_and(|identity| identity != 0) && !going
}

fn shown(endpoint: &Value, revision: Option<u64>) -> String {
    let pod = ["/status/external-identifiers/k8s-namespace", "/status/external-identifiers/k8s-pod-name"]
        .map(|pointer| text(endpoint, pointer));
    let id = endpoint.get("id").and_then(Value::as_u64).unwrap_or_default();
    let name = if pod[1].is_empty() { format!("endpoint {id}") } else { pod.join("/") };
    match revision {
        Some(revision) => format!("{name} at {revision}"),
        None => format!("{name} at none"),
    }
}
