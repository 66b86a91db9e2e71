//! Policies that no chosen case would miss, and cases that do.

use airtight_manifest::{Enforcer, Meta, ObjectRef, RuleRef};
use airtight_model::path::Engine;
use airtight_model::world::{Objects, World};
use rayon::prelude::*;

use super::choose::{Choices, Chooser};
use super::ledger::TriedId;
use super::survey::{Ending, Survey, ending};
use crate::model::Model;

/// How many flows are tried for one policy that nothing notices yet.
const PATIENCE: usize = 300;

/// Adds cases that notice what is not noticed yet, for each policy that `wanted` takes; returns the policies of which
/// none was found.
pub(super) fn complete(
    world: &World,
    survey: &Survey,
    choices: &mut Choices,
    wanted: impl Fn(&ObjectRef) -> bool,
) -> Vec<RuleRef> {
    let mut chooser = Chooser::new(survey);
    let mut unnoticed = Vec::new();
    for policy in policies(&world.objects).into_iter().filter(|policy| wanted(&policy.object)) {
        let without = world.with_objects(world.objects.without(&policy.object));
        let engine = Engine::compile(&without);
        let ablated = Ablated { survey, engine: &engine };
        // Where the policy had a say, it is most likely to be missed.
        let (near, far): (Vec<TriedId>, Vec<TriedId>) =
            choices.cases.keys().copied().partition(|id| survey.ledger.meets(*id, &policy.object));
        if near.into_par_iter().chain(far).any(|id| ablated.differs(id)) {
            continue;
        }
        match ablated.search(&policy.object, &mut chooser, &policy.whole()) {
            Some(Found::Allowed(id)) => choices.allow(id, Some(policy.whole())),
            Some(Found::Denied(id, twin)) => choices.deny(id, twin, [policy.whole()]),
            None => unnoticed.push(policy.whole()),
        }
    }
    unnoticed
}

/// The world without one policy.
struct Ablated<'a> {
    survey: &'a Survey,
    engine: &'a Engine<'a>,
}

/// A flow that notices, with its twin if it is a denied one.
enum Found {
    Allowed(TriedId),
    Denied(TriedId, TriedId),
}

impl Ablated<'_> {
    fn differs(&self, id: TriedId) -> bool {
        let tried = &self.survey.tried[id];
        ending(&Model::new(self.engine).observe_one(&self.survey.flow(id)), tried.edge) != tried.end
    }

    /// Only flows in whose trace the policy has a say can notice that it is gone.
    fn search(&self, object: &ObjectRef, chooser: &mut Chooser<'_>, rule: &RuleRef) -> Option<Found> {
        let survey = self.survey;
        let mut candidates: Vec<TriedId> = survey.ledger.met_by(object);
        candidates.sort_by_key(|id| (chooser.effort(*id), *id));
        for id in candidates.into_iter().take(PATIENCE) {
            match &survey.tried[id].end {
                Ending::Through { .. } if self.differs(id) => return Some(Found::Allowed(id)),
                Ending::Denied { .. } if self.differs(id) => {
                    if let Some(twin) = chooser.twin(id, rule) {
                        return Some(Found::Denied(id, twin));
                    }
                }
                Ending::Through { .. } | Ending::Denied { .. } | Ending::Vacuous | Ending::Unknown(_) => {}
            }
        }
        None
    }
}

/// Every policy and routing object in force that decides about flows.
fn policies(objects: &Objects) -> Vec<&Meta> {
    let judging = objects.metas().filter(|meta| Enforcer::of(&meta.object).is_some_and(Enforcer::judges_flows));
    let mut metas: Vec<&Meta> = judging.collect();
    metas.sort_by(|a, b| a.at.cmp(&b.at));
    metas
}
