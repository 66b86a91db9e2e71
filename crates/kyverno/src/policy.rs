//! ClusterPolicies as they are evaluated: rules with their places, those for pod controllers among them.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::kyverno::{
    ClusterPolicy, ClusterPolicySpec, FailureActionOverride, MatchBlock, ResourceDescription, ResourceFilter, Rule,
};
use airtight_manifest::{Labels, Located, Object, RuleRef};
use serde_json::{Map, Value};

use super::context::Shift;
use super::fault::Fault;
use super::kind::KindPattern;
use super::request::text_map;
use super::selection::{Facts, Truth, labelled};
use super::version::Behaviour;
use super::wildcard;

/// Controllers that rules on Pods are extended to, the CronJob aside (Kyverno `pkg/autogen/v1`).
const CONTROLLERS: &[&str] = &["DaemonSet", "Deployment", "Job", "StatefulSet", "ReplicaSet", "ReplicationController"];
const CRON_JOB: &str = "CronJob";
/// Annotation of a policy that names the controllers.
const AUTOGEN: &str = "pod-policies.kyverno.io/autogen-controllers";

/// A ClusterPolicy or Policy.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) object: Arc<Object<ClusterPolicy>>,
    pub(super) rules: Vec<CompiledRule>,
}

/// A rule with its place.
#[derive(Debug, Clone)]
pub(super) struct CompiledRule {
    pub(super) rule: Rule,
    pub(super) reference: RuleRef,
    pub(super) shift: Shift,
}

/// What a violation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Audit,
    Enforce,
}

impl Policy {
    pub(super) fn compile(object: Object<ClusterPolicy>) -> Self {
        let mut rules = Vec::new();
        for (index, rule) in object.body.spec.rules.iter().flatten().enumerate() {
            let reference = object.meta.rule(format!("spec.rules[{index}]"), rule.at);
            rules.push(CompiledRule { rule: rule.value.clone(), reference, shift: Shift::None });
        }
        let generated: Vec<_> = match autogen_controllers(&object) {
            Some(kinds) => rules.iter().flat_map(|rule| for_controllers(rule, &kinds)).collect(),
            None => Vec::new(),
        };
        rules.extend(generated);
        Self { object: Arc::new(object), rules }
    }

    pub(super) fn spec(&self) -> &ClusterPolicySpec {
        &self.object.body.spec
    }

    /// `name`, or `namespace/name` for a Policy.
    pub(super) fn key(&self) -> String {
        match &self.object.meta.object.namespace {
            Some(namespace) => format!("{namespace}/{}", self.object.meta.name()),
            None => self.object.meta.name().to_owned(),
        }
    }

    /// Whether a webhook that fails, and a rule that errors, refuse the request
    /// (Kyverno `api/kyverno/v1/spec_types.go`, `GetFailurePolicy`).
    pub(super) fn fails_closed(&self) -> bool {
        let spec = self.spec();
        let configured = spec.webhook_configuration.as_ref().and_then(|webhook| webhook.failure_policy.as_ref());
        configured.or(spec.failure_policy.as_ref()).is_none_or(|policy| policy.value != "Ignore")
    }

    pub(super) fn applies_one_rule(&self) -> bool {
        self.spec().apply_rules.as_deref() == Some("One")
    }

    /// Whether it acts on admission, on objects of this namespace.
    pub(super) fn reaches(&self, facts: &Facts<'_>) -> bool {
        let in_scope = match &self.object.meta.object.namespace {
            None if self.is_namespaced() => facts.subject.namespace.as_deref() == Some("default"),
            None => true,
            Some(namespace) => facts.subject.namespace.as_deref() == Some(namespace),
        };
        in_scope && self.spec().admission != Some(false)
    }

    fn is_namespaced(&self) -> bool {
        &*self.object.meta.object.kind == "Policy"
    }

    /// Whether the webhook evaluates it before it answers; other policies are evaluated afterwards and only reported
    /// (Kyverno `pkg/policycache/store.go`, `computeEnforcePolicy`).
    fn is_enforced(&self) -> bool {
        let spec = self.spec();
        let overridden = |overrides: &Option<Vec<Located<FailureActionOverride>>>| {
            overrides.iter().flatten().any(|entry| entry.action.as_deref().is_some_and(is_enforce))
        };
        spec.validation_failure_action.as_ref().is_some_and(|action| is_enforce(action))
            || overridden(&spec.validation_failure_action_overrides)
            || spec.rules.iter().flatten().filter_map(|rule| rule.validate.as_ref()).any(|validate| {
                validate.failure_action.as_ref().is_some_and(|action| is_enforce(action))
                    || overridden(&validate.failure_action_overrides)
            })
    }

    /// What a violation of `rule` does.
    ///
    /// Since 1.19 every rule decides for itself; before, the first rule with an action decides for all that are asked with
    /// it (Kyverno `pkg/engine/api/engineresponse.go`).
    pub(super) fn action(&self, rule: &Rule, facts: &Facts<'_>, behaviour: Behaviour) -> Action {
        let spec = self.spec();
        let decided = if behaviour.each_rule_decides {
            rule_action(rule, facts, behaviour)
        } else {
            let asked = spec.rules.iter().flatten().filter(|rule| self.asks_first(rule, facts, behaviour));
            asked.into_iter().find_map(|rule| rule_action(rule, facts, behaviour))
        };
        decided
            .or_else(|| overridden(spec.validation_failure_action_overrides.as_deref(), facts, behaviour))
            .or_else(|| spec.validation_failure_action.as_ref().map(|action| read_action(action)))
            .unwrap_or(Action::Audit)
    }

    /// Whether it has a webhook of its own, for the sake of the conditions (Kyverno `api/kyverno/v1/spec_types.go`,
    /// `CustomWebhookMatchConditions`).
    pub(super) fn has_own_webhook(&self) -> bool {
        let webhook = self.spec().webhook_configuration.as_ref();
        webhook.is_some_and(|webhook| webhook.match_conditions.as_ref().is_some_and(|list| !list.is_empty()))
    }

    /// Whether a rule is asked before the webhook answers. A policy with conditions for its webhook has one of its own, which
    /// asks all rules; the others' asks those that enforce (Kyverno `pkg/webhooks/resource/handlers.go`,
    /// `pkg/policycache/cache.go`, `checkValidationFailureActionOverrides`).
    pub(super) fn asks_first(&self, rule: &Rule, facts: &Facts<'_>, behaviour: Behaviour) -> bool {
        let Some(validate) = &rule.validate else { return rule.verify_images.is_some() && self.is_enforced() };
        if self.has_own_webhook() {
            return true;
        }
        let own = validate.failure_action_overrides.as_deref().filter(|list| !list.is_empty());
        let overrides = own.or(self.spec().validation_failure_action_overrides.as_deref()).unwrap_or_default();
        let chosen = overrides.iter().find(|entry| chooses(entry, facts, behaviour));
        let action = chosen
            .map_or_else(|| self.plain_action(rule), |entry| read_action(entry.action.as_deref().unwrap_or_default()));
        action == Action::Enforce
    }

    /// The action that decides whether violations of old are let through: overrides are not read.
    pub(super) fn plain_action(&self, rule: &Rule) -> Action {
        let own = rule.validate.as_ref().and_then(|validate| validate.failure_action.as_ref());
        own.or(self.spec().validation_failure_action.as_ref()).map_or(Action::Audit, |action| read_action(action))
    }
}

fn is_enforce(action: &str) -> bool {
    action.eq_ignore_ascii_case("enforce")
}

fn read_action(action: &str) -> Action {
    if is_enforce(action) { Action::Enforce } else { Action::Audit }
}

fn rule_action(rule: &Rule, facts: &Facts<'_>, behaviour: Behaviour) -> Option<Action> {
    let validate = rule.validate.as_ref()?;
    overridden(validate.failure_action_overrides.as_deref(), facts, behaviour)
        .or_else(|| validate.failure_action.as_ref().map(|action| read_action(action)))
}

/// Whether an override says whether a rule is asked first: it names the namespace or, since 1.19, selects it or is for all.
fn chooses(entry: &FailureActionOverride, facts: &Facts<'_>, behaviour: Behaviour) -> bool {
    let subject = facts.subject;
    // A Namespace that is only made is none yet.
    let made = subject.is_namespace() && subject.old.is_none() && behaviour.overrides_read_labels;
    let namespace = if made { "" } else { subject.namespace_or_own_name() };
    let patterns = entry.namespaces.as_deref().unwrap_or_default();
    let named = !namespace.is_empty() && patterns.iter().any(|pattern| wildcard::matches(pattern, namespace));
    if named || !behaviour.overrides_read_labels {
        return named;
    }
    match &entry.namespace_selector {
        None => patterns.is_empty(),
        Some(_) if namespace.is_empty() => false,
        Some(selector) if subject.is_namespace() => {
            labelled(selector, &subject.old.as_ref().map(|old| text_map(old, "labels")).unwrap_or_default())
        }
        Some(selector) => labelled(selector, facts.namespace_labels),
    }
}

fn overridden(
    overrides: Option<&[Located<FailureActionOverride>]>,
    facts: &Facts<'_>,
    behaviour: Behaviour,
) -> Option<Action> {
    let labels: &Labels = facts.namespace_labels;
    let namespace = facts.subject.namespace.as_deref().unwrap_or_default();
    overrides.unwrap_or_default().iter().find_map(|entry| {
        let selected = entry.namespace_selector.as_ref().map(|selector| labelled(selector, labels));
        let holds = match &entry.namespaces {
            None => selected.unwrap_or(behaviour.overrides_read_labels),
            Some(names) => names.iter().any(|name| wildcard::matches(name, namespace)) && selected != Some(false),
        };
        entry.action.as_deref().filter(|_| holds).map(read_action)
    })
}

impl CompiledRule {
    /// Name in messages.
    pub(super) fn name(&self) -> String {
        let prefix = match self.shift {
            Shift::None => return self.rule.name.value.clone(),
            Shift::Template => "autogen-",
            Shift::JobTemplate => "autogen-cronjob-",
        };
        format!("{prefix}{}", self.rule.name.value).chars().take(63).collect()
    }

    /// Whether the rule selects the object, as far as it is known.
    pub(super) fn selects(&self, facts: &Facts<'_>) -> Truth {
        super::selection::selected(&self.rule.matches, self.rule.exclude.as_deref(), facts)
    }

    /// Whether a block of `match` names the operation DELETE (Kyverno `pkg/webhooks/utils`, `MatchDeleteOperation`).
    pub(super) fn wants_deletions(&self) -> bool {
        descriptions(&self.rule.matches)
            .any(|resources| resources.operations.iter().flatten().any(|operation| operation == "DELETE"))
    }

    /// Whether the policy itself has it: it was not extended to the controllers of pods.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.shift, Shift::None)
    }

    /// Whether it names operations, which no object has that exists already: such a rule generates nothing for it
    /// (seen on Kyverno 1.14.4).
    pub(super) fn names_operations(&self) -> bool {
        descriptions(&self.rule.matches)
            .any(|resources| resources.operations.as_ref().is_some_and(|operations| !operations.is_empty()))
    }

    /// Whether a block of `match` lets deletions through.
    pub(super) fn sees_deletions(&self) -> bool {
        descriptions(&self.rule.matches).any(|resources| {
            resources
                .operations
                .as_ref()
                .is_none_or(|list| list.is_empty() || list.iter().any(|operation| operation == "DELETE"))
        })
    }

    /// Kinds of its `match`.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &str> {
        descriptions(&self.rule.matches).flat_map(|resources| resources.kinds.iter().flatten()).map(String::as_str)
    }

    /// A pattern or patch over the pod as one over the object.
    pub(super) fn over_object(&self, pattern: &Value) -> Value {
        self.shift
            .path()
            .iter()
            .rev()
            .fold(pattern.clone(), |inner, key| Value::Object(Map::from_iter([((*key).to_owned(), inner)])))
    }
}

/// All resource descriptions of a block.
pub(super) fn descriptions(block: &MatchBlock) -> impl Iterator<Item = &ResourceDescription> {
    let filters = block.any.iter().chain(&block.all).flatten().filter_map(|filter| filter.resources.as_ref());
    block.resources.iter().chain(filters)
}

/// Controllers that the policy is extended to; none if it is not (Kyverno `pkg/autogen/v1`, `CanAutoGen`).
fn autogen_controllers(object: &Object<ClusterPolicy>) -> Option<BTreeSet<String>> {
    let rules = object.body.spec.rules.as_deref().unwrap_or_default();
    let mut needed = false;
    for rule in rules {
        let patches = rule.mutate.as_ref().is_some_and(|mutate| {
            mutate.patches_json6902.is_some()
                || mutate.foreach.iter().flatten().any(|each| each.patches_json6902.is_some())
        });
        if rule.generate.is_some() || patches {
            return None;
        }
        let exclude = rule.exclude.as_deref();
        for resources in descriptions(&rule.matches).chain(exclude.into_iter().flat_map(descriptions)) {
            if !suits_controllers(resources) {
                return None;
            }
            needed |= resources
                .kinds
                .iter()
                .flatten()
                .any(|kind| kind == "Pod" || kind == CRON_JOB || CONTROLLERS.contains(&kind.as_str()));
        }
    }
    if !needed {
        return None;
    }
    let all = || CONTROLLERS.iter().copied().chain([CRON_JOB]).map(str::to_owned).collect();
    match object.meta.annotations.get(AUTOGEN).map(String::as_str) {
        None | Some("all") => Some(all()),
        Some("none") => None,
        Some(list) => Some(list.split(',').map(|kind| kind.trim().to_owned()).collect()),
    }
}

/// Names, labels and annotations are the pod's, not its controller's; Pod beside other kinds is meant as written.
fn suits_controllers(resources: &ResourceDescription) -> bool {
    let kinds = resources.kinds.as_deref().unwrap_or_default();
    resources.name.is_none()
        && resources.names.as_ref().is_none_or(Vec::is_empty)
        && resources.selector.is_none()
        && resources.annotations.is_none()
        && !(kinds.len() > 1 && kinds.iter().any(|kind| names_pod(kind)))
}

fn names_pod(kind: &str) -> bool {
    KindPattern::parse(kind).kind == "Pod"
}

fn for_controllers(rule: &CompiledRule, controllers: &BTreeSet<String>) -> Vec<CompiledRule> {
    let names = |block: &MatchBlock| {
        descriptions(block).any(|resources| resources.kinds.iter().flatten().any(|kind| names_pod(kind)))
    };
    let excludes_other_kinds = rule
        .rule
        .exclude
        .as_deref()
        .is_some_and(|exclude| descriptions(exclude).any(|resources| resources.kinds.is_some()) && !names(exclude));
    if rule.rule.name.starts_with("autogen-")
        || !names(&rule.rule.matches)
        || excludes_other_kinds
        || !is_extended(&rule.rule)
    {
        return Vec::new();
    }
    let plain: Vec<String> = controllers.iter().filter(|kind| CONTROLLERS.contains(&kind.as_str())).cloned().collect();
    let mut rules = Vec::new();
    if !plain.is_empty() {
        rules.push(for_kinds(rule, &plain, Shift::Template));
    }
    if controllers.contains(CRON_JOB) {
        rules.push(for_kinds(rule, &[CRON_JOB.to_owned()], Shift::JobTemplate));
    }
    rules
}

/// Mutations of other objects are not extended.
fn is_extended(rule: &Rule) -> bool {
    rule.mutate.as_ref().is_none_or(|mutate| mutate.patch_strategic_merge.is_some() || mutate.foreach.is_some())
}

fn for_kinds(rule: &CompiledRule, kinds: &[String], shift: Shift) -> CompiledRule {
    let mut extended = CompiledRule { shift, ..rule.clone() };
    let blocks = std::iter::once(&mut extended.rule.matches).chain(extended.rule.exclude.as_mut());
    for block in blocks {
        let filters = block.value.any.iter_mut().chain(&mut block.value.all).flatten();
        for filter in filters {
            retarget(&mut filter.value, kinds, shift);
        }
        if let Some(resources) = &mut block.value.resources {
            retarget_kinds(resources, kinds);
        }
    }
    extended
}

/// What is made for CronJobs is for them by every filter, also by those that name other kinds than Pods
/// (Kyverno `pkg/autogen/v1/rule.go`, `generateCronJobRule`).
fn retarget(filter: &mut ResourceFilter, kinds: &[String], shift: Shift) {
    match shift {
        Shift::JobTemplate => filter.resources.get_or_insert_default().kinds = Some(kinds.to_vec()),
        Shift::None | Shift::Template => {
            if let Some(resources) = &mut filter.resources {
                retarget_kinds(resources, kinds);
            }
        }
    }
}

fn retarget_kinds(resources: &mut ResourceDescription, kinds: &[String]) {
    if resources.kinds.iter().flatten().any(|kind| names_pod(kind)) {
        resources.kinds = Some(kinds.to_vec());
    }
}

/// Reads a value of the policy as one of its own types, at the place of the value.
///
/// # Errors
/// When it is not of that type.
pub(super) fn read_nested<T: serde::de::DeserializeOwned>(value: &Located<Value>) -> Result<T, Fault> {
    let node = airtight_manifest::Node::from_json(&value.value, value.at);
    airtight_manifest::decode::decode(&node)
        .map(|decoded| decoded.value)
        .map_err(|error| Fault::error(error.to_string()))
}
