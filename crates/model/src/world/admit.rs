//! Admission in the order of a roll-out: Kyverno is there first, then namespaces, then everything else.

use std::collections::BTreeMap;
use std::sync::Arc;

use airtight_kyverno::{
    AdmissionRequest, Existing, Generated, Kyverno, KyvernoOptions, Might, Operation, Policies, Review, User,
};
use airtight_manifest::stack::Stack;
use airtight_manifest::{
    Diagnostic, Document, Labels, Meta, Object, ObjectRef, Resource, RuleRef, decode_resource, kubernetes,
};

use super::Namespace;
use super::admission::AdmissionEvent;
use super::intake::{Item, accept};
use super::ownership::is_live;
use super::pruned::accept_mutated;
use super::unseen::{Candidate, Unseen};

/// Objects about which nobody knows what admission makes of them, with the rules to blame.
pub(super) type Doubts = BTreeMap<ObjectRef, Vec<RuleRef>>;

/// How the stack's Kyverno is installed.
fn options(stack: &Stack) -> KyvernoOptions {
    KyvernoOptions {
        exception_namespace: stack.kyverno.exception_namespace.clone(),
        protect_managed_resources: stack.kyverno.protect_managed_resources,
        ..KyvernoOptions::default()
    }
}

/// An exception that counts nowhere lifts nothing, whatever its owner believes.
fn uncounted(meta: &Meta, stack: &Stack) -> Option<Diagnostic> {
    let why = match stack.kyverno.exception_namespace.as_deref() {
        Some(place) if place == "*" || place == meta.namespace() => return None,
        Some(place) => format!("exceptions count in namespace {place} alone"),
        None => "exceptions are off".to_owned(),
    };
    let finding = Diagnostic::warning("exception-without-effect", format!("{} has no effect: {why}", meta.object));
    let hint =
        "`kyverno.exceptionNamespace` of the stack, or `policyExceptions` of the Environment, says where they count";
    Some(finding.at(meta.at.clone()).hint(hint).about(&meta.object))
}

/// Kyverno at work on a set of objects.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    pub(super) kyverno: Arc<Kyverno>,
    pub(super) stack: Stack,
    /// Objects that exist, for clones, ConfigMap variables and lookups.
    pub(super) existing: Existing,
    pub(super) events: Vec<AdmissionEvent>,
    pub(super) findings: Vec<Diagnostic>,
    pub(super) doubts: Doubts,
    /// Webhooks and the like, of which nobody knows what they do.
    pub(super) unseen: Arc<Vec<Unseen>>,
}

impl Admission {
    /// Kyverno with the policies among `items`.
    pub(super) fn new(items: &[Item], stack: &Stack) -> Self {
        let set = PolicySet::of(items);
        let kyverno = Kyverno::compile(set.policies(), options(stack), stack);
        let mut findings = kyverno.findings().to_vec();
        findings.extend(set.exceptions().filter_map(|meta| uncounted(meta, stack)));
        let existing = items.iter().map(|item| Arc::clone(&item.json)).collect();
        Self {
            kyverno: Arc::new(kyverno),
            stack: stack.clone(),
            existing,
            events: Vec::new(),
            findings,
            doubts: Doubts::new(),
            unseen: Arc::new(Unseen::among(items)),
        }
    }

    /// What comes of `items`: namespaces are admitted before what lives in them.
    pub(super) fn admit(&mut self, items: Vec<Item>) -> Vec<Item> {
        let (namespaces, rest): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| matches!(item.resource, Resource::Namespace(_)));
        let mut admitted = Vec::new();
        let mut generated = Vec::new();
        for item in namespaces {
            self.admit_one(item, &Labels::new(), &mut admitted, &mut generated);
        }
        let labels = labels_of(&admitted);
        for item in rest {
            let home = item.resource.object().namespace.clone().unwrap_or_default();
            let namespace_labels = labels.get(&home).cloned().unwrap_or_default();
            self.admit_one(item, &namespace_labels, &mut admitted, &mut generated);
        }
        self.add_generated(generated, &mut admitted);
        admitted
    }

    fn admit_one(&mut self, item: Item, namespace_labels: &Labels, admitted: &mut Vec<Item>, made: &mut Vec<Made>) {
        let object = item.resource.object().clone();
        // What was read from a cluster is there as it is, and so is what was made because of it.
        if is_live(&item.document) {
            return admitted.push(item);
        }
        let review = self.review(&item.document, namespace_labels, &User::admin());
        if item.assumed
            && let Some(refusal) = &review.refused
        {
            // It is there already, with labels that nobody wrote down.
            self.doubts.entry(object).or_default().push(refusal.rule.clone());
            return admitted.push(item);
        }
        let refused = self.note(&object, &review);
        made.extend(review.generated.into_iter().map(|generated| Made { trigger: object.clone(), generated }));
        if refused {
            return;
        }
        let mut item = match review.mutated {
            Some(document) => match accept_mutated(&document, &self.stack) {
                Ok((document, resource)) => Item::new(document, resource),
                Err(findings) => return self.events.push(AdmissionEvent::Rejected { object, findings, rule: None }),
            },
            None => item,
        };
        if !item.assumed {
            self.note_unseen(&object, &item.document, namespace_labels);
        }
        self.mark(&object, &mut item);
        admitted.push(item);
    }

    /// A pod that a controller asks for; none if it is refused.
    pub(super) fn admit_pod(
        &mut self,
        document: &Document,
        namespace_labels: &Labels,
    ) -> Option<Object<kubernetes::Pod>> {
        let controller = User::service_account("kube-system", "replicaset-controller");
        let review = self.review(document, namespace_labels, &controller);
        let resource = decode_resource(document).ok()?;
        let object = resource.object().clone();
        if self.note(&object, &review) {
            return None;
        }
        self.note_unseen(&object, review.mutated.as_ref().unwrap_or(document), namespace_labels);
        let pod = match &review.mutated {
            Some(mutated) => accept_mutated(mutated, &self.stack).map(|(_, resource)| resource),
            None => decode_resource(document),
        };
        match pod {
            Ok(Resource::Pod(pod)) => Some(pod),
            Ok(_) => None,
            Err(findings) => {
                self.events.push(AdmissionEvent::Rejected { object, findings, rule: None });
                None
            }
        }
    }

    fn review(&self, document: &Document, namespace_labels: &Labels, user: &User) -> Review {
        self.kyverno.review(&AdmissionRequest {
            operation: Operation::Create,
            object: Some(document),
            old: None,
            user,
            namespace_labels,
            existing: &self.existing,
        })
    }

    /// Writes down what a review did; whether it refused the object.
    fn note(&mut self, object: &ObjectRef, review: &Review) -> bool {
        for unknown in &review.unknown {
            self.findings.push(doubtful(object, unknown));
            if unknown.might != Might::Audit {
                self.doubts.entry(object.clone()).or_default().push(unknown.rule.clone());
            }
        }
        if let Some(refusal) = &review.refused {
            let finding = Diagnostic::error("admission-refused", format!("{object} is refused: {}", refusal.message))
                .at(refusal.rule.at.clone())
                .hint(format!("{} refuses it", refusal.rule))
                .about(object);
            let rule = Some(refusal.rule.clone());
            self.events.push(AdmissionEvent::Rejected { object: object.clone(), findings: vec![finding], rule });
            return true;
        }
        for rule in &review.mutations {
            self.events.push(AdmissionEvent::Mutated { object: object.clone(), rule: rule.clone() });
        }
        false
    }

    /// Writes down what is not modelled and could act on an object.
    fn note_unseen(&mut self, object: &ObjectRef, document: &Document, namespace_labels: &Labels) {
        if self.unseen.is_empty() {
            return;
        }
        let acting = Unseen::about(&self.unseen, &Candidate::of(document, object, namespace_labels));
        if !acting.is_empty() {
            self.doubts.entry(object.clone()).or_default().extend(acting);
        }
    }

    /// A policy object in doubt is one with a construct that is not modelled.
    fn mark(&self, object: &ObjectRef, item: &mut Item) {
        let Some(rules) = self.doubts.get(object) else { return };
        let at = item.document.root.at;
        if let Some(meta) = item.resource.meta_mut() {
            for rule in rules {
                meta.doubt_admission(&rule.object, at);
            }
        }
    }

    fn add_generated(&mut self, generated: Vec<Made>, admitted: &mut Vec<Item>) {
        for Made { trigger, generated: Generated { document, rule, .. } } in generated {
            match accept(&document, &self.stack) {
                Ok(resource) => {
                    // An object that somebody applied by hand is there already.
                    if admitted.iter().any(|item| item.resource.object() == resource.object()) {
                        continue;
                    }
                    let object = resource.object().clone();
                    self.events.push(AdmissionEvent::Generated { object: object.clone(), rule, trigger });
                    let home = labels_of(admitted).remove(object.namespace.as_deref().unwrap_or_default());
                    let mut item = Item::new(document, resource);
                    self.note_unseen(&object, &item.document, &home.unwrap_or_default());
                    self.mark(&object, &mut item);
                    admitted.push(item);
                }
                Err(findings) => {
                    let object = ObjectRef::new("generated object", None, &rule.to_string());
                    self.events.push(AdmissionEvent::Rejected { object, findings, rule: Some(rule) });
                }
            }
        }
    }
}

/// An object that a rule makes because of another.
struct Made {
    trigger: ObjectRef,
    generated: Generated,
}

fn doubtful(object: &ObjectRef, unknown: &airtight_kyverno::Unknown) -> Diagnostic {
    let act = match unknown.might {
        Might::Refuse => "refuse",
        Might::Mutate => "change",
        Might::Generate => "generate something from",
        Might::Audit => "report",
    };
    Diagnostic::warning("unmodelled", format!("{} might {act} {object}: {}", unknown.rule.object, unknown.why))
        .at(unknown.rule.at.clone())
        .hint("every case that this could touch is inconclusive")
        .about(object)
        .about(&unknown.rule.object)
}

pub(super) fn labels_of(namespaces: &[Item]) -> BTreeMap<Arc<str>, Labels> {
    namespaces
        .iter()
        .filter_map(|item| match &item.resource {
            Resource::Namespace(object) => {
                let Namespace { name, labels, .. } =
                    super::build::namespace(object.meta.name(), &object.meta.labels, &object.meta.annotations);
                Some((name, labels))
            }
            _ => None,
        })
        .collect()
}

/// Kyverno's policies among a set of objects, and the roles that say what its controllers may do.
#[derive(Default)]
struct PolicySet {
    cluster: Vec<Object<airtight_manifest::kyverno::ClusterPolicy>>,
    namespaced: Vec<Object<airtight_manifest::kyverno::ClusterPolicy>>,
    validating: Vec<Object<airtight_manifest::kyverno::ValidatingPolicy>>,
    mutating: Vec<Object<airtight_manifest::kyverno::MutatingPolicy>>,
    generating: Vec<Object<airtight_manifest::kyverno::GeneratingPolicy>>,
    exceptions: Vec<Object<airtight_manifest::kyverno::PolicyException>>,
    cel_exceptions: Vec<Object<airtight_manifest::kyverno::CelPolicyException>>,
    roles: Vec<Document>,
}

impl PolicySet {
    fn of(items: &[Item]) -> Self {
        let mut set = Self::default();
        for item in items {
            match &item.resource {
                Resource::ClusterPolicy(object) => set.cluster.push(object.clone()),
                Resource::Policy(object) => set.namespaced.push(object.clone()),
                Resource::ValidatingPolicy(object) => set.validating.push(object.clone()),
                Resource::MutatingPolicy(object) => set.mutating.push(object.clone()),
                Resource::GeneratingPolicy(object) => set.generating.push(object.clone()),
                Resource::PolicyException(object) => set.exceptions.push(object.clone()),
                Resource::CelPolicyException(object) => set.cel_exceptions.push(object.clone()),
                Resource::Inert(_) => set.roles.push(item.document.clone()),
                _ => {}
            }
        }
        set
    }

    fn exceptions(&self) -> impl Iterator<Item = &Meta> {
        let all = self.exceptions.iter().map(|object| object.meta.as_ref());
        all.chain(self.cel_exceptions.iter().map(|object| object.meta.as_ref()))
    }

    fn policies(&self) -> Policies<'_> {
        Policies {
            cluster: &self.cluster,
            namespaced: &self.namespaced,
            validating: &self.validating,
            mutating: &self.mutating,
            generating: &self.generating,
            exceptions: &self.exceptions,
            cel_exceptions: &self.cel_exceptions,
            roles: &self.roles,
        }
    }
}
