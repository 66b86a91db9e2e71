//! Worlds in which one object says something else, made from the world itself instead of from its documents.

use airtight_kyverno::{AdmissionRequest, Operation, User};
use airtight_manifest::{Diagnostic, Document, Enforcer, ObjectRef, Resource};

use super::World;
use super::admission::AdmissionEvent;
use super::intake::{Item, accept};
use super::ownership::is_live;

/// What comes of an object that says something else.
#[derive(Debug)]
pub enum Changed {
    /// The same world with the object as it is now.
    World(Box<World>),
    /// The API server, or a component's webhook, refuses the object.
    Refused(Vec<Diagnostic>),
    /// The object bears on what exists, or admission has a say: the world must be built anew.
    Open,
}

impl World {
    /// The same world in which an object that decides about flows is written as in `document`. Requests to the API server
    /// are answered as if it were unchanged, as in [`World::without`].
    #[must_use]
    pub fn with_changed(&self, document: &Document) -> Changed {
        let resource = match accept(document, &self.stack) {
            Ok(resource) => resource,
            Err(findings) => return Changed::Refused(findings),
        };
        let object = resource.object().clone();
        let is_among_hosts = matches!(resource, Resource::ServiceEntry(_));
        let judges = resource.enforcer().is_some_and(Enforcer::judges_flows) && !is_among_hosts;
        let item = Item::new(document.clone(), resource);
        if !judges || !self.removed.is_empty() || self.is_involved(&object) || self.is_acted_on(&object, &item) {
            return Changed::Open;
        }
        let mut world = self.clone();
        world.objects.replace(&item.resource);
        world.changed.push(item.resource);
        Changed::World(Box::new(world))
    }

    /// Whether admission refused, changed or doubted an object, made something because of it, or made copies of it.
    fn is_involved(&self, object: &ObjectRef) -> bool {
        let server = &self.api_server;
        let spec = |object: &ObjectRef| server.item(object).map(|item| &item.json["spec"]);
        let is_copy = |event: &AdmissionEvent| {
            event.trigger().is_some() && event.object().kind == object.kind && spec(event.object()) == spec(object)
        };
        let involved =
            |event: &AdmissionEvent| event.object() == object || event.trigger() == Some(object) || is_copy(event);
        server.item(object).is_none()
            || server.admission.doubts.contains_key(object)
            || self.admission.iter().any(involved)
    }

    /// Whether admission does anything to an object, or might.
    fn is_acted_on(&self, object: &ObjectRef, item: &Item) -> bool {
        let admission = &self.api_server.admission;
        if !admission.unseen.is_empty() {
            return true;
        }
        if is_live(&item.document) {
            return false;
        }
        let review = admission.kyverno.review(&AdmissionRequest {
            operation: Operation::Create,
            object: Some(&item.document),
            old: None,
            user: &User::admin(),
            namespace_labels: self.namespace_labels(object.namespace.as_deref().unwrap_or_default()),
            existing: &admission.existing,
        });
        review.refused.is_some()
            || review.mutated.is_some()
            || !review.generated.is_empty()
            || !review.unknown.is_empty()
    }
}
