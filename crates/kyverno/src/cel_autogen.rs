//! CEL policies on Pods, extended to what makes Pods (Kyverno `pkg/cel/autogen`, `pkg/cel/policies/*/autogen`).
//!
//! Expressions are rewritten as text, as Kyverno does it; a policy and what is made of it share their rules' places.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use airtight_manifest::kyverno::{Autogen, MatchConstraints, MutatingPolicy, NamedRule, ValidatingPolicy};
use airtight_manifest::{Located, Object, re2};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use regex::Regex;

use super::context::Shift;
use super::version::Behaviour;

/// Controllers whose template is at `spec.template`, with their group.
const CONTROLLERS: &[(&str, &str)] = &[
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
];

static SPEC: LazyLock<Option<Regex>> = LazyLock::new(|| re2::search(r"\b(object|oldObject|Object)\.spec").ok());
static LABELS: LazyLock<Option<Regex>> =
    LazyLock::new(|| re2::search(r"\b(object|oldObject|Object)\.metadata\.(labels|annotations)").ok());

/// A ValidatingPolicy and what is made of it.
pub(super) fn validating(policy: &Object<ValidatingPolicy>, behaviour: Behaviour) -> Vec<Object<ValidatingPolicy>> {
    let spec = &policy.body.spec;
    let mut all = vec![policy.clone()];
    for (shift, constraints) in extended(spec.match_constraints.as_ref(), spec.autogen.as_ref(), behaviour) {
        let mut copy = policy.clone();
        let spec = &mut Arc::make_mut(&mut copy.body).spec;
        spec.match_constraints = Some(constraints);
        let expressions = spec.match_conditions.iter_mut().flatten().map(|condition| &mut condition.value.expression);
        let variables = spec.variables.iter_mut().flatten().map(|variable| &mut variable.value.expression);
        for expression in expressions.chain(variables) {
            *expression = shift.cel(expression, behaviour.autogen_spares_namespaces);
        }
        for validation in spec.validations.iter_mut().flatten() {
            let Located { value, .. } = validation;
            let said = value.message.iter_mut().chain(&mut value.message_expression);
            for text in said.chain([&mut value.expression]) {
                *text = shift.cel(text, behaviour.autogen_spares_namespaces);
            }
        }
        all.push(copy);
    }
    all
}

/// A MutatingPolicy and what is made of it; JSON patches and variables are left as they are.
pub(super) fn mutating(policy: &Object<MutatingPolicy>, behaviour: Behaviour) -> Vec<Object<MutatingPolicy>> {
    let spec = &policy.body.spec;
    let mut all = vec![policy.clone()];
    for (shift, constraints) in extended(spec.match_constraints.as_ref(), spec.autogen.as_ref(), behaviour) {
        let mut copy = policy.clone();
        let spec = &mut Arc::make_mut(&mut copy.body).spec;
        spec.match_constraints = Some(constraints);
        for condition in spec.match_conditions.iter_mut().flatten() {
            condition.value.expression = over_template(&condition.value.expression, shift);
        }
        for mutation in spec.mutations.iter_mut().flatten() {
            let patch = mutation.value.apply_configuration.as_mut().and_then(|patch| patch.expression.as_mut());
            if let Some(expression) = patch {
                *expression = over_template(expression, shift);
            }
        }
        all.push(copy);
    }
    all
}

/// The constraints for `spec.template` and for a CronJob's, where the policy is extended to either.
fn extended(
    constraints: Option<&Located<MatchConstraints>>,
    autogen: Option<&Autogen>,
    behaviour: Behaviour,
) -> Vec<(Shift, Located<MatchConstraints>)> {
    let Some(constraints) = constraints else { return Vec::new() };
    let selects_namespaces = constraints.namespace_selector.as_ref().is_some_and(is_written);
    if !is_extended(constraints) || selects_namespaces && !behaviour.autogen_keeps_namespaces {
        return Vec::new();
    }
    let chosen =
        autogen.and_then(|autogen| autogen.pod_controllers.as_ref()).and_then(|pods| pods.controllers.as_ref());
    let wants = |resource: &str| chosen.is_none_or(|chosen| chosen.iter().any(|name| name == resource));
    let operations = constraints.resource_rules.iter().flatten().find_map(|rule| rule.operations.clone());
    let rule = |group: &str, resource: &str| {
        let rule = NamedRule {
            api_groups: Some(vec![group.to_owned()]),
            api_versions: Some(vec!["v1".to_owned()]),
            operations: operations.clone(),
            resources: Some(vec![resource.to_owned()]),
            ..NamedRule::default()
        };
        Located { value: rule, at: constraints.at }
    };
    let plain = CONTROLLERS.iter().filter(|(_, resource)| wants(resource)).map(|(group, name)| rule(group, name));
    let cron = wants("cronjobs").then(|| rule("batch", "cronjobs"));
    [(Shift::Template, plain.collect::<Vec<_>>()), (Shift::JobTemplate, cron.into_iter().collect())]
        .into_iter()
        .filter(|(_, rules)| !rules.is_empty())
        .map(|(shift, rules)| {
            let value = MatchConstraints {
                resource_rules: Some(rules),
                namespace_selector: constraints.namespace_selector.clone(),
                ..MatchConstraints::default()
            };
            (shift, Located { value, at: constraints.at })
        })
        .collect()
}

fn is_written(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_some_and(|labels| !labels.is_empty())
        || selector.match_expressions.as_ref().is_some_and(|expressions| !expressions.is_empty())
}

/// Whether a policy is on Pods and on nothing else (Kyverno `pkg/cel/autogen/support.go`).
fn is_extended(constraints: &MatchConstraints) -> bool {
    let one =
        |list: &Option<Vec<String>>, wanted: &str| list.as_deref().is_some_and(|list| list == [wanted.to_owned()]);
    let none = |list: &Option<Vec<String>>| list.as_ref().is_none_or(Vec::is_empty);
    let [rule] = constraints.resource_rules.as_deref().unwrap_or_default() else { return false };
    !constraints.object_selector.as_ref().is_some_and(is_written)
        && constraints.exclude_resource_rules.as_ref().is_none_or(Vec::is_empty)
        && none(&rule.resource_names)
        && one(&rule.api_groups, "")
        && one(&rule.api_versions, "v1")
        && one(&rule.resources, "pods")
}

/// A mutation's expression over the template, its outermost `Object{…}` wrapped
/// (Kyverno `pkg/cel/policies/mpol/autogen/autogen.go`).
fn over_template(expression: &str, shift: Shift) -> String {
    let into = shift.path().join(".");
    let (Some(spec), Some(labels)) = (SPEC.as_ref(), LABELS.as_ref()) else { return expression.to_owned() };
    let expression = spec.replace_all(expression, format!("${{1}}.{into}.spec"));
    let expression = labels.replace_all(&expression, format!("${{1}}.{into}.metadata.${{2}}")).into_owned();
    let Some(content) = expression.trim().strip_prefix("Object").and_then(|rest| rest.trim_start().strip_prefix('{'))
    else {
        return expression;
    };
    let Some(end) = closing_brace(content) else { return expression };
    let mut wrapped = "Object{".to_owned();
    let mut path = "Object".to_owned();
    for key in shift.path() {
        path = format!("{path}.{key}");
        let _ = write!(wrapped, "{key}: {path}{{");
    }
    wrapped.push_str(&content[..end]);
    wrapped.push_str(&"}".repeat(shift.path().len() + 1));
    wrapped.push_str(&content[end + 1..]);
    wrapped
}

fn closing_brace(content: &str) -> Option<usize> {
    let mut depth = 1_usize;
    content.char_indices().find_map(|(at, char)| {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}
