//! Policies that Kyverno's own webhook refuses, and policies that do not mean what they seem to
//! (Kyverno `pkg/validation/policy/validate.go`, `api/kyverno/v1/*_types.go`, `pkg/policy/generate/validate.go`).

use std::collections::BTreeSet;

use airtight_manifest::kyverno::{
    CloneFrom, CloneList, ClusterPolicySpec, Generate, GeneratingPolicy, MatchBlock, MutatingPolicy, Rule,
    ValidatingPolicy,
};
use airtight_manifest::{Diagnostic, Located, Meta, Object, RuleRef, Severity};

use super::fault::Fault;
use super::kind;
use super::policy::{Policy, descriptions};
use super::rbac::Permissions;
use super::version::Behaviour;

/// Findings about a ClusterPolicy or Policy; an error means that it is refused.
pub(super) fn cluster_policy(policy: &Policy, permissions: &Permissions, behaviour: Behaviour) -> Vec<Diagnostic> {
    let meta = &policy.object.meta;
    let spec = policy.spec();
    let mut findings = Vec::new();
    if behaviour.cluster_policies_deprecated {
        let text = format!("{} is deprecated and planned for removal in Kyverno 1.20", meta.object.kind);
        findings.push(
            Diagnostic::warning("deprecated-kind", text)
                .at(meta.at.clone())
                .hint("write a ValidatingPolicy, MutatingPolicy or GeneratingPolicy of policies.kyverno.io"),
        );
    }
    deprecated_fields(spec, meta, &mut findings);
    let mut names = BTreeSet::new();
    for (index, rule) in spec.rules.iter().flatten().enumerate() {
        let reference = meta.rule(format!("spec.rules[{index}]"), rule.at);
        if !names.insert(rule.name.value.as_str()) {
            findings.push(refused("duplicate-rule", format!("duplicate rule name `{}`", rule.name.value), &reference));
        }
        check_rule(policy, rule, &reference, behaviour, &mut findings);
        if let Some(generate) = &rule.generate {
            check_generate(policy, generate, &reference, permissions, &mut findings);
        }
    }
    if spec.admission == Some(false) && spec.background.as_ref().is_some_and(|background| !background.value) {
        findings.push(
            Diagnostic::error("never-evaluated", "disabling both admission and background processing is not allowed")
                .at(meta.at.clone()),
        );
    }
    findings
}

fn refused(code: &str, message: impl Into<String>, at: &RuleRef) -> Diagnostic {
    Diagnostic::error(code, message).at(at.at.clone())
}

fn deprecated_fields(spec: &ClusterPolicySpec, meta: &Meta, findings: &mut Vec<Diagnostic>) {
    let place = |at| meta.rule("spec", at).at;
    let forbidden = |field: &str, instead: &str, at| {
        Diagnostic::error("forbidden-field", format!("`spec.{field}` is refused by Kyverno"))
            .at(place(at))
            .hint(format!("use {instead}"))
    };
    if let Some(field) = &spec.generate_existing_on_policy_update {
        findings.push(forbidden("generateExistingOnPolicyUpdate", "the rule's `generate.generateExisting`", field.at));
    }
    let twice = spec.webhook_configuration.as_ref();
    if let Some(field) =
        spec.webhook_timeout_seconds.as_ref().filter(|_| twice.is_some_and(|w| w.timeout_seconds.is_some()))
    {
        findings.push(forbidden("webhookTimeoutSeconds", "`spec.webhookConfiguration.timeoutSeconds` alone", field.at));
    }
    if let Some(field) = spec.failure_policy.as_ref().filter(|_| twice.is_some_and(|w| w.failure_policy.is_some())) {
        findings.push(forbidden("failurePolicy", "`spec.webhookConfiguration.failurePolicy` alone", field.at));
    }
    let deprecated = |field: &str, instead: &str, at| {
        Diagnostic::warning("deprecated-field", format!("`spec.{field}` is deprecated"))
            .at(place(at))
            .hint(format!("use {instead}"))
    };
    if let Some(field) = &spec.validation_failure_action {
        findings.push(deprecated("validationFailureAction", "the rule's `validate.failureAction`", field.at));
    }
    if let Some(field) = &spec.generate_existing {
        findings.push(deprecated("generateExisting", "the rule's `generate.generateExisting`", field.at));
    }
    for field in spec.validation_failure_action_overrides.iter().flatten().take(1) {
        findings.push(deprecated(
            "validationFailureActionOverrides",
            "the rule's `validate.failureActionOverrides`",
            field.at,
        ));
    }
}

fn check_rule(policy: &Policy, rule: &Rule, at: &RuleRef, behaviour: Behaviour, findings: &mut Vec<Diagnostic>) {
    let operations =
        [rule.validate.is_some(), rule.mutate.is_some(), rule.generate.is_some(), rule.verify_images.is_some()];
    match operations.iter().filter(|there| **there).count() {
        1 => {}
        0 => {
            findings.push(refused("empty-rule", format!("no operation defined in the rule `{}`", rule.name.value), at));
        }
        _ => findings.push(refused(
            "mixed-rule",
            format!("multiple operations defined in the rule `{}`", rule.name.value),
            at,
        )),
    }
    check_match(policy, &rule.matches, "match", at, findings);
    if let Some(exclude) = &rule.exclude {
        check_match(policy, exclude, "exclude", at, findings);
    }
    let asks_for_user = std::iter::once(&rule.matches).chain(&rule.exclude).any(|block| reads_user(block));
    if asks_for_user && policy.spec().background.as_ref().is_none_or(|background| background.value) {
        findings.push(
            refused("user-in-background", "a rule on roles or subjects cannot be evaluated in background scans", at)
                .hint("set `spec.background: false`"),
        );
    }
    let Some(validate) = &rule.validate else { return };
    if validate.assert.is_some() && !behaviour.assertions_act {
        findings.push(
            Diagnostic::warning("no-effect", "`validate.assert` is silently without effect since Kyverno 1.19")
                .at(at.at.clone())
                .hint("write a pattern, `deny` conditions or a ValidatingPolicy"),
        );
    }
    if validate.failure_action.is_none() && policy.spec().validation_failure_action.is_none() {
        findings.push(
            Diagnostic::warning(
                "audit-by-default",
                format!("the rule `{}` only reports: its failure action is Audit", rule.name.value),
            )
            .at(at.at.clone())
            .hint("write `failureAction: Enforce` if it shall refuse"),
        );
    }
}

fn reads_user(block: &MatchBlock) -> bool {
    let filters = block.any.iter().chain(&block.all).flatten();
    let asked = |roles: &Option<Vec<String>>, cluster_roles: &Option<Vec<String>>, subjects: bool| {
        roles.as_ref().is_some_and(|roles| !roles.is_empty())
            || cluster_roles.as_ref().is_some_and(|roles| !roles.is_empty())
            || subjects
    };
    asked(&block.roles, &block.cluster_roles, block.subjects.as_ref().is_some_and(|subjects| !subjects.is_empty()))
        || filters.into_iter().any(|filter| {
            asked(
                &filter.roles,
                &filter.cluster_roles,
                filter.subjects.as_ref().is_some_and(|subjects| !subjects.is_empty()),
            )
        })
}

fn check_match(policy: &Policy, block: &Located<MatchBlock>, name: &str, at: &RuleRef, findings: &mut Vec<Diagnostic>) {
    let direct =
        block.resources.is_some() || block.roles.is_some() || block.cluster_roles.is_some() || block.subjects.is_some();
    let listed = block.any.is_some() || block.all.is_some();
    if block.any.is_some() && block.all.is_some() {
        findings.push(refused("any-and-all", format!("`{name}` has both `any` and `all`"), at));
    }
    if direct && listed {
        findings.push(refused("any-and-direct", format!("`{name}` has `any` or `all` beside the older form"), at));
    }
    if direct && !listed {
        findings.push(
            Diagnostic::warning("deprecated-form", format!("`{name}` without `any` or `all` is deprecated"))
                .at(at.at.clone())
                .hint(format!("write `{name}: {{any: [{{resources: …}}]}}`")),
        );
    }
    for resources in descriptions(block) {
        if resources.kinds.as_ref().is_none_or(Vec::is_empty) && name == "match" {
            findings.push(refused("no-kind", "`match.resources` names no kind", at));
        }
        if resources.name.is_some() && resources.names.as_ref().is_some_and(|names| !names.is_empty()) {
            findings.push(refused("name-and-names", "both `name` and `names` are given", at));
        }
        if resources.namespaces.as_ref().is_some_and(|namespaces| !namespaces.is_empty())
            && policy.object.meta.object.namespace.is_some()
        {
            findings.push(refused("namespaces-in-policy", "a Policy cannot filter namespaces", at));
        }
    }
}

/// One target to check, of the rule itself or of a loop.
struct CheckedTarget<'a> {
    api_version: Option<&'a str>,
    kind: Option<&'a str>,
    name: Option<&'a str>,
    namespace: Option<&'a str>,
    clone_list: Option<&'a CloneList>,
}

fn check_generate(
    policy: &Policy,
    generate: &Generate,
    at: &RuleRef,
    permissions: &Permissions,
    findings: &mut Vec<Diagnostic>,
) {
    let clones =
        |clone: &Option<Located<CloneFrom>>| clone.as_ref().is_some_and(|from| from.value != CloneFrom::default());
    let given = [
        generate.data.is_some(),
        clones(&generate.clone),
        generate.clone_list.as_ref().is_some_and(|list| list.kinds.is_some()),
        generate.foreach.is_some(),
    ];
    if given.iter().filter(|there| **there).count() > 1 {
        findings.push(refused(
            "several-sources",
            "only one of data, clone, cloneList and foreach can be specified",
            at,
        ));
        return;
    }
    let text = |written: &Option<Located<String>>| written.as_ref().map(|written| written.value.clone());
    let targets: Vec<_> = match &generate.foreach {
        Some(loops) => loops
            .iter()
            .map(|each| {
                (
                    text(&each.api_version),
                    text(&each.kind),
                    text(&each.name),
                    text(&each.namespace),
                    each.clone_list.as_deref(),
                )
            })
            .collect(),
        None => vec![(
            text(&generate.api_version),
            text(&generate.kind),
            text(&generate.name),
            text(&generate.namespace),
            generate.clone_list.as_deref(),
        )],
    };
    for (api_version, kind, name, namespace, clone_list) in &targets {
        let target = CheckedTarget {
            api_version: api_version.as_deref(),
            kind: kind.as_deref(),
            name: name.as_deref(),
            namespace: namespace.as_deref(),
            clone_list: clone_list.filter(|list| list.kinds.as_ref().is_some_and(|kinds| !kinds.is_empty())),
        };
        check_target(policy, &target, at, findings);
        check_permissions(&target, generate.synchronize == Some(true), at, permissions, findings);
    }
}

fn check_target(policy: &Policy, target: &CheckedTarget<'_>, at: &RuleRef, findings: &mut Vec<Diagnostic>) {
    if target.clone_list.is_none() {
        for (field, value) in [("kind", target.kind), ("name", target.name), ("apiVersion", target.api_version)] {
            if value.is_none_or(str::is_empty) {
                findings.push(refused("incomplete-target", format!("`generate.{field}` can not be empty"), at));
            }
        }
    }
    let Some(kind) = target.kind.filter(|kind| !kind.contains("{{")) else { return };
    let (group, _) = kind::group_version(target.api_version.unwrap_or_default());
    let namespaced = kind::is_namespaced(group, kind);
    match (namespaced, target.namespace.filter(|namespace| !namespace.is_empty())) {
        (true, None) => findings.push(
            refused("no-target-namespace", "`generate.namespace` must be set for a namespaced resource", at)
                .hint("for a trigger Namespace write `namespace: '{{request.object.metadata.name}}'`"),
        ),
        (false, Some(_)) => {
            findings.push(refused(
                "target-namespace",
                "`generate.namespace` must not be set for a cluster-wide resource",
                at,
            ));
        }
        (true, Some(namespace)) => {
            if let Some(own) = policy.object.meta.object.namespace.as_deref()
                && namespace != own
            {
                findings.push(refused("foreign-namespace", "a Policy generates into its own namespace only", at));
            }
        }
        (false, None) => {}
    }
}

fn check_permissions(
    target: &CheckedTarget<'_>,
    synchronize: bool,
    at: &RuleRef,
    permissions: &Permissions,
    findings: &mut Vec<Diagnostic>,
) {
    if target.clone_list.is_none() && target.api_version.is_none_or(str::is_empty) {
        return;
    }
    let verbs: &[&str] = if synchronize { &["get", "create", "update", "delete"] } else { &["get", "create"] };
    let kinds: Vec<(String, String)> = match target.clone_list {
        Some(list) => list
            .kinds
            .iter()
            .flatten()
            .map(|kind| kind::KindPattern::parse(kind))
            .map(|pattern| (pattern.group.replace('*', ""), pattern.kind.to_owned()))
            .collect(),
        None => vec![(
            kind::group_version(target.api_version.unwrap_or_default()).0.to_owned(),
            target.kind.unwrap_or_default().to_owned(),
        )],
    };
    for (group, kind) in
        kinds.iter().filter(|(group, kind)| !kind.is_empty() && !kind.contains("{{") && !group.contains("{{"))
    {
        let lacking = permissions.lacking(group, kind, verbs);
        if !lacking.is_empty() {
            let resource = kind::plural(kind);
            let message = format!(
                "the background controller requires permissions {} for {resource} of group `{group}`",
                lacking.join(", ")
            );
            findings.push(refused("missing-permission", message, at).hint(
                "add a ClusterRole labelled `rbac.kyverno.io/aggregate-to-background-controller: \"true\"` with get, list, watch, create, update, patch, delete",
            ));
        }
    }
}

/// Findings about a ValidatingPolicy.
pub(super) fn validating_policy(object: &Object<ValidatingPolicy>, behaviour: Behaviour) -> Vec<Diagnostic> {
    let spec = &object.body.spec;
    let whole = object.meta.whole();
    let mut findings = Vec::new();
    if let Some(actions) = &spec.validation_actions {
        let has = |name: &str| actions.iter().any(|action| action == name);
        let at = object.meta.rule("spec.validationActions", actions.at);
        if has("Deny") && has("Warn") {
            findings.push(refused("deny-and-warn", "`validationActions` cannot hold both Deny and Warn", &at));
        }
        if !actions.is_empty() && !has("Deny") {
            findings.push(
                Diagnostic::warning("audit-by-choice", "this policy only reports: its actions lack Deny")
                    .at(at.at.clone()),
            );
        }
    }
    let expressions = spec.validations.iter().flatten().map(|validation| validation.expression.as_str());
    let conditions = spec.match_conditions.iter().flatten().map(|condition| condition.expression.as_str());
    let variables = spec.variables.iter().flatten().map(|variable| variable.expression.as_str());
    parses(expressions.chain(conditions).chain(variables), &whole, &mut findings);
    if behaviour.derives_admission_policies
        && spec
            .autogen
            .as_ref()
            .and_then(|autogen| autogen.validating_admission_policy)
            .and_then(|target| target.enabled)
            != Some(false)
    {
        findings.push(Diagnostic::new(
            Severity::Note,
            "derived-admission-policy",
            "since Kyverno 1.19 a ValidatingAdmissionPolicy may be derived from this policy: the API server then enforces it itself, with another message and also while Kyverno is down",
        ).at(object.meta.at.clone()));
    }
    findings
}

/// Findings about a MutatingPolicy.
pub(super) fn mutating_policy(object: &Object<MutatingPolicy>) -> Vec<Diagnostic> {
    let spec = &object.body.spec;
    let mut findings = Vec::new();
    let patches = spec
        .mutations
        .iter()
        .flatten()
        .flat_map(|mutation| mutation.apply_configuration.iter().chain(&mutation.json_patch));
    let expressions = patches.filter_map(|patch| patch.expression.as_deref());
    let conditions = spec.match_conditions.iter().flatten().map(|condition| condition.expression.as_str());
    let variables = spec.variables.iter().flatten().map(|variable| variable.expression.as_str());
    parses(expressions.chain(conditions).chain(variables), &object.meta.whole(), &mut findings);
    findings
}

/// Findings about a GeneratingPolicy.
///
/// What the expressions make is known on a request only, so permissions are not judged.
pub(super) fn generating_policy(object: &Object<GeneratingPolicy>, behaviour: Behaviour) -> Vec<Diagnostic> {
    let spec = &object.body.spec;
    let mut findings = Vec::new();
    for (index, entry) in spec.generate.iter().enumerate() {
        let at = object.meta.rule(format!("spec.generate[{index}]"), entry.at);
        if entry.template.is_some() && !behaviour.generate_templates {
            findings.push(refused("unserved-field", "`generate[].template` exists since Kyverno 1.19", &at));
        }
        if entry.template.is_none() && entry.expression.as_deref().is_none_or(str::is_empty) {
            findings.push(refused("empty-rule", "an entry of `generate` has neither expression nor template", &at));
        }
    }
    let expressions = spec.generate.iter().filter_map(|entry| entry.expression.as_deref());
    let conditions = spec.match_conditions.iter().flatten().map(|condition| condition.expression.as_str());
    let variables = spec.variables.iter().flatten().map(|variable| variable.expression.as_str());
    parses(expressions.chain(conditions).chain(variables), &object.meta.whole(), &mut findings);
    findings
}

fn parses<'e>(expressions: impl Iterator<Item = &'e str>, at: &RuleRef, findings: &mut Vec<Diagnostic>) {
    for expression in expressions {
        if let Err(Fault::Error(message)) = super::cel::parse(expression) {
            findings.push(refused("invalid-expression", message, at));
        }
    }
}
