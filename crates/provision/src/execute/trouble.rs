//! What keeps the pods of a workload from being ready: the worst that was seen, and what its container said last.

use std::fmt;

use airtight_cluster::Container;
use airtight_cluster::read::{items, text};
use serde_json::Value;

use crate::gate::{Lookup, Workload};
use crate::kubernetes::Kubernetes;
use crate::program::Bounds;

/// Reasons of a waiting container that are no trouble.
const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// So many lines of a log are shown: what a program says when it ends stands in its last ones.
const LINES: usize = 5;

/// How bad it is; what comes later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// No node takes the pod.
    Unscheduled,
    /// A container ended with a failure.
    Ended,
    /// A container cannot be started.
    NotStarted,
    /// A container ends again and again.
    Looping,
}

/// What keeps a pod from being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    weight: Weight,
    pod: String,
    /// Where the trouble is one container's.
    container: Option<Container>,
    /// Reason and message, as the kubelet or the scheduler wrote them.
    words: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod {}", self.pod)?;
        let container = self.container.as_ref().filter(|place| !place.container.is_empty());
        container.map_or(Ok(()), |place| write!(f, ", container {}", place.container))?;
        write!(f, ": {}", self.words)
    }
}

/// The worst of what was seen while a gate was waited for: a container that loops is between two attempts now and then.
#[derive(Debug, Default)]
pub(super) struct Worst(Option<Trouble>);

impl Worst {
    /// Keeps what is as bad as what was seen before, or worse.
    pub(super) fn keep(&mut self, seen: Option<Trouble>) {
        if let Some(seen) = seen.filter(|seen| self.0.as_ref().is_none_or(|known| seen.weight >= known.weight)) {
            self.0 = Some(seen);
        }
    }

    /// What is to be said beside what was seen last: the worst, if it is something else, and the container's last words.
    pub(super) fn beside(&self, last: &str, cluster: &Kubernetes, bounds: Bounds<'_>) -> String {
        let Some(worst) = &self.0 else { return String::new() };
        let shown = worst.to_string();
        let said = if last.ends_with(&shown) { String::new() } else { format!("; at its worst {shown}") };
        // A log that cannot be read takes nothing from what is known.
        let log = worst.container.as_ref().and_then(|place| cluster.log(place, bounds).ok()).unwrap_or_default();
        format!("{said}{}", last_words(&log))
    }
}

fn last_words(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("; its log ends with:\n    {}", lines[lines.len().saturating_sub(LINES)..].join("\n    "))
}

/// The worst that the pods of a workload say now.
pub(super) fn trouble_of(workload: &Workload, cluster: &Kubernetes, bounds: Bounds<'_>) -> Option<Trouble> {
    let lookup = Lookup { resource: "pods".to_owned(), namespace: Some(workload.namespace.clone()), name: None };
    let pods = cluster.get(&lookup, bounds).ok().flatten()?;
    let ours = format!("{}-", workload.name);
    let pods = items(&pods, "/items").iter().filter(|pod| text(pod, "/metadata/name").starts_with(&ours));
    pods.flat_map(|pod| troubles(pod, &workload.namespace)).max_by_key(|trouble| trouble.weight)
}

fn troubles(pod: &Value, namespace: &str) -> Vec<Trouble> {
    let name = text(pod, "/metadata/name");
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = containers.into_iter().flat_map(|statuses| items(pod, statuses));
    let of_container = statuses.filter_map(|status| {
        let (weight, words) = ended(status)?;
        let container = text(status, "/name").to_owned();
        let place = Container { namespace: namespace.to_owned(), pod: name.to_owned(), container };
        Some(Trouble { weight, pod: name.to_owned(), container: Some(place), words })
    });
    let unscheduled = items(pod, "/status/conditions")
        .iter()
        .filter(|condition| text(condition, "/type") == "PodScheduled" && text(condition, "/status") == "False");
    let of_scheduler = unscheduled.map(|condition| Trouble {
        weight: Weight::Unscheduled,
        pod: name.to_owned(),
        container: None,
        words: text(condition, "/message").to_owned(),
    });
    of_container.chain(of_scheduler).collect()
}

/// Why a container does not run, with the words of the kubelet.
fn ended(status: &Value) -> Option<(Weight, String)> {
    let waiting = text(status, "/state/waiting/reason");
    if !waiting.is_empty() && !USUAL.contains(&waiting) {
        let weight = if waiting == "CrashLoopBackOff" { Weight::Looping } else { Weight::NotStarted };
        return Some((weight, format!("{waiting}: {}", text(status, "/state/waiting/message"))));
    }
    let code = status.pointer("/state/terminated/exitCode").and_then(Value::as_i64).filter(|code| *code != 0)?;
    Some((Weight::Ended, format!("{} with exit code {code}", text(status, "/state/terminated/reason"))))
}
