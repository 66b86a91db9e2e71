//! Ablation: the matrix again with one policy object removed. An object that no case notices is uncovered.

use std::collections::BTreeSet;

use super::affected::{Reach, Ways};
use super::{CaseRecord, PolicyRecord, judge_all};
use crate::judge::Verdict;
use crate::manifest::{Document, Meta, ObjectRef, Resource, RuleRef, decode_resource};
use crate::path::Engine;
use crate::scenario::{CaseId, Plan};
use crate::testbed::model::Model;
use crate::world::{AdmissionEvent, Environment, Stack, World, build};

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
    let ablation = Ablation { setting, world, plan, passing: passing(cases), ways: Ways::of(cases) };
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
    world: &'a World,
    plan: &'a Plan,
    passing: BTreeSet<CaseId>,
    ways: Ways,
}

impl Ablation<'_> {
    /// Cases that pass with the object and not without it.
    fn noticed(&self, policy: &Policy, index: usize) -> Vec<CaseId> {
        if !policy.shapes_world {
            return self.missed_in(&self.world.without(&policy.meta.object), &policy.reach(&self.world.stack));
        }
        let mut documents = self.setting.documents.to_vec();
        documents.remove(index);
        match build(&documents, self.setting.environment, self.setting.stack.clone()) {
            Ok(built) => self.missed_in(&built.world, &Reach::Everywhere),
            // Without the object there is no world at all, which nobody could overlook.
            Err(_) => self.passing.iter().cloned().collect(),
        }
    }

    fn missed_in(&self, world: &World, reach: &Reach) -> Vec<CaseId> {
        let part = self.ways.part(self.plan, reach);
        let judged = judge_all(&part, &mut Model::new(&Engine::compile(world)));
        let missed = judged.iter().filter(|case| case.judgement.verdict != Verdict::Pass);
        missed.map(|case| case.case.id.clone()).filter(|id| self.passing.contains(id)).collect()
    }

    /// Objects that admission generated are policies too.
    fn generated(&self, cases: &[CaseRecord]) -> Vec<PolicyRecord> {
        let made = self.world.admission.iter().filter_map(|event| match event {
            AdmissionEvent::Generated { object, rule, .. } => Some((object, rule)),
            AdmissionEvent::Rejected { .. } | AdmissionEvent::Mutated { .. } => None,
        });
        made.map(|(object, rule)| {
            let whole = RuleRef { object: object.clone().into(), rule: None, at: rule.at.clone() };
            PolicyRecord {
                decides: decides(&whole, cases),
                rule: whole,
                layer: "cni".to_owned(),
                digest: String::new(),
                noticed_by: self.missed_in(
                    &self.world.without(object),
                    &Reach::of_generated(object, &self.world.stack.istio.root_namespace),
                ),
                generated_by: Some(rule.object.as_ref().clone()),
            }
        })
        .collect()
    }
}

struct Policy {
    meta: Meta,
    layer: &'static str,
    /// Whether other objects, pods or Services depend on it, so that the world must be built anew without it.
    shapes_world: bool,
    resource: Resource,
}

impl Policy {
    fn of(document: &Document) -> Option<Self> {
        let resource = decode_resource(document).ok()?;
        let layer = layer(&resource)?;
        Some(Self { meta: resource.meta()?.clone(), layer, shapes_world: shapes_world(&resource), resource })
    }

    fn reach(&self, stack: &Stack) -> Reach {
        Reach::of(&self.resource, &stack.istio.root_namespace)
    }

    fn record(self, cases: &[CaseRecord], noticed_by: Vec<CaseId>) -> PolicyRecord {
        let rule = self.meta.whole();
        PolicyRecord {
            decides: decides(&rule, cases),
            rule,
            layer: self.layer.to_owned(),
            digest: self.meta.digest,
            noticed_by,
            generated_by: None,
        }
    }
}

/// The layer that enforces a resource; none for one that is no policy.
fn layer(resource: &Resource) -> Option<&'static str> {
    match resource {
        Resource::NetworkPolicy(_)
        | Resource::CiliumNetworkPolicy(_)
        | Resource::CiliumClusterwideNetworkPolicy(_)
        | Resource::CiliumCidrGroup(_)
        | Resource::ClusterNetworkPolicy(_) => Some("cni"),
        Resource::PeerAuthentication(_) => Some("ztunnel"),
        Resource::AuthorizationPolicy(object) => {
            Some(if object.body.spec.targets().next().is_some() { "waypoint" } else { "ztunnel" })
        }
        Resource::RequestAuthentication(_) | Resource::ServiceEntry(_) | Resource::DestinationRule(_) => {
            Some("waypoint")
        }
        Resource::Gateway(_)
        | Resource::GatewayClass(_)
        | Resource::HttpRoute(_)
        | Resource::GrpcRoute(_)
        | Resource::TlsRoute(_)
        | Resource::ReferenceGrant(_)
        | Resource::BackendTlsPolicy(_)
        | Resource::TrafficPolicy(_)
        | Resource::Backend(_)
        | Resource::GatewayParameters(_)
        | Resource::DirectResponse(_)
        | Resource::AgentgatewayBackend(_)
        | Resource::AgentgatewayPolicy(_)
        | Resource::AgentgatewayParameters(_) => Some("gateway"),
        Resource::ClusterPolicy(_)
        | Resource::Policy(_)
        | Resource::PolicyException(_)
        | Resource::CelPolicyException(_)
        | Resource::ValidatingPolicy(_)
        | Resource::GeneratingPolicy(_)
        | Resource::MutatingPolicy(_) => Some("admission"),
        Resource::Namespace(_)
        | Resource::Pod(_)
        | Resource::Service(_)
        | Resource::ServiceAccount(_)
        | Resource::Deployment(_)
        | Resource::StatefulSet(_)
        | Resource::DaemonSet(_)
        | Resource::ReplicaSet(_)
        | Resource::Job(_)
        | Resource::CronJob(_)
        | Resource::EndpointSlice(_)
        | Resource::Inert(_)
        | Resource::Unmodelled(_) => None,
    }
}

fn shapes_world(resource: &Resource) -> bool {
    let proxies = matches!(
        resource,
        Resource::Gateway(_)
            | Resource::GatewayClass(_)
            | Resource::GatewayParameters(_)
            | Resource::AgentgatewayParameters(_)
    );
    proxies || layer(resource) == Some("admission")
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
