//! Whom no allow rule lets in: for workloads that the same policies guard, once, a neighbour in their namespace and one
//! in another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use airtight_manifest::ObjectRef;
use airtight_model::path::{Destination, Source};

use super::choose::{Choices, Chooser};
use super::ledger::TriedId;
use super::survey::{Ending, Survey};

/// The policies that end flows from elsewhere to a workload.
type Guard = BTreeSet<Arc<ObjectRef>>;

/// What makes one denied flow as good as another: the target's namespace, whether the source is of the same, and the
/// target's guard.
type Fence<'s> = (&'s str, bool, &'s Guard);

/// Adds a denied case for each fence that has none yet, if `wanted` takes a policy that ends it.
pub(super) fn complete(survey: &Survey, choices: &mut Choices, wanted: impl Fn(&ObjectRef) -> bool) {
    let chooser = Chooser::new(survey);
    let guards = guards(survey);
    let fence = |id: TriedId| {
        let (from, to) = neighbours(survey, id)?;
        Some((to, from == to, guards.get(&survey.aim(id).to).filter(|guard| !guard.is_empty())?))
    };
    let mut known: BTreeSet<Fence<'_>> = choices.cases.keys().filter_map(|id| fence(*id)).collect();
    let mut candidates: Vec<(Fence<'_>, TriedId)> =
        (0..survey.tried.len()).filter_map(|id| Some((fence(id)?, id))).collect();
    candidates.retain(|(fence, _)| !known.contains(fence));
    candidates.sort_by_key(|((home, ..), id)| (!is_guarded(survey, *id, home), chooser.effort(*id), *id));
    for (fence, id) in candidates {
        let stopping = survey.stopping(id);
        let Some(rule) = stopping.iter().find(|rule| wanted(&rule.object)) else { continue };
        if known.contains(&fence) {
            continue;
        }
        if let Some(twin) = chooser.twin(id, rule) {
            known.insert(fence);
            choices.deny(id, twin, stopping);
        }
    }
}

/// The namespaces of two workloads of which one does not reach the other.
fn neighbours(survey: &Survey, id: TriedId) -> Option<(&str, &str)> {
    let (Source::Workload(from, _), Destination::Service(to, _) | Destination::Pod(to, _)) =
        (survey.source(id), &survey.aim(id).to)
    else {
        return None;
    };
    let is_denied = matches!(survey.tried[id].end, Ending::Denied { at_lookup: false, .. });
    // A stand-in is nobody's neighbour.
    (is_denied && survey.source_rank(id) == 0 && from != "kube-system").then_some((from, to))
}

fn guards(survey: &Survey) -> BTreeMap<&Destination, Guard> {
    let mut guards: BTreeMap<&Destination, Guard> = BTreeMap::new();
    for id in 0..survey.tried.len() {
        let Some((from, to)) = neighbours(survey, id) else { continue };
        let objects = survey.tried[id].denied_by.iter().map(|rule| &survey.ledger.rule(*rule).object);
        let own = objects.filter(|object| from != to && guards_in(object, to)).cloned();
        guards.entry(&survey.aim(id).to).or_default().extend(own);
    }
    guards
}

/// Whether a policy can be one that guards workloads of `home`.
fn guards_in(object: &ObjectRef, home: &str) -> bool {
    object.namespace.as_deref().is_none_or(|namespace| namespace == home)
}

fn is_guarded(survey: &Survey, id: TriedId, home: &str) -> bool {
    survey.tried[id].denied_by.iter().any(|rule| guards_in(&survey.ledger.rule(*rule).object, home))
}
