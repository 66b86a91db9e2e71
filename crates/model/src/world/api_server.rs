//! The API server of a built world: what it answers to one more request.
//!
//! Authentication and authorization come before admission and are presupposed: whoever asks may.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use airtight_kyverno::{AdmissionRequest, Might, Operation, Review};
use airtight_manifest::{Diagnostic, Document, Labels, ObjectRef, Resource, RuleRef, kind_info, plain_findings};

use super::admit::{Admission, labels_of};
use super::api_request::{Act, ApiRequest, ApiUser};
use super::build::{AdmittedPod, assemble};
use super::environment::Environment;
use super::intake::{INPUT_ERRORS, Item, accept};
use super::listening::{NamedPort, is_news, named};
use super::pruned::accept_mutated;
use super::succession::Unmet;
use super::unseen::Unseen;
use super::{Namespace, World};

/// The API server with what it stores, and Kyverno behind it.
#[derive(Debug)]
pub struct ApiServer {
    pub(super) admission: Admission,
    /// Stored objects, as admission left them.
    pub(super) items: Vec<Item>,
    /// Pods of the stored workloads, as admission left them when they were made.
    pub(super) pods: Vec<AdmittedPod>,
    pub(super) environment: Environment,
    /// Objects that rules made, with the rule and its trigger.
    pub(super) made: BTreeMap<ObjectRef, (RuleRef, ObjectRef)>,
    /// Worlds that requests led to.
    pub(super) worlds: Mutex<KnownWorlds>,
    /// Ports on which pods listen that do not list them, as somebody who knows them says.
    pub(super) named_ports: Vec<NamedPort>,
}

/// Worlds by the requests that led to them; none where one of these was not met.
pub(super) type KnownWorlds = BTreeMap<Vec<ApiRequest>, Result<Arc<World>, Unmet>>;

/// What comes of a request.
#[derive(Debug, Clone)]
pub struct ApiAnswer {
    /// HTTP status of the answer if nobody objects.
    pub status: u16,
    /// Why the API server itself or a component's webhook objects.
    pub objection: Option<Objection>,
    /// What Kyverno does.
    pub review: Review,
    /// Why nobody knows what comes of it, with the rules to blame.
    pub unknown: Option<(Vec<RuleRef>, String)>,
    /// The object as it would be stored; none for a deletion and for an object that cannot be stored.
    pub(super) stored: Option<Item>,
}

/// Why the API server refuses a request, whatever the policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// The object, or its namespace, does not exist: 404.
    Missing(String),
    /// A schema or a component's webhook refuses the object.
    Invalid {
        /// HTTP status of the answer.
        status: u16,
        /// What the client reads.
        message: String,
    },
}

/// Kinds by which the API server itself limits what a namespace may hold, and which are not modelled.
const LIMITS: &[&str] = &["ResourceQuota", "LimitRange"];

/// Kinds of Kyverno's policies.
pub(super) const POLICIES: &[&str] =
    &["ClusterPolicy", "Policy", "PolicyException", "ValidatingPolicy", "GeneratingPolicy", "MutatingPolicy"];

impl ApiAnswer {
    /// Labels of the object as it would be stored; none if it would not.
    #[must_use]
    pub fn labels(&self) -> Option<Labels> {
        self.stored.as_ref()?.resource.meta().map(|meta| meta.labels.clone())
    }
}

impl ApiServer {
    /// What comes of a request, with nothing changed by it.
    #[must_use]
    pub fn answer(&self, request: &ApiRequest) -> ApiAnswer {
        let old = self.item(&request.change.target);
        let status = match (request.change.act, old) {
            (Act::Apply, None) => 201,
            (Act::Apply, Some(_)) | (Act::Update | Act::Delete, _) => 200,
        };
        let mut answer = ApiAnswer { status, objection: None, review: Review::default(), unknown: None, stored: None };
        answer.objection = self.missing(request, old);
        if answer.objection.is_some() {
            answer.unknown = self.doubt(&request.change.target);
            return answer;
        }
        let document = request.change.document();
        if request.change.act != Act::Delete {
            self.decode(document.as_ref(), &mut answer);
        }
        answer.review = self.review(request, document.as_ref(), old);
        if let Some(mutated) = &answer.review.mutated {
            match accept_mutated(mutated, &self.admission.stack) {
                Ok((document, resource)) if answer.objection.is_none() => {
                    answer.stored = Some(Item::new(document, resource));
                }
                Ok(_) => {}
                Err(findings) => answer.objection = Some(invalid(&request.change.target, &findings)),
            }
        }
        answer.unknown = answer
            .unknown
            .take()
            .or_else(|| undecided(&answer.review))
            .or_else(|| self.doubt(&request.change.target))
            .or_else(|| self.unmade(request, &answer));
        answer
    }

    /// What Kyverno generates it sends to the API server like anybody else: an object that is refused there never comes
    /// to be, however often it is tried.
    fn unmade(&self, request: &ApiRequest, answer: &ApiAnswer) -> Option<(Vec<RuleRef>, String)> {
        let controller = ApiUser::service_account("kyverno", "kyverno-background-controller");
        answer.review.generated.iter().find_map(|generated| {
            let unmade = |why: String| Some((vec![generated.rule.clone()], why));
            let object = match accept(&generated.document, &self.admission.stack) {
                Ok(resource) => resource.object().clone(),
                Err(findings) => return unmade(format!("the generated object is refused: {}", messages(&findings))),
            };
            if self.item(&object).is_some() {
                return None;
            }
            let own = answer.labels().filter(|_| is_home(&request.change.target, &object));
            let review = self.admission.kyverno.review(&AdmissionRequest {
                operation: Operation::Create,
                object: Some(&generated.document),
                old: None,
                user: &controller.as_user(),
                namespace_labels: &own.unwrap_or_else(|| self.namespace_labels(&object)),
                existing: &self.admission.existing,
            });
            match review.refused {
                Some(refusal) => unmade(format!("{object} is refused: {}", refusal.message)),
                None => undecided(&review),
            }
        })
    }

    pub(super) fn item(&self, object: &ObjectRef) -> Option<&Item> {
        self.items.iter().find(|item| item.resource.object() == object)
    }

    pub(super) fn namespace_labels(&self, object: &ObjectRef) -> Labels {
        let home = object.namespace.as_deref().unwrap_or_default();
        labels_of(&self.items).remove(home).unwrap_or_default()
    }

    /// What does not exist, told as the API server tells it.
    fn missing(&self, request: &ApiRequest, old: Option<&Item>) -> Option<Objection> {
        let target = &request.change.target;
        let home = target.namespace.as_deref();
        if let Some(name) = home.filter(|name| !super::build::namespaces(&self.items).contains_key(*name)) {
            return Some(Objection::Missing(format!("namespaces \"{name}\" not found")));
        }
        match (request.change.act, old) {
            (Act::Update | Act::Delete, None) => Some(Objection::Missing(format!("{target} not found"))),
            (Act::Apply, _) | (Act::Update | Act::Delete, Some(_)) => None,
        }
    }

    /// Reads the object with the API server's eyes.
    fn decode(&self, document: Option<&Document>, answer: &mut ApiAnswer) {
        let Some(document) = document else {
            answer.unknown = Some((Vec::new(), "the object is no JSON".to_owned()));
            return;
        };
        match accept(document, &self.admission.stack) {
            Ok(resource) => {
                let plain = plain(&resource, document);
                answer.unknown = match plain {
                    Some(_) => None,
                    None => opaque(&resource).or_else(|| self.unseen_limits(&resource)),
                };
                answer.objection = plain
                    .filter(|findings| !findings.is_empty())
                    .map(|findings| invalid(&super::intake::named(document), &findings))
                    .or_else(|| self.unknown_account(&resource));
                answer.stored = Some(Item::new(document.clone(), resource));
            }
            Err(findings) if findings.iter().any(|finding| INPUT_ERRORS.contains(&finding.code.as_str())) => {
                answer.unknown = Some((Vec::new(), messages(&findings)));
            }
            Err(findings) => answer.objection = Some(invalid(&super::intake::named(document), &findings)),
        }
    }

    fn review(&self, request: &ApiRequest, document: Option<&Document>, old: Option<&Item>) -> Review {
        let operation = match (request.change.act, old) {
            (Act::Apply, None) => Operation::Create,
            (Act::Apply, Some(_)) | (Act::Update, _) => Operation::Update,
            (Act::Delete, _) => Operation::Delete,
        };
        self.admission.kyverno.review(&AdmissionRequest {
            operation,
            object: document,
            old: old.map(|item| &item.document),
            user: &request.by.as_user(),
            namespace_labels: &self.namespace_labels(&request.change.target),
            existing: &self.admission.existing,
        })
    }

    /// The ServiceAccount admission plugin refuses a pod whose account does not exist (Kubernetes
    /// `plugin/pkg/admission/serviceaccount/admission.go`, 403).
    fn unknown_account(&self, resource: &Resource) -> Option<Objection> {
        let Resource::Pod(pod) = resource else { return None };
        let finding = super::build::unknown_account(pod, &super::build::service_accounts(&self.items))?;
        Some(Objection::Invalid { status: 403, message: finding.message })
    }

    /// What in the cluster decides about such an object and is not modelled.
    fn unseen_limits(&self, resource: &Resource) -> Option<(Vec<RuleRef>, String)> {
        let home = resource.object().namespace.as_ref();
        let limit = self
            .items
            .iter()
            .map(|item| item.resource.object())
            .find(|object| LIMITS.contains(&&*object.kind) && home.is_some() && object.namespace.as_ref() == home);
        if let Some(limit) = limit {
            return Some((Vec::new(), format!("{limit} could refuse or change the object, which is not modelled")));
        }
        let enforced = self.namespace_labels(resource.object()).contains_key("pod-security.kubernetes.io/enforce");
        (enforced && matches!(resource, Resource::Pod(_)))
            .then(|| (Vec::new(), "Pod Security admission could refuse the pod, which is not modelled".to_owned()))
    }

    /// What the world leaves open about requests for an object: whether it, its namespace or a policy is there.
    fn doubt(&self, target: &ObjectRef) -> Option<(Vec<RuleRef>, String)> {
        let home = target.namespace.as_deref().map(|name| ObjectRef::new("Namespace", None, name));
        let doubtful = self.admission.doubts.iter().find(|(object, _)| {
            *object == target || Some(*object) == home.as_ref() || POLICIES.contains(&&*object.kind)
        });
        if let Some((object, rules)) = doubtful {
            return Some((rules.clone(), format!("what admission makes of {object} is not known")));
        }
        let unseen = Unseen::about_kind(&self.admission.unseen, target)?;
        Some((vec![unseen.clone()], format!("{} could decide here, which is not modelled", unseen.object)))
    }

    /// The world after requests, each of which must be accepted.
    fn world_after(&self, requests: &[ApiRequest]) -> Result<Arc<World>, Unmet> {
        let Some((first, rest)) = requests.split_first() else { return Err(Unmet::nothing()) };
        let mut server = self.succeed(first)?;
        for request in rest {
            server = server.succeed(request)?;
        }
        Ok(Arc::new(assemble(&Arc::new(server)).0))
    }
}

impl World {
    /// The world in which requests were made, one after the other, and in which all that follows of them has come to
    /// pass: Kyverno's background controller made what it makes and took away what it takes away.
    ///
    /// Worlds are kept, so that a second call with the same requests costs nothing.
    ///
    /// # Errors
    /// The first request that is not accepted, or whose consequences nobody knows.
    pub fn after(&self, requests: &[ApiRequest]) -> Result<Arc<Self>, Unmet> {
        let mut worlds = self.api_server.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        let known = worlds.get(requests).cloned();
        let world = known.unwrap_or_else(|| {
            let world = self.api_server.world_after(requests);
            worlds.insert(requests.to_vec(), world.clone());
            world
        })?;
        if self.removed.is_empty() && self.changed.is_empty() {
            return Ok(world);
        }
        let mut after = self.removed.iter().fold(Self::clone(&world), |world, object| world.without(object));
        for resource in &self.changed {
            after.objects.replace(resource);
        }
        after.changed.clone_from(&self.changed);
        Ok(Arc::new(after))
    }
}

impl World {
    /// The same world in which workloads listen on these ports as well, if they do not list what they listen on.
    #[must_use]
    pub fn with_named_ports(self, ports: &[NamedPort]) -> Self {
        let mut named = self.api_server.named_ports.clone();
        named.extend(ports.iter().filter(|port| self.pods.iter().any(|pod| is_news(port, pod))).cloned());
        if named.len() == self.api_server.named_ports.len() {
            return self;
        }
        let server = &self.api_server;
        let server = ApiServer { named_ports: named, ..server.with(server.items.clone(), server.admission.clone()) };
        let world = assemble(&Arc::new(server)).0;
        Self { admission: self.admission, ..world }
    }

    /// What the pods that do not list all of their ports are taken to listen on.
    #[must_use]
    pub fn ports_of_pods(&self) -> Vec<NamedPort> {
        let open = self.pods.iter().filter(|pod| pod.lists_not_all_ports);
        let mut ports: Vec<NamedPort> = open.flat_map(named).collect();
        ports.sort();
        ports.dedup();
        ports
    }

    /// The same world in which workloads listen where they do in another.
    #[must_use]
    pub fn listening_as_in(self, other: &Self) -> Self {
        self.with_named_ports(&other.api_server.named_ports)
    }
}

fn is_home(namespace: &ObjectRef, object: &ObjectRef) -> bool {
    &*namespace.kind == "Namespace" && object.namespace.as_ref() == Some(&namespace.name)
}

/// What is wrong with an object that bears on no traffic, where its schema is known.
fn plain(resource: &Resource, document: &Document) -> Option<Vec<Diagnostic>> {
    matches!(resource, Resource::Inert(_) | Resource::Unmodelled(_)).then(|| plain_findings(resource, document))?
}

/// An object whose schema or meaning the engine does not fully know: nobody can tell whether it is accepted.
fn opaque(resource: &Resource) -> Option<(Vec<RuleRef>, String)> {
    let unknown = |what: &dyn std::fmt::Display| format!("airtight does not know the schema of {what}");
    match resource {
        Resource::Unmodelled(rule) => Some((vec![rule.clone()], unknown(&rule.object))),
        Resource::Inert(object) => Some((Vec::new(), unknown(object))),
        other => {
            let meta = other.meta()?;
            let field = meta.unmodelled.first()?;
            Some((vec![meta.whole()], format!("{} has `{}`, which airtight does not model", meta.object, field.path)))
        }
    }
}

/// Rules that might act otherwise than with a report, and whose act is not known.
fn undecided(review: &Review) -> Option<(Vec<RuleRef>, String)> {
    let open: Vec<_> = review.unknown.iter().filter(|unknown| unknown.might != Might::Audit).collect();
    let first = open.first()?;
    let why = format!("what {} does is not known: {}", first.rule.object, first.why);
    Some((open.iter().map(|unknown| unknown.rule.clone()).collect(), why))
}

/// The refusal as the client sees it:
///
/// - 400 for a field that does not exist (kubectl asks for strict field validation), for a value of a built-in kind
///   that cannot be decoded, and for an object that istiod's webhook refuses, whose answer has no code (Istio
///   `pkg/webhooks/validation/server/server.go`; Kubernetes pull request 77022 makes 400 of that);
/// - 422 for all that a schema or a validation of the API server itself refuses.
fn invalid(object: &ObjectRef, findings: &[Diagnostic]) -> Objection {
    let group = kind_info(&object.kind).map_or("", |info| info.group);
    let has = |code: &str| findings.iter().any(|finding| finding.code == code);
    let built_in = !group.contains('.') || group.ends_with(".k8s.io") && !group.starts_with("gateway.");
    let by_istiod = group.ends_with(".istio.io") && !has("invalid-value");
    let bad_request = has("unknown-field") || has("cluster-scoped") || has("invalid-value") && built_in || by_istiod;
    Objection::Invalid { status: if bad_request { 400 } else { 422 }, message: messages(findings) }
}

fn messages(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("; ")
}

/// Namespaces by name.
pub(super) type Namespaces = BTreeMap<Arc<str>, Namespace>;
