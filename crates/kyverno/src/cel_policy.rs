//! What the CEL policies have in common: which requests they select, and what their expressions can name
//! (Kyverno `pkg/cel`; Kubernetes `pkg/admission/plugin/policy/matching`).

use airtight_manifest::kyverno::{
    CelPolicyException, Evaluation, MatchCondition, MatchConstraints, NamedRule, Switch, Variable,
};
use airtight_manifest::{Located, Object, selects};
use serde_json::{Value, json};

use super::cel::{Names, parse};
use super::fault::Fault;
use super::kind;
use super::request::{AdmissionRequest, Operation, Subject, text_map};
use super::selection::Truth;

/// The parts of a CEL policy that decide whether it acts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) constraints: Option<&'a MatchConstraints>,
    pub(super) conditions: Option<&'a [Located<MatchCondition>]>,
    pub(super) variables: Option<&'a [Located<Variable>]>,
    pub(super) evaluation: Option<&'a Evaluation>,
    /// Whether rules for pod controllers are derived from a policy on Pods in a way that is not modelled.
    pub(super) unknown_autogen: bool,
}

/// Resources that a policy on Pods is extended to.
const POD_CONTROLLERS: &[&str] =
    &["daemonsets", "deployments", "jobs", "statefulsets", "replicasets", "replicationcontrollers", "cronjobs"];

/// Whether a switch is on.
pub(super) fn is_on(switch: Option<Switch>, default: bool) -> bool {
    switch.and_then(|switch| switch.enabled).unwrap_or(default)
}

impl Head<'_> {
    /// Whether the policy selects a request by its constraints.
    pub(super) fn selects(&self, request: &AdmissionRequest<'_>, subject: &Subject) -> Truth {
        if !is_on(self.evaluation.and_then(|evaluation| evaluation.admission), true)
            || self.evaluation.and_then(|evaluation| evaluation.mode.as_deref()) == Some("JSON")
        {
            return Truth::No;
        }
        let Some(constraints) = self.constraints else { return Truth::No };
        if !selectors_hold(constraints, request, subject) {
            return Truth::No;
        }
        if self.unknown_autogen && is_on_pods_only(constraints) && POD_CONTROLLERS.contains(&subject.resource.as_str())
        {
            return Truth::Unknown;
        }
        rules_hold(constraints, request.operation, subject).into()
    }

    /// Whether every match condition holds; a false one wins over one that fails.
    pub(super) fn conditions_hold(&self, names: &Names) -> Result<bool, Fault> {
        conditions_hold(self.conditions, names)
    }

    /// Whether an exception lifts the policy.
    pub(super) fn is_excepted(&self, exceptions: &[Object<CelPolicyException>], names: &Names) -> Truth {
        exceptions
            .iter()
            .filter(|exception| {
                exception.body.spec.policy_refs.iter().any(|entry| entry.kind == self.kind && entry.name == self.name)
            })
            .map(|exception| {
                let spec = &exception.body.spec;
                let partial = spec.images.is_some()
                    || spec.allowed_values.is_some()
                    || spec.evaluation_mode.is_some()
                    || spec.expires_at.is_some();
                match conditions_hold(spec.match_conditions.as_deref(), names) {
                    Ok(false) | Err(Fault::Error(_) | Fault::NotFound(_)) => Truth::No,
                    Err(Fault::Unknown(_)) => Truth::Unknown,
                    Ok(true) if partial => Truth::Unknown,
                    Ok(true) => Truth::Yes,
                }
            })
            .max()
            .unwrap_or(Truth::No)
    }

    /// What the policy's expressions can name, variables included.
    pub(super) fn names(&self, request: &AdmissionRequest<'_>, subject: &Subject) -> Names {
        let mut names = request_names(request, subject);
        for variable in self.variables.unwrap_or_default() {
            let value = parse(&variable.expression).and_then(|expression| names.evaluate(&expression));
            names.set_variable(&variable.name, value);
        }
        names
    }
}

/// Whether every condition holds; a false one wins over one that fails.
pub(super) fn conditions_hold(conditions: Option<&[Located<MatchCondition>]>, names: &Names) -> Result<bool, Fault> {
    let mut failed = None;
    for condition in conditions.unwrap_or_default() {
        match names.holds(&condition.expression) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // What is not known might be false, and an error then does not count.
            Err(fault @ Fault::Unknown(_)) => failed = Some(fault),
            Err(fault) => failed = failed.or(Some(fault)),
        }
    }
    failed.map_or(Ok(true), Err)
}

/// What an expression can name of a request alone.
pub(super) fn request_names(request: &AdmissionRequest<'_>, subject: &Subject) -> Names {
    let mut names = Names::default();
    names.set("object", subject.object.clone().unwrap_or_default());
    names.set("oldObject", subject.old.clone().unwrap_or_default());
    names.set(
        "request",
        json!({
            "operation": request.operation.as_str(),
            "name": subject.name,
            "namespace": subject.namespace.as_deref().unwrap_or_default(),
            "kind": {"group": subject.group, "version": subject.version, "kind": subject.kind},
            "resource": {"group": subject.group, "version": subject.version, "resource": subject.resource},
            "dryRun": false,
            "userInfo": {"username": request.user.name, "groups": request.user.groups},
        }),
    );
    names.set("namespaceObject", namespace_object(request, subject));
    names
}

/// The namespace of the object as far as it is known; none of one that is in no namespace.
fn namespace_object(request: &AdmissionRequest<'_>, subject: &Subject) -> Value {
    let Some(name) = subject.namespace.as_deref() else { return Value::Null };
    let known = request.existing.iter().find(|object| {
        object["apiVersion"] == "v1" && object["kind"] == "Namespace" && object["metadata"]["name"] == name
    });
    let mut namespace = known.map_or_else(|| json!({}), |object| Value::clone(object));
    namespace["apiVersion"] = Value::from("v1");
    namespace["kind"] = Value::from("Namespace");
    namespace["metadata"]["name"] = Value::from(name);
    namespace["metadata"]["labels"] = json!(request.namespace_labels);
    namespace
}

fn rules_hold(constraints: &MatchConstraints, operation: Operation, subject: &Subject) -> bool {
    let equivalent = constraints.match_policy.as_deref() != Some("Exact");
    let any = |rules: &Option<Vec<Located<NamedRule>>>| {
        rules.iter().flatten().any(|rule| rule_holds(rule, operation, subject, equivalent))
    };
    any(&constraints.resource_rules) && !any(&constraints.exclude_resource_rules)
}

/// Whether one of the rules would hold whatever the operation.
pub(super) fn selects_whatever_the_operation(
    constraints: &MatchConstraints,
    request: &AdmissionRequest<'_>,
    subject: &Subject,
) -> bool {
    selectors_hold(constraints, request, subject)
        && [Operation::Create, Operation::Update, Operation::Delete]
            .into_iter()
            .any(|operation| rules_hold(constraints, operation, subject))
}

/// Whether some rule names the operation DELETE.
pub(super) fn wants_deletions(constraints: Option<&MatchConstraints>) -> bool {
    let rules = constraints.and_then(|constraints| constraints.resource_rules.as_ref());
    rules.into_iter().flatten().flat_map(|rule| rule.operations.iter().flatten()).any(|operation| operation == "DELETE")
}

fn rule_holds(rule: &NamedRule, operation: Operation, subject: &Subject, equivalent: bool) -> bool {
    let lists =
        |list: &Option<Vec<String>>, wanted: &str| list.iter().flatten().any(|item| item == "*" || item == wanted);
    let resource = |list: &Option<Vec<String>>| {
        list.iter().flatten().any(|item| item == "*" || item == "*/*" || *item == subject.resource)
    };
    let scope = match rule.scope.as_deref() {
        Some("Cluster") => subject.namespace.is_none(),
        Some("Namespaced") => subject.namespace.is_some(),
        Some(_) | None => true,
    };
    scope
        && lists(&rule.operations, operation.as_str())
        && lists(&rule.api_groups, &subject.group)
        && (equivalent || lists(&rule.api_versions, &subject.version))
        && resource(&rule.resources)
        && rule.resource_names.as_ref().is_none_or(|names| names.is_empty() || names.contains(&subject.name))
}

/// The namespace selector reads a Namespace's own labels and spares other cluster-scoped objects; the object selector
/// holds for the new object or the old one.
fn selectors_hold(constraints: &MatchConstraints, request: &AdmissionRequest<'_>, subject: &Subject) -> bool {
    let namespace = constraints.namespace_selector.as_ref().is_none_or(|selector| {
        if subject.is_namespace() {
            selects(selector, &text_map(subject.shown(), "labels"))
        } else {
            subject.namespace.is_none() || selects(selector, request.namespace_labels)
        }
    });
    let object = constraints.object_selector.as_ref().is_none_or(|selector| {
        [&subject.object, &subject.old]
            .into_iter()
            .flatten()
            .any(|object| selects(selector, &text_map(object, "labels")))
    });
    namespace && object
}

fn is_on_pods_only(constraints: &MatchConstraints) -> bool {
    let mut resources =
        constraints.resource_rules.iter().flatten().flat_map(|rule| rule.resources.iter().flatten()).peekable();
    resources.peek().is_some() && resources.all(|resource| resource == "pods")
}

/// An object's identity filled into content that a generator gives.
pub(super) fn placed(mut object: Value, namespace: &str, policy: &str) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let (group, _) = kind::group_version(object["apiVersion"].as_str().unwrap_or_default());
    let namespaced = kind::is_namespaced(group, &kind);
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if namespaced && !namespace.is_empty() {
        object["metadata"]["namespace"] = Value::from(namespace);
    }
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = Value::from("kyverno");
    object["metadata"]["labels"]["generate.kyverno.io/policy-name"] = Value::from(policy);
    object
}
