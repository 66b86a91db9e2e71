//! Which flows become cases: for each allow rule the smallest that it lets through, for each boundary the nearest
//! that it stops.

use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::{ObjectRef, RuleRef};
use airtight_model::path::{Destination, Source};
use airtight_model::world::API_SERVER_HOST;

use super::aim::Aim;
use super::ledger::TriedId;
use super::survey::{Ending, PROXY, Survey};

/// A flow that becomes a case.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    /// The rules that it was drafted from.
    pub(super) rules: BTreeSet<RuleRef>,
    /// For a denied flow: the allowed one that differs in exactly one thing.
    pub(super) twin: Option<TriedId>,
}

/// The flows chosen so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Choices {
    pub(super) cases: BTreeMap<TriedId, Choice>,
}

impl Choices {
    /// Adds an allowed flow.
    pub(super) fn allow(&mut self, id: TriedId, rule: Option<RuleRef>) {
        self.cases.entry(id).or_default().rules.extend(rule);
    }

    /// Adds a denied flow with its twin.
    pub(super) fn deny(&mut self, id: TriedId, twin: TriedId, rules: impl IntoIterator<Item = RuleRef>) {
        self.cases.entry(twin).or_default();
        let choice = self.cases.entry(id).or_default();
        choice.twin.get_or_insert(twin);
        choice.rules.extend(rules);
    }

    /// Takes flows out, and denied ones whose twin goes; returns the rules that are left without any case.
    pub(super) fn drop_all(&mut self, failed: &BTreeSet<TriedId>) -> BTreeSet<RuleRef> {
        let goes = |id: &TriedId, choice: &Choice| {
            failed.contains(id) || choice.twin.is_some_and(|twin| failed.contains(&twin))
        };
        let (gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.cases).into_iter().partition(|(id, choice)| goes(id, choice));
        self.cases = kept;
        let rules = gone.into_values().flat_map(|choice: Choice| choice.rules);
        rules.filter(|rule| !self.cases.values().any(|choice| choice.rules.contains(rule))).collect()
    }
}

/// How good a denied flow is as the other side of an allowed one; less is better.
type Fitness = (u8, bool, u8, bool);

/// How good a flow is as the example of a rule; less is better: from a proxy, shared with other rules, its boundary,
/// source, target, request, hops, and the flow itself.
type Cost = (bool, bool, u8, u8, u8, u8, usize, TriedId);

/// What is looked up again and again while choosing.
pub(super) struct Chooser<'s> {
    survey: &'s Survey,
    /// Best denied flow at an aim, by the object whose boundary it should be.
    at_aim: BTreeMap<(usize, ObjectRef), Option<(Fitness, TriedId)>>,
}

impl<'s> Chooser<'s> {
    pub(super) fn new(survey: &'s Survey) -> Self {
        Self { survey, at_aim: BTreeMap::new() }
    }

    /// The smallest flow that gets through because of `rule`; one that it alone lets on before others, one with a
    /// denied neighbour before others.
    pub(super) fn example(&mut self, rule: &RuleRef) -> Option<TriedId> {
        let survey = self.survey;
        let mut best: Option<Cost> = None;
        for (id, shared) in survey.ledger.through(rule) {
            let tried = &survey.tried[id];
            if !matches!(tried.end, Ending::Through { .. }) {
                continue;
            }
            let aim = survey.aim(id);
            let boundary = self.boundary(id, rule).map_or(3, |(fitness, _)| fitness.0);
            let source = survey.source_rank(id);
            let cost: Cost =
                (source == PROXY, shared, boundary, source, target_rank(&aim.to), plainness(aim), tried.hops, id);
            if best.is_none_or(|least| cost < least) {
                best = Some(cost);
            }
        }
        best.map(|cost| cost.7)
    }

    /// The nearest denied flow to the same aim, from another source.
    pub(super) fn boundary(&mut self, allowed: TriedId, rule: &RuleRef) -> Option<(Fitness, TriedId)> {
        let survey = self.survey;
        let key = (survey.tried[allowed].aim, rule.object.as_ref().clone());
        *self.at_aim.entry(key).or_insert_with(|| {
            let denied = survey.same_aim(allowed).filter_map(|id| Some((fitness(survey, id, rule)?, id)));
            denied.min()
        })
    }

    /// How much a reader has to take in: less is better.
    pub(super) fn effort(&self, id: TriedId) -> (u8, u8, u8, usize) {
        let (survey, aim) = (self.survey, self.survey.aim(id));
        (survey.source_rank(id), target_rank(&aim.to), plainness(aim), survey.tried[id].hops)
    }

    /// The allowed flow that a denied one is best compared with.
    pub(super) fn twin(&self, denied: TriedId, rule: &RuleRef) -> Option<TriedId> {
        let survey = self.survey;
        let through = |id: &TriedId| matches!(survey.tried[*id].end, Ending::Through { .. });
        let home = rule.object.namespace.as_deref();
        let near = |id: &TriedId| match survey.source(*id) {
            Source::Workload(namespace, _) => (survey.source_rank(*id), Some(namespace.as_str()) != home),
            Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => (survey.source_rank(*id), true),
        };
        let sources = survey.same_aim(denied).filter(through).min_by_key(|id| (near(id), *id));
        let others = || survey.same_site(denied).into_iter().chain(survey.same_kind(denied)).find(through);
        sources.or_else(others)
    }

    /// Denied flows to the same aim from the neighbours that a wider rule would let in first: one of the target's
    /// namespace, one of the source's, and one of any other.
    pub(super) fn neighbours(&self, allowed: TriedId, rule: &RuleRef) -> Vec<TriedId> {
        let survey = self.survey;
        let target = match &survey.aim(allowed).to {
            Destination::Service(namespace, _) | Destination::Pod(namespace, _) => Some(namespace.as_str()),
            Destination::Host(_)
            | Destination::Address(_)
            | Destination::Gateway(..)
            | Destination::Node(_)
            | Destination::Name(_)
            | Destination::Object(_) => None,
        };
        let own = home(survey.source(allowed));
        let circle = |id: TriedId| {
            let namespace = home(survey.source(id))?;
            Some(if Some(namespace) == own { 0 } else { 1 + u8::from(Some(namespace) != target) })
        };
        let mut nearest: BTreeMap<u8, (Fitness, TriedId)> = BTreeMap::new();
        for id in survey.same_aim(allowed) {
            let (Some(circle), Some(fitness)) = (circle(id), fitness(survey, id, rule)) else { continue };
            // A stand-in or a proxy is nobody's neighbour, and a failed lookup says nothing of the target.
            if fitness.0 < 2 && !fitness.1 && fitness.2 == 0 {
                let best = nearest.entry(circle).or_insert((fitness, id));
                *best = (*best).min((fitness, id));
            }
        }
        nearest.into_values().map(|(_, id)| id).collect()
    }

    /// Denied flows of the same source: with another request, or to another host or name.
    pub(super) fn side_boundaries(&self, allowed: TriedId, rule: &RuleRef) -> Vec<TriedId> {
        let best = |near: Vec<TriedId>| {
            let denied = near.into_iter().filter_map(|id| Some((fitness(self.survey, id, rule)?, id)));
            denied.filter(|(fitness, _)| fitness.0 == 0).min().map(|(_, id)| id)
        };
        let survey = self.survey;
        best(survey.same_site(allowed)).into_iter().chain(best(survey.same_kind(allowed))).collect()
    }
}

/// The namespace of a workload.
fn home(source: &Source) -> Option<&str> {
    match source {
        Source::Workload(namespace, _) => Some(namespace),
        Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => None,
    }
}

/// None for a flow that was not denied. The boundary of the rule's own object comes first, then others, and a failed
/// lookup last, since it says little about the target.
fn fitness(survey: &Survey, id: TriedId, rule: &RuleRef) -> Option<Fitness> {
    let tried = &survey.tried[id];
    let Ending::Denied { at_lookup, .. } = &tried.end else { return None };
    let own = tried.denied_by.iter().any(|by| survey.ledger.rule(*by).object == rule.object);
    let at_lookup = *at_lookup && !matches!(survey.aim(id).to, Destination::Name(_));
    let rank = match (own, at_lookup) {
        (true, false) => 0,
        (false, false) => 1,
        (_, true) => 2,
    };
    let abroad = match (survey.source(id), rule.object.namespace.as_deref()) {
        (Source::Workload(namespace, _), Some(home)) => namespace != home,
        (Source::Workload(..), None) => false,
        (Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_), _) => true,
    };
    let stand_in = matches!(survey.source(id), Source::Workload(namespace, _) if namespace == "kube-system");
    Some((rank, stand_in, survey.source_rank(id), abroad))
}

/// A bare connection before a `GET`, and that before other requests.
fn plainness(aim: &Aim) -> u8 {
    match aim.request.as_ref().map(|request| request.method.as_str()) {
        None => 0,
        Some("GET") => 1,
        Some(_) => 2,
    }
}

fn target_rank(to: &Destination) -> u8 {
    match to {
        Destination::Name(name) if name == API_SERVER_HOST => 0,
        Destination::Gateway(..) => 0,
        Destination::Name(_) | Destination::Service(..) | Destination::Host(_) => 1,
        Destination::Pod(..) | Destination::Address(_) => 2,
        Destination::Node(_) | Destination::Object(_) => 3,
    }
}
