//! Ablation: the matrix again with one policy object removed. An object that no case notices is uncovered.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Document, Enforcer, Meta, ObjectRef, Resource, RuleRef, decode_resource};
use airtight_model::path::Engine;
use airtight_model::policy::Layer;
use airtight_model::world::{AdmissionEvent, Environment, World, build};

use super::affected::{Reach, Ways};
use super::{CaseRecord, PolicyRecord, judge_all};
use crate::judge::Verdict;
use crate::model::Model;
use crate::scenario::{CaseId, Plan};

/// What a matrix is run on, so that it can be run again with less.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The manifests.
    pub documents: &'a [Document],
    /// What is around the cluster.
    pub environment: &'a Environment,
    /// Versions and options.
    pub stack: &'a Stack,
}

/// Every policy object of the setting, with the cases that it decides and those that notice its removal.
#[must_use]
pub fn coverage(setting: Setting<'_>, world: &World, plan: &Plan, cases: &[CaseRecord]) -> Vec<PolicyRecord> {
    let engine = Engine::compile(world);
    let ways = Ways::of(cases, &engine);
    let ablation = Ablation { setting, engine, plan, passing: passing(cases), ways, parts: RefCell::default() };
    let written = setting.documents.iter().enumerate().filter_map(|(index, document)| {
        let policy = Policy::of(document)?;
        let noticed_by = ablation.noticed(&policy, index);
        Some(policy.record(cases, noticed_by))
    });
    written.chain(ablation.generated(cases)).collect()
}

fn passing(cases: &[CaseRecord]) -> BTreeSet<CaseId> {
    cases.iter().filter(|case| case.judgement.verdict == Verdict::Pass).map(|case| case.case.id.clone()).collect()
}

/// The matrix, ready to be run with less.
struct Ablation<'a> {
    setting: Setting<'a>,
    engine: Engine<'a>,
    plan: &'a Plan,
    passing: BTreeSet<CaseId>,
    ways: Ways,
    /// Parts of the plan by what they are for.
    parts: RefCell<BTreeMap<Reach, Rc<Plan>>>,
}

impl Ablation<'_> {
    /// Cases that pass with the object and not without it.
    fn noticed(&self, policy: &Policy, index: usize) -> Vec<CaseId> {
        let object = &policy.meta.object;
        let reach = policy.reach();
        match policy.hold {
            Hold::Decisions => self.missed_without(object, &reach),
            Hold::Proxies => match self.engine.world().without_proxy_settings(object) {
                Some(world) => self.missed_in(&Engine::compile(&world), &reach),
                None => self.missed_when_rebuilt(index),
            },
            Hold::Admission => match self.engine.world().without_idle_policy(object) {
                Some(world) => self.missed_in(&self.engine.without(&world, object), &Reach::Changes),
                None => self.missed_when_rebuilt(index),
            },
        }
    }

    fn missed_when_rebuilt(&self, index: usize) -> Vec<CaseId> {
        let mut documents = self.setting.documents.to_vec();
        documents.remove(index);
        match build(&documents, self.setting.environment, self.setting.stack.clone()) {
            Ok(built) => {
                let world = built.world.listening_as_in(self.engine.world());
                self.missed_in(&Engine::compile(&world), &Reach::Everywhere)
            }
            // Without the object there is no world at all, which nobody could overlook.
            Err(_) => self.passing.iter().cloned().collect(),
        }
    }

    fn missed_without(&self, object: &ObjectRef, reach: &Reach) -> Vec<CaseId> {
        // Most policies are on nobody's way.
        if self.part(reach).cases.is_empty() {
            return Vec::new();
        }
        let world = self.engine.world().without(object);
        self.missed_in(&self.engine.without(&world, object), reach)
    }

    fn part(&self, reach: &Reach) -> Rc<Plan> {
        let mut parts = self.parts.borrow_mut();
        Rc::clone(parts.entry(reach.clone()).or_insert_with(|| Rc::new(self.ways.part(self.plan, reach))))
    }

    fn missed_in(&self, engine: &Engine<'_>, reach: &Reach) -> Vec<CaseId> {
        let judged = judge_all(&self.part(reach), &mut Model::terse(engine));
        let missed = judged.iter().filter(|case| case.judgement.verdict != Verdict::Pass);
        missed.map(|case| case.case.id.clone()).filter(|id| self.passing.contains(id)).collect()
    }

    /// Objects that admission generated are policies too.
    fn generated(&self, cases: &[CaseRecord]) -> Vec<PolicyRecord> {
        let world = self.engine.world();
        let made = world.admission.iter().filter_map(|event| match event {
            AdmissionEvent::Generated { object, rule, .. } => Some((object, rule)),
            AdmissionEvent::Rejected { .. } | AdmissionEvent::Mutated { .. } => None,
        });
        made.map(|(object, rule)| {
            let whole = RuleRef { object: object.clone().into(), rule: None, at: rule.at.clone() };
            PolicyRecord {
                decides: decides(&whole, cases),
                rule: whole,
                layer: Layer::Cni.to_string(),
                digest: String::new(),
                noticed_by: self.missed_without(object, &Reach::of_generated(object)),
                generated_by: Some(rule.object.as_ref().clone()),
            }
        })
        .collect()
    }
}

/// What an object has a hold on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// What becomes of flows.
    Decisions,
    /// Which proxies run, and how.
    Proxies,
    /// Which objects there are.
    Admission,
}

/// The layer to which a report counts what somebody enforces, and what that has a hold on; none for what exists and is
/// no policy.
fn standing(enforcer: Enforcer) -> Option<(Layer, Hold)> {
    match enforcer {
        Enforcer::Cluster => None,
        Enforcer::Admission => Some((Layer::Admission, Hold::Admission)),
        Enforcer::Cni => Some((Layer::Cni, Hold::Decisions)),
        Enforcer::Ztunnel => Some((Layer::Ztunnel, Hold::Decisions)),
        Enforcer::Waypoint => Some((Layer::Waypoint, Hold::Decisions)),
        Enforcer::Gateway => Some((Layer::Gateway, Hold::Decisions)),
        Enforcer::ProxyController => Some((Layer::Gateway, Hold::Proxies)),
    }
}

struct Policy {
    meta: Meta,
    layer: Layer,
    hold: Hold,
    resource: Resource,
}

impl Policy {
    fn of(document: &Document) -> Option<Self> {
        let resource = decode_resource(document).ok()?;
        let (layer, hold) = standing(resource.enforcer()?)?;
        Some(Self { meta: resource.meta()?.clone(), layer, hold, resource })
    }

    fn reach(&self) -> Reach {
        Reach::of(&self.resource)
    }

    fn record(self, cases: &[CaseRecord], noticed_by: Vec<CaseId>) -> PolicyRecord {
        let rule = self.meta.whole();
        PolicyRecord {
            decides: decides(&rule, cases),
            rule,
            layer: self.layer.to_string(),
            digest: self.meta.digest,
            noticed_by,
            generated_by: None,
        }
    }
}

/// Cases in whose trace one of the object's rules decided.
fn decides(rule: &RuleRef, cases: &[CaseRecord]) -> Vec<CaseId> {
    cases.iter().filter(|case| decided_by(case, &rule.object)).map(|case| case.case.id.clone()).collect()
}

fn decided_by(case: &CaseRecord, object: &ObjectRef) -> bool {
    let trace = case.observation.as_ref().and_then(|observation| observation.evidence.trace.as_ref());
    trace
        .is_some_and(|trace| trace.checks().flat_map(|check| &check.decision.rules).any(|rule| *rule.object == *object))
}
