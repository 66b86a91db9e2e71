//! PolicyExceptions of `kyverno.io` (Kyverno `pkg/engine/utils/exceptions.go`).

use airtight_manifest::Object;
use airtight_manifest::kyverno::PolicyException;

use super::condition::Conditions;
use super::context::Context;
use super::fault::Fault;
use super::policy::{CompiledRule, Policy};
use super::scope::KyvernoOptions;
use super::selection::{Facts, Truth, excepted};
use super::version::Behaviour;
use super::wildcard;

/// Exceptions that count.
#[derive(Debug, Clone, Default)]
pub(super) struct Exceptions {
    objects: Vec<Object<PolicyException>>,
}

impl Exceptions {
    /// Those in the namespace where they are allowed; none where they are off.
    pub(super) fn new(objects: &[Object<PolicyException>], options: &KyvernoOptions) -> Self {
        let counted = objects.iter().filter(|object| options.accepts_exception(&object.meta));
        Self { objects: counted.cloned().collect() }
    }

    /// Whether an exception lifts a rule for an object.
    pub(super) fn lift(
        &self,
        policy: &Policy,
        rule: &CompiledRule,
        facts: &Facts<'_>,
        context: &Context,
        behaviour: Behaviour,
    ) -> Truth {
        let (key, name) = (policy.key(), rule.name());
        let named = self.objects.iter().filter(|object| names(object, &key, &name));
        let all: Vec<Option<Truth>> =
            named.map(|object| holds(object, facts, context, behaviour.strict_inequality)).collect();
        if behaviour.broken_exceptions_spoil_others && all.contains(&None) {
            return Truth::No;
        }
        all.into_iter().flatten().max().unwrap_or(Truth::No)
    }
}

fn names(object: &Object<PolicyException>, policy: &str, rule: &str) -> bool {
    object.body.spec.exceptions.iter().any(|entry| {
        entry.policy_name == policy && entry.rule_names.iter().any(|pattern| wildcard::matches(pattern, rule))
    })
}

/// Whether an exception lifts a rule; none if its conditions cannot be evaluated.
fn holds(object: &Object<PolicyException>, facts: &Facts<'_>, context: &Context, strict: bool) -> Option<Truth> {
    let spec = &object.body.spec;
    let selected = excepted(&spec.matches, facts);
    if selected == Truth::No {
        return Some(Truth::No);
    }
    let conditions = spec.conditions.as_ref().map(|conditions| Conditions::from(conditions).hold(context, strict));
    let met = match conditions {
        None | Some(Ok((true, _))) => Truth::Yes,
        Some(Ok((false, _))) => Truth::No,
        Some(Err(Fault::Error(_) | Fault::NotFound(_))) => return None,
        Some(Err(Fault::Unknown(_))) => Truth::Unknown,
    };
    // Exceptions for single Pod Security controls lift parts of rules that are not modelled anyway.
    let whole = if spec.pod_security.is_some() { Truth::Unknown } else { Truth::Yes };
    Some(selected.min(met).min(whole))
}
