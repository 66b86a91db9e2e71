//! How flows are tried on a live testbed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use airtight_model::policy::{Layer, Outcome};
use airtight_probe::wire::SHORTEST_DEADLINE_MS;

use crate::detect::Denial;
use crate::outside::Outside;

/// How flows are tried on a live testbed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The testbed's name in reports: `kind` or `cluster`.
    pub name: &'static str,
    /// After how long without an answer a flow counts as dropped; at least 100 ms.
    pub deny_timeout: Duration,
    /// How long a session may take on top of its flows: to be opened, and to start the probe.
    pub grace: Duration,
    /// How long is waited for a state: pods that become ready, a policy that bites.
    pub patience: Duration,
    /// How long is waited before a state is asked for again.
    pub pause: Duration,
    /// The probe's image as pods name it; the container that runs it is known by its last part without the tag.
    pub image: String,
    /// The probe in that image.
    pub program: String,
    /// Whether flows can start outside the cluster, on this machine.
    pub outside: Outside,
    /// A namespace of the run's own in which pods may be on their node's network, if there is one: by a pod in it
    /// kubelets are asked.
    pub node_namespace: Option<String>,
    /// Labels that the canary's namespace gets besides its own, such as one by which a default deny leaves it out.
    pub canary_labels: BTreeMap<String, String>,
    /// What a client may see of a denial by the CNI; none if nobody knows it.
    pub denials: Option<BTreeSet<Outcome>>,
    /// What the CNI does to denied packets where it alone stands between pods and no observer tells of it.
    pub unobserved: Option<BTreeSet<Denial>>,
    /// Whether the cluster is tried although objects on it are not as the manifests say.
    pub accepts_drift: bool,
    /// Layers that nobody enforces on the cluster, each with the sentence for the cases that need it.
    pub lacks: BTreeMap<Layer, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "cluster",
            deny_timeout: Duration::from_secs(2),
            grace: Duration::from_secs(20),
            patience: Duration::from_mins(2),
            pause: Duration::from_millis(250),
            image: "airtight-probe:dev".to_owned(),
            program: airtight_probe::image::PROGRAM.to_owned(),
            outside: Outside::Nowhere("no program is named that could dial from this machine".to_owned()),
            node_namespace: None,
            canary_labels: BTreeMap::new(),
            denials: None,
            unobserved: None,
            accepts_drift: false,
            lacks: BTreeMap::new(),
        }
    }
}

impl Options {
    /// The deadline of every flow, in milliseconds.
    pub(super) fn deadline_ms(&self) -> u64 {
        u64::try_from(self.deny_timeout.as_millis()).unwrap_or(u64::MAX).max(SHORTEST_DEADLINE_MS)
    }

    /// How long a session of so many flows may take: the probe has [`AT_A_TIME`] of them under way.
    pub(super) fn session(&self, flows: usize) -> Duration {
        let turns = u32::try_from(flows.div_ceil(AT_A_TIME)).unwrap_or(u32::MAX);
        Duration::from_millis(self.deadline_ms()).saturating_mul(turns).saturating_add(self.grace)
    }
}

/// How many flows a probe has under way.
pub(super) const AT_A_TIME: usize = 512;
