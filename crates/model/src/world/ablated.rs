//! Worlds with one object less, made from the world itself instead of from its documents.

use std::sync::{Arc, Mutex};

use airtight_manifest::{ObjectRef, RuleRef};

use super::World;
use super::admission::AdmissionEvent;
use super::admit::Admission;
use super::api_server::ApiServer;
use super::build::assemble;
use super::intake::Item;

/// Kyverno's policies that do nothing but what they are seen to do; an exception lifts what others do.
const ACTING_KINDS: &[&str] = &["ClusterPolicy", "Policy", "ValidatingPolicy", "GeneratingPolicy", "MutatingPolicy"];

impl World {
    /// The same world without one policy object. Requests to the API server are answered as if it were there.
    #[must_use]
    pub fn without(&self, object: &ObjectRef) -> Self {
        let mut removed = self.removed.clone();
        removed.push(object.clone());
        Self { objects: self.objects.without(object), removed, ..self.clone() }
    }

    /// The same world without a policy of Kyverno that left no trace in it: it refused, changed and made nothing.
    /// None if it did, or might have: then the world must be built anew.
    #[must_use]
    pub fn without_idle_policy(&self, policy: &ObjectRef) -> Option<Self> {
        let server = &self.api_server;
        let acted = |rule: &RuleRef| *rule.object == *policy;
        let is_idle = ACTING_KINDS.contains(&&*policy.kind)
            && self.removed.is_empty()
            && !self.admission.iter().filter_map(AdmissionEvent::rule).any(acted)
            && !server.admission.doubts.iter().any(|(object, rules)| object == policy || rules.iter().any(acted))
            && !self.admission.iter().any(|event| event.object() == policy || event.trigger() == Some(policy));
        is_idle.then(|| {
            let items = server.items_without(policy);
            let kyverno = Admission::new(&items, &self.stack).kyverno;
            let next = server.with(items, Admission { kyverno, ..server.admission.clone() });
            Self { api_server: Arc::new(next), ..self.clone() }
        })
    }

    /// The same world without an object that says which proxies run and how. None if admission made or changed
    /// something because of it: then the world must be built anew.
    #[must_use]
    pub fn without_proxy_settings(&self, object: &ObjectRef) -> Option<Self> {
        // An object that a rule copies is of the kind of its copies.
        let involved = |event: &AdmissionEvent| {
            event.object() == object || event.trigger() == Some(object) || event.object().kind == object.kind
        };
        if !self.removed.is_empty() || self.admission.iter().any(involved) {
            return None;
        }
        let server = &self.api_server;
        let next = server.with(server.items_without(object), server.admission.clone());
        let world = assemble(&Arc::new(next)).0;
        Some(Self { admission: Arc::clone(&self.admission), ..world })
    }
}

impl ApiServer {
    fn items_without(&self, object: &ObjectRef) -> Vec<Item> {
        self.items.iter().filter(|item| item.resource.object() != object).cloned().collect()
    }

    /// The same with other objects, and with what admission made of them.
    pub(super) fn with(&self, items: Vec<Item>, mut admission: Admission) -> Self {
        admission.existing = items.iter().map(|item| Arc::clone(&item.json)).collect();
        Self {
            admission,
            items,
            pods: self.pods.clone(),
            environment: self.environment.clone(),
            made: self.made.clone(),
            worlds: Mutex::default(),
            named_ports: self.named_ports.clone(),
        }
    }
}
