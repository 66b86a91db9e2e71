//! The CEL policies' part of a request: MutatingPolicy, ValidatingPolicy, GeneratingPolicy.

use std::sync::Arc;

use airtight_manifest::kyverno::{
    Autogen, GenerateExpression, GeneratingPolicySpec, MutatingPolicySpec, Mutation, ValidatingPolicySpec, Validation,
};
use airtight_manifest::{Document, Located, Node, Object, RuleRef, yaml};
use serde_json::Value;

use super::cel::{Names, parse};
use super::cel_policy::{Head, is_on, placed, selects_whatever_the_operation, wants_deletions};
use super::fault::Fault;
use super::request::{Operation, Subject};
use super::review::{Generated, Might, Refusal};
use super::selection::Truth;
use super::session::Session;
use super::version::Behaviour;
use super::{json_patch, kind, strategic};

/// What a ValidatingPolicy does with a violation.
struct Actions {
    deny: bool,
    report: bool,
}

impl Session<'_> {
    /// Applies every MutatingPolicy to the object.
    pub(super) fn mutate_by_cel(&mut self) {
        for policy in &self.kyverno.mutating {
            let spec = &policy.body.spec;
            let whole = policy.meta.whole();
            let head = mutating_head(policy.meta.name(), spec, self.kyverno.behaviour);
            let existing = spec.target_match_constraints.is_some()
                || is_on(spec.evaluation.as_ref().and_then(|evaluation| evaluation.mutate_existing), false);
            let names = match self.selected(&head) {
                Ok(Some(_)) if existing => {
                    self.unknown(
                        &whole,
                        Might::Mutate,
                        "the policy changes other objects in the background, which is not modelled",
                    );
                    continue;
                }
                Ok(Some(names)) => names,
                Ok(None) => continue,
                Err(fault) => {
                    self.failed_mutation(&whole, spec, fault);
                    continue;
                }
            };
            drop(names);
            for (index, mutation) in spec.mutations.iter().flatten().enumerate() {
                let rule = policy.meta.rule(format!("spec.mutations[{index}]"), mutation.at);
                self.mutate_once(&rule, mutation, &head, spec);
            }
        }
    }

    fn mutate_once(&mut self, rule: &RuleRef, mutation: &Mutation, head: &Head<'_>, spec: &MutatingPolicySpec) {
        let object = self.subject.object.clone().unwrap_or_default();
        let names = head.names(&self.request, &self.subject);
        match patched(mutation, &names, &object) {
            Ok(new) if new != object => {
                self.subject.object = Some(new);
                self.review.mutations.push(rule.clone());
            }
            Ok(_) => {}
            Err(fault) => self.failed_mutation(rule, spec, fault),
        }
    }

    fn failed_mutation(&mut self, rule: &RuleRef, spec: &MutatingPolicySpec, fault: Fault) {
        match fault {
            Fault::Unknown(why) => self.unknown(rule, Might::Mutate, why),
            Fault::NotFound(_) | Fault::Error(_) if spec.failure_policy.as_deref() == Some("Ignore") => {
                self.review.audit.push(rule.clone());
            }
            Fault::NotFound(_) | Fault::Error(_) => {
                self.deny(rule, &format!("Policy {} error: {fault}", rule.object.name));
            }
        }
    }

    /// Checks every ValidatingPolicy.
    pub(super) fn validate_by_cel(&mut self) {
        for policy in &self.kyverno.validating {
            let spec = &policy.body.spec;
            let whole = policy.meta.whole();
            let actions = actions(spec);
            match self.selected(&validating_head(policy.meta.name(), spec)) {
                Ok(Some(names)) => self.validations(policy, &names, &actions),
                Ok(None) => {}
                Err(fault) => self.failed_validation(&whole, spec, &actions, &fault),
            }
        }
    }

    /// The first validation that does not hold decides.
    fn validations(
        &mut self,
        policy: &Object<airtight_manifest::kyverno::ValidatingPolicy>,
        names: &Names,
        actions: &Actions,
    ) {
        let spec = &policy.body.spec;
        for (index, validation) in spec.validations.iter().flatten().enumerate() {
            let rule = policy.meta.rule(format!("spec.validations[{index}]"), validation.at);
            match names.holds(&validation.expression) {
                Ok(true) => {}
                Ok(false) => {
                    if actions.deny {
                        let message = format!("Policy {} failed: {}", policy.meta.name(), message(validation, names));
                        self.deny(&rule, &message);
                    }
                    if actions.report {
                        self.review.audit.push(rule);
                    }
                    return;
                }
                // Whether a later validation fails does not matter once this one might.
                Err(fault) => return self.failed_validation(&rule, spec, actions, &fault),
            }
        }
    }

    fn failed_validation(&mut self, rule: &RuleRef, spec: &ValidatingPolicySpec, actions: &Actions, fault: &Fault) {
        let might = if actions.deny { Might::Refuse } else { Might::Audit };
        match fault {
            Fault::Unknown(why) => self.unknown(rule, might, why.clone()),
            Fault::NotFound(_) | Fault::Error(_) if !actions.deny => self.review.audit.push(rule.clone()),
            Fault::NotFound(_) | Fault::Error(_) if spec.failure_policy.as_deref() == Some("Ignore") => {
                self.unknown(rule, might, format!("the policy errs and its failure policy is Ignore: {fault}"));
            }
            Fault::NotFound(_) | Fault::Error(_) => {
                self.deny(rule, &format!("Policy {} error: {fault}", rule.object.name));
            }
        }
    }

    /// Notes a refusal; the first one gives the message.
    fn deny(&mut self, rule: &RuleRef, message: &str) {
        match &mut self.review.refused {
            Some(refusal) => refusal.rules.push(rule.clone()),
            refused @ None => {
                let message =
                    format!("admission webhook \"vpol.validate.kyverno.svc-fail\" denied the request: {message}");
                *refused = Some(Refusal { rule: rule.clone(), message, rules: vec![rule.clone()] });
            }
        }
    }

    /// Makes what GeneratingPolicies say, and releases what no longer has a trigger.
    pub(super) fn generate_by_cel(&mut self) {
        let background = self.request.user.name == self.kyverno.options.background_controller();
        for policy in &self.kyverno.generating {
            let spec = &policy.body.spec;
            let evaluation = spec.evaluation.as_ref();
            if background && evaluation.and_then(|evaluation| evaluation.skip_background_requests) != Some(false) {
                continue;
            }
            let synchronize = is_on(evaluation.and_then(|evaluation| evaluation.synchronize), false);
            let head = generating_head(policy.meta.name(), spec);
            let rules: Vec<(RuleRef, &Located<GenerateExpression>)> = spec
                .generate
                .iter()
                .enumerate()
                .map(|(index, entry)| (policy.meta.rule(format!("spec.generate[{index}]"), entry.at), entry))
                .collect();
            if self.is_released(&head, spec, synchronize) {
                self.review.released.extend(rules.iter().map(|(rule, _)| rule.clone()));
                continue;
            }
            match self.selected(&head) {
                Ok(Some(names)) => {
                    for (rule, entry) in &rules {
                        self.make(rule, entry, &names, policy.meta.name(), synchronize);
                    }
                }
                Ok(None) => {}
                Err(Fault::Unknown(why)) => self.unknown(&policy.meta.whole(), Might::Generate, why),
                // An error makes nothing; before 1.19 it is even reported as completed.
                Err(Fault::NotFound(_) | Fault::Error(_)) => self.review.audit.push(policy.meta.whole()),
            }
        }
    }

    /// Whether this request ends a trigger: its deletion, and since 1.19 an update after which it does not match.
    fn is_released(&self, head: &Head<'_>, spec: &GeneratingPolicySpec, synchronize: bool) -> bool {
        let Some(constraints) = &spec.match_constraints else { return false };
        if !synchronize {
            return false;
        }
        match self.request.operation {
            Operation::Create => false,
            Operation::Delete => {
                !wants_deletions(Some(constraints))
                    && selects_whatever_the_operation(constraints, &self.request, &self.subject)
            }
            Operation::Update => {
                let Some(old) = &self.subject.old else { return false };
                let new = Subject { old: None, ..self.subject.clone() };
                let before = Subject { object: Some(old.clone()), old: None, ..self.subject.clone() };
                self.kyverno.behaviour.generating_policies_release
                    && matches!(self.selects(head, &before), Ok(Some(_)))
                    && matches!(self.selects(head, &new), Ok(None))
            }
        }
    }

    /// The background controller makes nothing that it may not; the policy is accepted all the same.
    fn lacks_permission(&self, object: &Value) -> bool {
        let (group, _) = kind::group_version(object["apiVersion"].as_str().unwrap_or_default());
        let kind = object["kind"].as_str().unwrap_or_default();
        !self.kyverno.permissions.lacking(group, kind, &["get", "create"]).is_empty()
    }

    fn make(
        &mut self,
        rule: &RuleRef,
        entry: &Located<GenerateExpression>,
        names: &Names,
        policy: &str,
        synchronize: bool,
    ) {
        match generated(entry, names, policy) {
            Ok(objects) if objects.iter().any(|object| self.lacks_permission(object)) => {
                self.unknown(rule, Might::Generate, "no ClusterRole lets the background controller make it");
            }
            Ok(objects) => self.review.generated.extend(objects.iter().map(|object| Generated {
                document: Document { file: rule.at.file.clone(), root: Node::from_json(object, entry.at).into() },
                rule: rule.clone(),
                synchronize,
            })),
            Err(Fault::Unknown(why)) => self.unknown(rule, Might::Generate, why),
            Err(Fault::NotFound(_) | Fault::Error(_)) => self.review.audit.push(rule.clone()),
        }
    }

    /// What a policy's expressions can name, if it selects the request.
    fn selected(&self, head: &Head<'_>) -> Result<Option<Names>, Fault> {
        self.selects(head, &self.subject)
    }

    fn selects(&self, head: &Head<'_>, subject: &Subject) -> Result<Option<Names>, Fault> {
        let selected = head.selects(&self.request, subject);
        if selected == Truth::No {
            return Ok(None);
        }
        let names = head.names(&self.request, subject);
        if !head.conditions_hold(&names)? {
            return Ok(None);
        }
        if selected == Truth::Unknown {
            return Err(Fault::unknown(
                "rules for pod controllers that Kyverno derives from a CEL policy are not modelled",
            ));
        }
        match head.is_excepted(&self.kyverno.cel_exceptions, &names) {
            Truth::No => Ok(Some(names)),
            Truth::Yes => Ok(None),
            Truth::Unknown => Err(Fault::unknown("whether an exception lifts the policy is not known")),
        }
    }
}

fn has_autogen(autogen: Option<&Autogen>) -> bool {
    let controllers =
        autogen.and_then(|autogen| autogen.pod_controllers.as_ref()).and_then(|pods| pods.controllers.as_ref());
    controllers.is_none_or(|controllers| !controllers.is_empty() && controllers.iter().all(|name| name != "none"))
}

fn validating_head<'a>(name: &'a str, spec: &'a ValidatingPolicySpec) -> Head<'a> {
    Head {
        kind: "ValidatingPolicy",
        name,
        constraints: spec.match_constraints.as_deref(),
        conditions: spec.match_conditions.as_deref(),
        variables: spec.variables.as_deref(),
        evaluation: spec.evaluation.as_ref(),
        unknown_autogen: false,
    }
}

fn mutating_head<'a>(name: &'a str, spec: &'a MutatingPolicySpec, behaviour: Behaviour) -> Head<'a> {
    Head {
        kind: "MutatingPolicy",
        name,
        constraints: spec.match_constraints.as_deref(),
        conditions: spec.match_conditions.as_deref(),
        variables: spec.variables.as_deref(),
        evaluation: spec.evaluation.as_ref(),
        unknown_autogen: !behaviour.autogen_mutations_known && has_autogen(spec.autogen.as_ref()),
    }
}

fn generating_head<'a>(name: &'a str, spec: &'a GeneratingPolicySpec) -> Head<'a> {
    Head {
        kind: "GeneratingPolicy",
        name,
        constraints: spec.match_constraints.as_deref(),
        conditions: spec.match_conditions.as_deref(),
        variables: spec.variables.as_deref(),
        evaluation: spec.evaluation.as_ref(),
        unknown_autogen: false,
    }
}

/// `Deny` is the default.
fn actions(spec: &ValidatingPolicySpec) -> Actions {
    let written = spec.validation_actions.as_ref().filter(|actions| !actions.is_empty());
    let has = |name: &str| written.is_some_and(|actions| actions.iter().any(|action| action == name));
    Actions { deny: written.is_none() || has("Deny"), report: has("Audit") || has("Warn") }
}

fn message(validation: &Validation, names: &Names) -> String {
    let computed = validation
        .message_expression
        .as_deref()
        .and_then(|source| names.evaluate(&parse(source).ok()?).ok())
        .and_then(|value| value.as_str().map(str::to_owned));
    computed
        .or_else(|| validation.message.clone())
        .unwrap_or_else(|| format!("failed expression: {}", validation.expression))
}

fn patched(mutation: &Mutation, names: &Names, object: &Value) -> Result<Value, Fault> {
    let source = |expression: &Option<airtight_manifest::kyverno::PatchExpression>| {
        expression
            .as_ref()
            .and_then(|patch| patch.expression.clone())
            .ok_or_else(|| Fault::error(format!("the mutation has no expression for {}", mutation.patch_type)))
    };
    match mutation.patch_type.as_str() {
        "ApplyConfiguration" => {
            let patch = names.evaluate(&parse(&source(&mutation.apply_configuration)?)?)?;
            Ok(strategic::apply_configuration(object, &patch))
        }
        "JSONPatch" => match names.evaluate(&parse(&source(&mutation.json_patch)?)?)? {
            Value::Array(operations) => json_patch::apply(object, &operations),
            other => Err(Fault::error(format!("a JSON patch is a list, not {other}"))),
        },
        other => Err(Fault::error(format!("unknown patch type `{other}`"))),
    }
}

fn generated(entry: &GenerateExpression, names: &Names, policy: &str) -> Result<Vec<Value>, Fault> {
    if let Some(template) = &entry.template {
        if template.interpolate.as_deref() == Some("cel") {
            return Err(Fault::unknown("templates with CEL in them are not modelled"));
        }
        let documents = yaml::parse(&Arc::from("template"), &template.value)
            .map_err(|finding| Fault::error(format!("the template is no YAML: {}", finding.message)))?;
        return Ok(documents.iter().map(|document| placed(document.root.to_json(), "", policy)).collect());
    }
    let source = entry.expression.as_deref().unwrap_or_default();
    let (namespace, objects) = names.generator_arguments(&parse(source)?)?;
    let (Value::String(namespace), Value::Array(objects)) = (namespace, objects) else {
        return Err(Fault::error("generator.Apply takes a namespace and a list of objects"));
    };
    Ok(objects.into_iter().map(|object| placed(object, &namespace, policy)).collect())
}
