//! Why a source has no certificate where mutual TLS is demanded.

use super::obstacle::{Obstacle, is_slip, near_miss, nearest};
use crate::policy::{Decision, Reason};
use crate::world::{Pod, World};

/// The label that puts pods into the ambient mesh (Istio `pkg/config/constants`, `DataplaneModeLabel`).
const MODE: &str = "istio.io/dataplane-mode";

/// What it must be.
const AMBIENT: &str = "ambient";

/// The decision with what keeps the source out of the mesh, if it was made because the source shows no certificate.
pub(crate) fn near_enrolment(world: &World, decision: Decision, source: Option<&Pod>) -> Decision {
    let (Reason::StrictMtls, Some(pod), Some(rule)) = (decision.reason, source, decision.rules.first()) else {
        return decision;
    };
    let near = nearest(near_miss(rule.clone(), vec![obstacle(world, pod)]).into_iter().collect());
    Decision { near, ..decision }
}

fn obstacle(world: &World, pod: &Pod) -> Obstacle {
    let whose = format!("{}/{}", pod.namespace, pod.workload);
    if let Some(own) = pod.labels.get(MODE) {
        return Obstacle::slip(format!("{whose} is not in the mesh: its own label `{MODE}` is `{own}`"));
    }
    let labels = world.namespaces.get(&pod.namespace).map(|namespace| &namespace.labels);
    let slip = labels
        .into_iter()
        .flatten()
        .find(|(key, value)| key.as_str() == MODE || (value.as_str() == AMBIENT && is_slip(key, MODE)));
    match slip {
        Some((key, value)) => Obstacle::slip(format!(
            "{whose} is not in the mesh: its namespace has `{key}: {value}`, and `{MODE}: {AMBIENT}` is meant"
        )),
        None => Obstacle::other(format!(
            "{whose} is not in the mesh: neither it nor its namespace has the label `{MODE}: {AMBIENT}`"
        )),
    }
}
