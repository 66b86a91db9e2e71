//! Attempts to change objects: one hop, from the user to the API server.
//!
//! Who is refused sees an HTTP status (Kubernetes `pkg/admission/plugin/webhook/errors/statuserror.go` of
//! `k8s.io/apiserver`, pull request 77022): 400 where Kyverno refuses, because its answer names no code (Kyverno
//! `pkg/utils/admission/response.go`) and the API server then takes this one; 404 where the object or its namespace is
//! missing; 400, 403 or 422 where the API server or a component's webhook refuses the object itself. A change that is
//! accepted ends in 201 for an object that is new, and in 200 otherwise.

use airtight_kyverno::{Refusal, Review};
use airtight_manifest::{Document, Node, ObjectRef, RuleRef};

use super::checks::check;
use super::flow::Flow;
use super::trace::{Admitted, Answer, Check, End, Hop, Trace, Wire};
use crate::policy::{Checkpoint, Decision, Effect, Outcome, Reason};
use crate::world::{ApiAnswer, ApiRequest, ApiUser, Change, Objection, Protocol, World};

/// What the client of a webhook's refusal sees.
const REFUSED: Outcome = Outcome::Http(400);

/// Who answers.
const API_SERVER: &str = "kube-apiserver";

/// The trace of an attempt. Schemas and the components' webhooks come first, then Kyverno; what is not known of either
/// leaves the end open, whatever the other one says.
pub(super) fn attempt(world: &World, flow: &Flow, user: &ApiUser, change: &Change) -> Trace {
    let request = ApiRequest { by: user.clone(), change: change.clone() };
    let answer = world.api_server.answer(&request);
    let checkpoints = checks(&request, &answer);
    let end = end(&checkpoints, answer.status);
    let accepted = checkpoints.iter().all(|check| check.decision.allows());
    Trace {
        flow: flow.clone(),
        hops: vec![Hop {
            from: user.to_string(),
            to: API_SERVER.to_owned(),
            wire: Wire::Plain { protocol: Protocol::Tcp, port: Some(6443) },
            checkpoints,
        }],
        end,
        answer: accepted.then(|| answered(&answer)),
    }
}

fn checks(request: &ApiRequest, answer: &ApiAnswer) -> Vec<Check> {
    let admission = |decision| check(Checkpoint::Admission, decision);
    let mut checks = Vec::new();
    if let Some((rules, why)) = &answer.unknown {
        checks.push(admission(Decision::unknown(rules.clone(), why.clone())));
    }
    match &answer.objection {
        Some(Objection::Missing(what)) => {
            let decision = Decision::deny(Reason::NoSuchName, Outcome::Http(404), what.clone());
            checks.push(check(Checkpoint::Application, decision));
            return checks;
        }
        Some(Objection::Invalid { status, message }) => checks.push(admission(Decision::deny(
            Reason::InvalidObject,
            Outcome::Http(*status),
            format!("{} is refused whatever the policies say: {message}", request.change.target),
        ))),
        None => {}
    }
    if answer.unknown.is_none() {
        checks.push(admission(kyverno(request, &answer.review)));
    }
    checks
}

fn kyverno(request: &ApiRequest, review: &Review) -> Decision {
    if let Some(Refusal { message, rules, .. }) = &review.refused {
        let names: Vec<_> = rules.iter().map(name).collect();
        let detail = format!("Kyverno refuses to {} ({}) for {}", request.change, names.join(", "), request.by);
        return Decision::deny(Reason::AdmissionRefused, REFUSED, detail).by(rules.clone()).logged(message.clone());
    }
    let mut rules = review.mutations.clone();
    rules.extend(review.generated.iter().map(|generated| generated.rule.clone()));
    let mut detail = format!("no rule of Kyverno refuses to {} for {}", request.change, request.by);
    if !review.mutations.is_empty() {
        detail.push_str("; the object is changed on its way");
    }
    if !review.generated.is_empty() {
        detail.push_str("; objects are generated");
    }
    Decision::allow(Reason::Admitted, detail).by(rules)
}

fn name(rule: &RuleRef) -> String {
    match &rule.rule {
        Some(path) => format!("{} {path}", rule.object),
        None => rule.object.to_string(),
    }
}

fn end(checks: &[Check], status: u16) -> End {
    let Some(check) = checks.iter().find(|check| !check.decision.allows()) else {
        return End::Outcome(Outcome::Http(status));
    };
    match (check.decision.effect, &check.decision.symptom) {
        (Effect::Deny, Some(symptom)) => End::Outcome(symptom.clone()),
        (Effect::Deny | Effect::Unknown | Effect::Allow, _) => End::Unknown(check.decision.detail.clone()),
    }
}

fn named(document: &Document) -> ObjectRef {
    let text =
        |keys: &[&str]| keys.iter().try_fold(document.root.as_ref(), |node, key| node.get(key)).and_then(Node::as_str);
    let (kind, name) = (text(&["kind"]), text(&["metadata", "name"]));
    ObjectRef::new(kind.unwrap_or_default(), text(&["metadata", "namespace"]), name.unwrap_or_default())
}

fn answered(answer: &ApiAnswer) -> Answer {
    let mut generated: Vec<_> = answer.review.generated.iter().map(|made| named(&made.document)).collect();
    generated.sort();
    let admitted = Admitted { labels: answer.labels(), generated: Some(generated) };
    Answer { by: API_SERVER.to_owned(), request: None, admitted: Some(admitted) }
}
