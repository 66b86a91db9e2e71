//! What Kyverno's webhook refuses of a ClusterPolicy as a whole, and what it takes that has less effect than it says
//! (Kyverno `pkg/validation/policy/validate.go`, `api/kyverno/v1/spec_types.go`, `api/kyverno/v1/common_types.go`).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use airtight_manifest::kyverno::{CloneList, MatchCondition, Mutate, Rule};
use airtight_manifest::{Diagnostic, Located, RuleRef, yaml};
use regex::Regex;
use serde_json::Value;

use super::fault::Fault;
use super::policy::{CompiledRule, Policy, descriptions};
use super::version::Behaviour;
use super::{cel, kind, webhook_contents, webhook_variables};

/// Variables in a text, as the webhook replaces them before it reads a patch.
static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{[^{}]*\}\}").ok());

/// Findings about a policy; an error means that it is refused.
pub(super) fn refusals(policy: &Policy, behaviour: Behaviour) -> Vec<Diagnostic> {
    let mut checker = Checker { policy, found: Vec::new() };
    checker.timeouts();
    checker.conditions();
    checker.admission();
    for rule in policy.rules.iter().filter(|rule| rule.is_written()) {
        checker.kinds(rule);
        checker.mutation(rule);
        checker.generation(rule);
        checker.images(rule);
        checker.contents(rule, behaviour);
    }
    if !behaviour.each_rule_decides {
        checker.actions();
    }
    checker.found
}

struct Checker<'a> {
    policy: &'a Policy,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn refuse(&mut self, code: &str, at: &RuleRef, message: impl Into<String>) {
        self.found.push(Diagnostic::error(code, message).at(at.at.clone()));
    }

    fn background(&self) -> bool {
        self.policy.spec().background.as_ref().is_none_or(|background| background.value)
    }

    fn timeouts(&mut self) {
        let policy = self.policy;
        let spec = policy.spec();
        let own = spec.webhook_configuration.as_ref().and_then(|webhook| webhook.timeout_seconds.as_ref());
        for timeout in own.into_iter().chain(&spec.webhook_timeout_seconds) {
            if !(1..=30).contains(&timeout.value) {
                let at = policy.object.meta.rule("spec.webhookConfiguration.timeoutSeconds", timeout.at);
                self.refuse("invalid-timeout", &at, "the timeout value must be between 1 and 30 seconds");
            }
        }
    }

    /// CEL conditions of the webhook: each has a name of its own, parses, and names nothing that is not there.
    fn conditions(&mut self) {
        let policy = self.policy;
        let webhook = policy.spec().webhook_configuration.as_ref();
        let conditions: Vec<&Located<MatchCondition>> =
            webhook.iter().flat_map(|webhook| webhook.match_conditions.iter().flatten()).collect();
        let mut names = BTreeSet::new();
        for condition in conditions {
            let at = policy.object.meta.rule("spec.webhookConfiguration.matchConditions", condition.at);
            if !names.insert(&condition.name) {
                self.refuse("duplicate-condition", &at, format!("two conditions are called `{}`", condition.name));
            }
            let known = ["object", "oldObject", "request", "authorizer", "namespaceObject"];
            match cel::names(&condition.expression) {
                Ok(names) => {
                    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
                        self.refuse("invalid-expression", &at, format!("undeclared reference to `{name}`"));
                    }
                }
                Err(Fault::Error(message) | Fault::NotFound(message)) => {
                    self.refuse("invalid-expression", &at, message);
                }
                Err(Fault::Unknown(_)) => {}
            }
        }
    }

    fn admission(&mut self) {
        let policy = self.policy;
        let spec = policy.spec();
        let overrides = spec.validation_failure_action_overrides.as_ref().is_some_and(|list| !list.is_empty());
        if overrides && &*policy.object.meta.object.kind == "Policy" {
            let message = "validationFailureActionOverrides is supported only with ClusterPolicy";
            self.refuse("overrides-in-policy", &policy.object.meta.whole(), message);
        }
        let acts = |rule: &Rule| rule.mutate.is_some() || rule.generate.is_some() || rule.verify_images.is_some();
        if spec.admission == Some(false) && spec.rules.iter().flatten().any(|rule| acts(rule)) {
            let whole = policy.object.meta.whole();
            let message = "disabling admission processing is only allowed with validation policies";
            self.refuse("admission-off", &whole, message);
        }
    }

    fn kinds(&mut self, rule: &CompiledRule) {
        let at = &rule.reference;
        let blocks = std::iter::once(&rule.rule.matches).chain(&rule.rule.exclude);
        for kinds in blocks.flat_map(|block| descriptions(block)).filter_map(|one| one.kinds.as_ref()) {
            let wild = kinds.iter().any(|kind| kind == "*");
            if wild && self.background() {
                self.refuse("wildcard-in-background", at, "a wildcard kind is not allowed in background mode");
            }
            if wild && kinds.len() > 1 {
                self.refuse("wildcard-and-kinds", at, "a wildcard kind cannot stand beside others");
            }
            let foreach = rule.rule.validate.as_ref().is_some_and(|validate| validate.foreach.is_some());
            if wild && (rule.rule.generate.is_some() || rule.rule.verify_images.is_some() || foreach) {
                self.refuse("wildcard-rule", at, "a wildcard kind is not for rules of this type");
            }
            let sub = kinds.iter().find(|kind| !kind::KindPattern::parse(kind).subresource.is_empty());
            if let Some(sub) = sub.filter(|_| !wild && self.background() && rule.rule.validate.is_some()) {
                self.refuse("subresource-in-background", at, format!("background scan enabled with subresource {sub}"));
            }
        }
    }

    fn contents(&mut self, rule: &CompiledRule, behaviour: Behaviour) {
        let mut faults = webhook_contents::faults(&rule.rule);
        faults.extend(webhook_variables::faults(&rule.rule, self.background(), behaviour));
        for (code, message) in faults {
            self.refuse(code, &rule.reference, message);
        }
    }

    fn mutation(&mut self, rule: &CompiledRule) {
        let Some(mutate) = &rule.rule.mutate else { return };
        let spec = self.policy.spec();
        let existing = mutate.mutate_existing_on_policy_update.or(spec.mutate_existing_on_policy_update);
        let asked = existing == Some(true) || spec.mutate_existing_on_policy_update == Some(true);
        if asked && mutate.targets.is_none() {
            let message = "mutate.targets has to be specified when mutateExistingOnPolicyUpdate is set";
            self.refuse("no-targets", &rule.reference, message);
        }
        if let Some(message) = patch_fault(mutate) {
            self.refuse("invalid-patch", &rule.reference, message);
        }
    }

    fn generation(&mut self, rule: &CompiledRule) {
        let Some(generate) = &rule.rule.generate else { return };
        let existing = self.policy.spec().generate_existing.as_ref().is_some_and(|existing| existing.value);
        if generate.generate_existing.unwrap_or(existing) && rule.names_operations() {
            let message = "`generateExisting` generates nothing for what exists where the match has `operations`";
            let finding = Diagnostic::warning("no-effect", message).at(rule.reference.at.clone());
            self.found.push(finding.hint("leave `operations` out, or put them into a rule of its own"));
        }
        let loops = generate.foreach.iter().flatten().filter_map(|each| each.clone_list.as_deref());
        for list in generate.clone_list.as_deref().into_iter().chain(loops) {
            self.clone_list(rule, list);
        }
    }

    fn clone_list(&mut self, rule: &CompiledRule, list: &CloneList) {
        let at = &rule.reference;
        let scopes: Vec<bool> = list
            .kinds
            .iter()
            .flatten()
            .map(|text| kind::KindPattern::parse(text))
            .map(|kind| kind::is_namespaced(kind.group, kind.kind))
            .collect();
        let Some(first) = scopes.first().copied() else { return };
        let namespace = list.namespace.as_deref().unwrap_or_default();
        let own = self.policy.object.meta.object.namespace.as_deref();
        if scopes.iter().any(|scope| *scope != first) {
            self.refuse("mixed-scopes", at, "mixed scope of target resources is forbidden");
        } else if first && namespace.is_empty() {
            self.refuse("no-source-namespace", at, "cloneList.namespace is required for namespaced target resources");
        } else if !first && !namespace.is_empty() && own.is_none() {
            self.refuse("source-namespace", at, "cloneList.namespace is forbidden for cluster-wide target resources");
        }
        if own.is_some_and(|own| own != namespace) {
            self.refuse("foreign-namespace", at, "a namespaced policy cannot clone resources from other namespace");
        }
    }

    fn images(&mut self, rule: &CompiledRule) {
        if rule.rule.image_extractors.is_some() && rule.rule.verify_images.is_none() {
            let message = "imageExtractors can only be defined for verifyImages rule";
            self.refuse("image-extractors", &rule.reference, message);
        }
    }

    /// Before 1.19, of a policy whose webhook has conditions, the first action decides for all rules
    /// (kyverno/kyverno#16557; of others only the rules that enforce are asked, `pkg/policycache/cache.go`).
    fn actions(&mut self) {
        let spec = self.policy.spec();
        if !self.policy.has_own_webhook() {
            return;
        }
        let rules = spec.rules.iter().flatten().filter_map(|rule| rule.validate.as_ref());
        let mut written = rules.filter_map(|validate| validate.failure_action.as_ref());
        let Some(first) = written.next() else { return };
        if let Some(other) = written.find(|action| !action.value.eq_ignore_ascii_case(&first.value)) {
            let message = format!(
                "before Kyverno 1.19 `failureAction: {}` has no effect beside `matchConditions`: the first rule's `{}` holds for all",
                other.value, first.value
            );
            let at = self.policy.object.meta.rule("spec.rules", other.at);
            let finding = Diagnostic::warning("first-action-decides", message).at(at.at);
            self.found.push(finding.hint("write rules with another action into a policy of their own"));
        }
    }
}

/// Why a JSON patch is none.
fn patch_fault(mutate: &Mutate) -> Option<String> {
    let text = mutate.patches_json6902.as_ref().filter(|text| !text.is_empty())?;
    let plain = VARIABLE.as_ref()?.replace_all(text, "kyvernojsonpatchvariable");
    let documents = yaml::parse(&"patchesJson6902".into(), &plain);
    let Some(Value::Array(operations)) = documents.ok().and_then(|documents| Some(documents.first()?.root.to_json()))
    else {
        return Some("a JSON patch must be a list of operations".to_owned());
    };
    operations.iter().find_map(operation_fault)
}

fn operation_fault(operation: &Value) -> Option<String> {
    let path = operation["path"].as_str();
    if !path.is_some_and(|path| path.starts_with('/')) {
        return Some(format!("path must begin with a forward slash: {}", path.unwrap_or_default()));
    }
    match operation["op"].as_str().unwrap_or_default() {
        "remove" | "move" | "copy" => None,
        "add" | "replace" | "test" if operation.get("value").is_some() => None,
        "add" | "replace" | "test" => Some("an operation of a JSON patch has no value".to_owned()),
        other => Some(format!("unexpected kind: `{other}` in a JSON patch")),
    }
}
