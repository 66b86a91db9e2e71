//! What a request leaves behind: the stored objects after it, once Kyverno's controllers have done their part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use airtight_kyverno::{DownstreamEvent, DownstreamFate, Generated};
use airtight_manifest::{ObjectRef, RuleRef};

use super::AdmissionEvent;
use super::admit::Admission;
use super::api_request::{Act, ApiRequest};
use super::api_server::{ApiAnswer, ApiServer, Objection, POLICIES};
use super::build::admit_pods;
use super::intake::{Item, accept};

/// A request that was to be made before a flow, and that did not lead to a world that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what comes before the flow fails: {request}: {why}")]
pub struct Unmet {
    /// The request, in words.
    pub request: String,
    /// Why, in one sentence.
    pub why: String,
}

impl Unmet {
    pub(super) fn nothing() -> Self {
        Self { request: "nothing".to_owned(), why: "there is no request".to_owned() }
    }

    fn new(request: &ApiRequest, why: impl Into<String>) -> Self {
        Self { request: request.to_string(), why: why.into() }
    }
}

/// The API server between two requests.
struct Successor {
    admission: Admission,
    items: Vec<Item>,
    made: BTreeMap<ObjectRef, (RuleRef, ObjectRef)>,
    /// Objects whose pods are made anew.
    touched: Vec<ObjectRef>,
}

impl ApiServer {
    /// The API server after an accepted request.
    pub(super) fn succeed(&self, request: &ApiRequest) -> Result<Self, Unmet> {
        let answer = self.answer(request);
        refused(&answer).map_or(Ok(()), |why| Err(Unmet::new(request, why)))?;
        beyond_reach(request).map_or(Ok(()), |why| Err(Unmet::new(request, why)))?;
        let mut next = Successor {
            admission: self.admission.clone(),
            items: self.items.clone(),
            made: self.made.clone(),
            touched: vec![request.change.target.clone()],
        };
        next.store(request, &answer).map_err(|why| Unmet::new(request, why))?;
        next.release(request, &answer).map_err(|why| Unmet::new(request, why))?;
        for generated in &answer.review.generated {
            next.generate(&request.change.target, generated).map_err(|why| Unmet::new(request, why))?;
        }
        Ok(next.settle(self))
    }
}

fn refused(answer: &ApiAnswer) -> Option<String> {
    if let Some((_, why)) = &answer.unknown {
        return Some(why.clone());
    }
    match (&answer.objection, &answer.review.refused) {
        (Some(Objection::Missing(message) | Objection::Invalid { message, .. }), _) => Some(message.clone()),
        (None, Some(refusal)) => Some(refusal.message.clone()),
        (None, None) => None,
    }
}

/// Requests that change more than one object can tell.
fn beyond_reach(request: &ApiRequest) -> Option<&'static str> {
    let kind = &*request.change.target.kind;
    if POLICIES.contains(&kind) {
        return Some("policies that come or go between requests are not modelled; put them into the manifests");
    }
    (kind == "Namespace" && request.change.act == Act::Delete)
        .then_some("the end of a namespace with all that is in it is not modelled")
}

impl Successor {
    /// Stores the object, or takes it away; one that a rule made goes the way of the rule.
    fn store(&mut self, request: &ApiRequest, answer: &ApiAnswer) -> Result<(), String> {
        let target = &request.change.target;
        let event = match request.change.act {
            Act::Delete => DownstreamEvent::Deleted,
            Act::Apply | Act::Update => DownstreamEvent::Edited,
        };
        if let Some((rule, _)) = self.made.get(target) {
            match self.admission.kyverno.after(rule, event) {
                Some(DownstreamFate::Recreated | DownstreamFate::Reverted) => return Ok(()),
                Some(DownstreamFate::Stays | DownstreamFate::StaysGone) | None => {}
                Some(DownstreamFate::AppearsLater | DownstreamFate::NeverAppears | DownstreamFate::Deleted) => {
                    return Err(format!("what becomes of {target} is not known"));
                }
            }
        }
        self.items.retain(|item| item.resource.object() != target);
        match (request.change.act, &answer.stored) {
            (Act::Delete, _) => {
                self.made.remove(target);
            }
            (Act::Apply | Act::Update, Some(item)) => self.items.push(item.clone()),
            (Act::Apply | Act::Update, None) => return Err(format!("{target} cannot be stored")),
        }
        Ok(())
    }

    /// What rules made because of the object goes, where they synchronize and select it no longer.
    fn release(&mut self, request: &ApiRequest, answer: &ApiAnswer) -> Result<(), String> {
        let event = match request.change.act {
            Act::Delete => DownstreamEvent::TriggerDeleted,
            Act::Apply | Act::Update => DownstreamEvent::TriggerReleased,
        };
        for rule in &answer.review.released {
            let followers: Vec<ObjectRef> = self
                .made
                .iter()
                .filter(|(_, (maker, trigger))| maker == rule && *trigger == request.change.target)
                .map(|(object, _)| object.clone())
                .collect();
            match self.admission.kyverno.after(rule, event) {
                Some(DownstreamFate::Deleted) => {
                    self.items.retain(|item| !followers.contains(item.resource.object()));
                    self.made.retain(|object, _| !followers.contains(object));
                }
                Some(DownstreamFate::Stays) => {}
                Some(_) | None => return Err(format!("what becomes of the objects of {rule} is not known")),
            }
        }
        Ok(())
    }

    fn generate(&mut self, trigger: &ObjectRef, generated: &Generated) -> Result<(), String> {
        let Generated { document, rule, synchronize } = generated;
        let resource = accept(document, &self.admission.stack).map_err(|findings| {
            let messages: Vec<_> = findings.iter().map(|finding| finding.message.clone()).collect();
            format!("{rule} makes an object that is refused: {}", messages.join("; "))
        })?;
        let object = resource.object().clone();
        let there = self.items.iter().any(|item| *item.resource.object() == object);
        let own = self.made.get(&object).is_some_and(|(maker, _)| maker == rule);
        // An object that somebody applied by hand is there already.
        if there && !(own && *synchronize) {
            return Ok(());
        }
        self.items.retain(|item| *item.resource.object() != object);
        self.items.push(Item::new(document.clone(), resource));
        self.made.insert(object.clone(), (rule.clone(), trigger.clone()));
        self.admission.events.push(AdmissionEvent::Generated {
            object: object.clone(),
            rule: rule.clone(),
            trigger: trigger.clone(),
        });
        self.touched.push(object);
        Ok(())
    }

    /// Controllers make the pods of what was touched; all other pods run on as they are.
    fn settle(mut self, before: &ApiServer) -> ApiServer {
        self.admission.existing = self.items.iter().map(|item| Arc::clone(&item.json)).collect();
        let fresh: Vec<&Item> =
            self.items.iter().filter(|item| self.touched.contains(item.resource.object())).collect();
        let (made, _) = admit_pods(&fresh, &self.items, &before.environment, &mut self.admission);
        let kept = before.pods.iter().filter(|pod| !self.touched.contains(&pod.owner)).cloned();
        ApiServer {
            pods: kept.chain(made).collect(),
            admission: self.admission,
            items: self.items,
            environment: before.environment.clone(),
            made: self.made,
            worlds: Mutex::default(),
            named_ports: before.named_ports.clone(),
        }
    }
}
