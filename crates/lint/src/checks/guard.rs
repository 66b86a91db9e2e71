//! Denials that stand only while nobody touches them: a label that takes them away, an edit or an addition that empties
//! them. Each is tried as a request, and what admission answers decides.

use std::collections::BTreeSet;

use airtight_manifest::{Labels, ObjectRef, RuleRef};
use airtight_model::world::{Act, AdmissionEvent, ApiAnswer, ApiRequest, ApiUser, Change};
use serde_json::{Value, json};

use super::Checks;

/// Kinds whose objects deny.
const DENIERS: [&str; 3] = ["NetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"];

/// Whoever may edit in a namespace, and holds no office that a rule could exempt.
const EDITOR: &str = "namespace-editor";

impl Checks<'_, '_> {
    pub(super) fn guards(&mut self) {
        self.removable_by_label();
        self.guarded_against_deletion_alone();
    }

    /// What Kyverno generated for a namespace's label goes with the label, if it synchronizes: past every rule that guards
    /// the object, since Kyverno itself deletes it (Kyverno `pkg/background/generate/cleanup.go`).
    fn removable_by_label(&mut self) {
        let mut said: BTreeSet<RuleRef> = BTreeSet::new();
        let made: Vec<_> = self.world.admission.iter().filter_map(of_namespace).collect();
        for (object, rule, namespace) in made {
            if !said.insert(rule.clone()) {
                continue;
            }
            let Some(request) = self.without_labels(&namespace) else { continue };
            let Ok(after) = self.world.after(&[request]) else { continue };
            if self.world.stores(&object) && !after.stores(&object) {
                let message = format!(
                    "whoever may edit {namespace} removes its labels, and Kyverno takes {object} away with them"
                );
                let hint = "refuse updates of Namespaces that take the label off, or match every namespace";
                self.tell("label-removes-deny", &rule.object.clone(), rule.at.clone(), &message, hint);
            }
        }
    }

    /// The request that takes every label off a namespace but that which the API server gives it.
    fn without_labels(&self, namespace: &ObjectRef) -> Option<ApiRequest> {
        let mut object = self.documents.get(namespace)?.root.to_json();
        let labels: Labels = serde_json::from_value(object["metadata"]["labels"].clone()).ok()?;
        let kept: Labels = labels.into_iter().filter(|(key, _)| key == "kubernetes.io/metadata.name").collect();
        object["metadata"]["labels"] = json!(kept);
        Some(update(namespace, &object))
    }

    /// Policies that may not be deleted, and may be emptied or drowned by another.
    fn guarded_against_deletion_alone(&mut self) {
        let mut said: BTreeSet<(RuleRef, &str)> = BTreeSet::new();
        let deniers: Vec<ObjectRef> = self
            .world
            .objects
            .metas()
            .filter(|meta| DENIERS.contains(&&*meta.object.kind))
            .map(|meta| (*meta.object).clone())
            .collect();
        for object in deniers {
            let change = Change { act: Act::Delete, target: object.clone(), object: None };
            let answer = self.ask(&ApiRequest { by: editor(), change });
            let Some(guard) = answer.review.refused.map(|refusal| refusal.rule) else { continue };
            if self.passes(&emptied(&object)) && said.insert((guard.clone(), "edit")) {
                let message = format!(
                    "it refuses to delete {object}, and lets an edit through after which that allows everything"
                );
                let hint = "guard UPDATE beside DELETE";
                self.tell("guards-deletion-alone", &guard.object.clone(), guard.at.clone(), &message, hint);
            }
            let beside =
                object.namespace.as_deref().map(|home| ObjectRef::new(&object.kind, Some(home), "anything-goes"));
            let added = beside.as_ref().map(applied);
            if added.is_some_and(|request| self.passes(&request)) && said.insert((guard.clone(), "addition")) {
                let message = format!(
                    "it guards {object}, and a {} beside that which allows everything is admitted: policies add up",
                    object.kind
                );
                let hint = "refuse policies that allow everything, or deny with a rule that no allow beats (`ingressDeny`, AdminNetworkPolicy's successor)";
                self.tell("guarded-and-drowned", &guard.object.clone(), guard.at.clone(), &message, hint);
            }
        }
    }

    fn ask(&self, request: &ApiRequest) -> ApiAnswer {
        self.world.api_server.answer(request)
    }

    /// Whether it is certain that the request is accepted.
    fn passes(&self, request: &ApiRequest) -> bool {
        let answer = self.ask(request);
        answer.objection.is_none() && answer.review.refused.is_none() && answer.unknown.is_none()
    }
}

/// A denial that a rule made for a namespace.
fn of_namespace(event: &AdmissionEvent) -> Option<(ObjectRef, RuleRef, ObjectRef)> {
    match event {
        AdmissionEvent::Generated { object, rule, trigger }
            if &*trigger.kind == "Namespace" && DENIERS.contains(&&*object.kind) =>
        {
            Some((object.clone(), rule.clone(), trigger.clone()))
        }
        AdmissionEvent::Generated { .. } | AdmissionEvent::Rejected { .. } | AdmissionEvent::Mutated { .. } => None,
    }
}

fn editor() -> ApiUser {
    ApiUser::new(EDITOR, [])
}

fn update(target: &ObjectRef, object: &Value) -> ApiRequest {
    request(Act::Update, target, object)
}

fn request(act: Act, target: &ObjectRef, object: &Value) -> ApiRequest {
    let mut sorted = object.clone();
    sorted.sort_all_objects();
    ApiRequest { by: editor(), change: Change { act, target: target.clone(), object: Some(sorted.to_string()) } }
}

/// The edit after which a policy allows everything.
fn emptied(object: &ObjectRef) -> ApiRequest {
    update(object, &open(object))
}

/// A policy beside it that allows everything.
fn applied(object: &ObjectRef) -> ApiRequest {
    request(Act::Apply, object, &open(object))
}

/// A policy of this name that allows everything.
fn open(object: &ObjectRef) -> Value {
    let metadata = match &object.namespace {
        Some(namespace) => json!({"name": &*object.name, "namespace": &**namespace}),
        None => json!({"name": &*object.name}),
    };
    if &*object.kind == "NetworkPolicy" {
        return json!({
            "apiVersion": "networking.k8s.io/v1", "kind": &*object.kind, "metadata": metadata,
            "spec": {"podSelector": {}, "ingress": [{}], "egress": [{}], "policyTypes": ["Ingress", "Egress"]},
        });
    }
    json!({
        "apiVersion": "cilium.io/v2", "kind": &*object.kind, "metadata": metadata,
        "spec": {"endpointSelector": {}, "ingress": [{"fromEntities": ["all"]}], "egress": [{"toEntities": ["all"]}]},
    })
}
