//! Attempts to change objects, as dry runs: admission decides, and nothing is stored.
//!
//! The API server calls admission webhooks for a dry run if they say that they have no side effects then, which
//! Kyverno's do (Kubernetes "API concepts: dry-run"; Kyverno `pkg/controllers/webhook/utils.go`, `NoneOnDryRun`).
//! Roles are checked before admission, so that a user without the role shows nothing about admission.

use airtight_cluster::discovery::Kinds;
use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Impersonated, Verb};
use airtight_manifest::Failure;
use airtight_manifest::Labels;
use airtight_matrix::judge::{Evidence, Observation};
use airtight_model::path::{Admitted, Flow, Source};
use airtight_model::policy::{Layer, Outcome, Reason};
use airtight_model::world::{Act, ApiUser, Change};
use serde_json::Value;

/// How the API server begins the words of a webhook's refusal
/// (`k8s.io/apiserver` `pkg/admission/plugin/webhook/errors/statuserror.go`).
const WEBHOOK: &str = "admission webhook \"";

/// The same where the webhook did not answer and its failure policy refuses.
const UNANSWERED: &str = "failed calling webhook";

/// How it begins those of its own policies' refusal (`plugin/policy/validating/dispatcher.go`).
const POLICY: &str = "ValidatingAdmissionPolicy '";

/// Part of the names of all of Kyverno's webhooks.
const KYVERNO: &str = ".kyverno.svc";

/// Who answers, as the model calls it.
const API_SERVER: &str = "kube-apiserver";

/// A user who wants to change an object.
pub(super) struct Attempted<'f> {
    user: &'f ApiUser,
    change: &'f Change,
}

/// The change that a flow is, if nothing else has to be changed for good before it.
pub(super) fn change(flow: &Flow) -> Option<Attempted<'_>> {
    match (&flow.from, flow.attempt(), flow.after.as_slice()) {
        (Source::User(user), Some(change), []) => Some(Attempted { user, change }),
        (Source::User(_) | Source::Workload(..) | Source::Outside | Source::Node(_) | Source::Kubelet, _, _) => None,
    }
}

impl Attempted<'_> {
    /// Tries it on behalf of the user, without storing anything.
    pub(super) fn attempt(&self, cluster: &dyn Cluster) -> Observation {
        match send(cluster, self.user, self.change) {
            Ok(answer) => observation(self.user, &answer),
            Err(error) => {
                let outcome = Some(Outcome::ProbeError(error.to_string()));
                Observation { outcome, undecided: None, evidence: Evidence::default(), attempts: 1 }
            }
        }
    }
}

fn send(cluster: &dyn Cluster, user: &ApiUser, change: &Change) -> Result<ApiAnswer, Failure> {
    let kinds = Kinds::new(cluster);
    let object = change.value();
    let version = object.as_ref().and_then(|object| object.get("apiVersion")).and_then(Value::as_str);
    let resource = kinds.resource(&change.target.kind, version)?;
    let target = &change.target;
    let (all, one) = (resource.collection(target.namespace.as_deref()), resource.path(target));
    let user = Impersonated { name: user.name.clone(), groups: user.groups.clone() };
    let call = |verb, path: &str, body: Option<&Value>| {
        let path = format!("{path}?dryRun=All");
        cluster.send(&ApiCall { verb, path: &path, body, user: Some(&user) })
    };
    if change.act == Act::Delete {
        return call(Verb::Delete, &one, None);
    }
    let mut object = object.ok_or_else(|| Failure::new("no-object", "the object of the case is no JSON"))?;
    match (current(cluster, &one)?, change.act) {
        (Some(version), _) => {
            object["metadata"]["resourceVersion"] = version.into();
            call(Verb::Replace, &one, Some(&object))
        }
        (None, Act::Apply) => call(Verb::Create, &all, Some(&object)),
        (None, Act::Update | Act::Delete) => call(Verb::Replace, &one, Some(&object)),
    }
}

/// The version of an object, read as oneself; none if there is no such object.
fn current(cluster: &dyn Cluster, path: &str) -> Result<Option<String>, Failure> {
    let answer = cluster.send(&ApiCall::get(path))?;
    if answer.status == 404 {
        return Ok(None);
    }
    let version = answer.body.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    let unread = || format!("the API server says {} to `GET {path}`: {}", answer.status, answer.message());
    let version = version.filter(|_| answer.accepted()).ok_or_else(|| Failure::new("unread", unread()))?;
    Ok(Some(version.to_owned()))
}

fn observation(user: &ApiUser, answer: &ApiAnswer) -> Observation {
    let seen = |evidence, undecided| Observation {
        outcome: Some(Outcome::Http(answer.status)),
        undecided,
        evidence,
        attempts: 1,
    };
    if answer.accepted() {
        return seen(accepted(&answer.body), None);
    }
    let logs = vec![answer.message().to_owned()];
    match refusal(answer) {
        Refused::By(layer, reason) => {
            seen(Evidence { denied_by: Some(layer), reason: Some(reason), logs, ..Evidence::default() }, None)
        }
        Refused::Unclear(why) => {
            let why = format!("{why} ({user}): {}", answer.message());
            seen(Evidence { logs, ..Evidence::default() }, Some(why))
        }
    }
}

/// Which objects rules would generate, a dry run does not tell.
fn accepted(body: &Value) -> Evidence {
    let labels = body.pointer("/metadata/labels").and_then(Value::as_object).map(|labels| {
        labels
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().into(), value.as_str()?.into())))
            .collect::<Labels>()
    });
    let is_object = body.get("kind").and_then(Value::as_str).is_some_and(|kind| kind != "Status");
    let labels = is_object.then(|| labels.unwrap_or_default());
    Evidence {
        passed: [Layer::Admission].into(),
        answered_by: Some(API_SERVER.to_owned()),
        admitted: Some(Admitted { labels, generated: None }),
        ..Evidence::default()
    }
}

enum Refused {
    By(Layer, Reason),
    Unclear(&'static str),
}

/// Who refused, by the API server's own words.
fn refusal(answer: &ApiAnswer) -> Refused {
    let message = answer.message();
    if message.contains(UNANSWERED) {
        return Refused::Unclear("a webhook did not answer, which says nothing of its policies");
    }
    if let Some((_, after)) = message.split_once(WEBHOOK) {
        let name = after.split('"').next().unwrap_or_default();
        let reason = if name.contains(KYVERNO) { Reason::AdmissionRefused } else { Reason::InvalidObject };
        return Refused::By(Layer::Admission, reason);
    }
    if message.contains(POLICY) {
        return Refused::By(Layer::Admission, Reason::AdmissionRefused);
    }
    match answer.status {
        400 | 422 => Refused::By(Layer::Admission, Reason::InvalidObject),
        404 => Refused::By(Layer::Application, Reason::NoSuchName),
        401 | 403 => {
            Refused::Unclear("roles refuse the user before admission is asked; grant the role, or leave the case out")
        }
        _ => Refused::Unclear("the API server did not decide"),
    }
}
