//! What Kyverno's webhook refuses of conditions, patterns and patches (Kyverno `pkg/validation/policy/validate.go`,
//! `pkg/policy/validate/validate.go`, `pkg/policy/common/validate_pattern.go`, the same in 1.14 and 1.19).

use airtight_manifest::Located;
use airtight_manifest::kyverno::{AnyAll, Mutate, ResourceFilter, Rule, Validate};
use serde_json::Value;

use super::anchor::{self, Anchor};
use super::policy::descriptions;

/// A code and a sentence.
pub(super) type Refused = (&'static str, String);

const OPERATORS: &[&str] = &[
    "Equal",
    "Equals",
    "NotEqual",
    "NotEquals",
    "In",
    "AnyIn",
    "AllIn",
    "NotIn",
    "AnyNotIn",
    "AllNotIn",
    "GreaterThanOrEquals",
    "GreaterThan",
    "LessThanOrEquals",
    "LessThan",
    "DurationGreaterThanOrEquals",
    "DurationGreaterThan",
    "DurationLessThanOrEquals",
    "DurationLessThan",
];
const OPERATIONS: &[&str] = &["CREATE", "UPDATE", "DELETE", "CONNECT"];

/// All that is refused of a rule for what stands in it.
pub(super) fn faults(rule: &Rule) -> Vec<Refused> {
    let mut found = Vec::new();
    found.extend(rule.preconditions.as_ref().and_then(|written| conditions(written)));
    if let Some(validate) = &rule.validate {
        let deny = validate.deny.as_ref().and_then(|deny| deny.conditions.as_ref());
        found.extend(deny.and_then(|written| conditions(written)));
        let loops = validate.foreach.iter().flatten();
        found.extend(loops.filter_map(|each| each.preconditions.as_ref()).find_map(operators));
        found.extend(elements(validate));
        found.extend(patterns(validate).into_iter().find_map(anchors));
    }
    let loops = rule.mutate.iter().flat_map(|mutate| mutate.foreach.iter().flatten());
    found.extend(loops.filter_map(|each| each.preconditions.as_ref()).find_map(operators));
    if names_all_kinds(rule) && !is_about_metadata(rule) {
        let message =
            "policy can only deal with the metadata field of the resource if the rule does not match any kind";
        found.push(("wildcard-and-fields", message.to_owned()));
    }
    if excludes_the_same(rule) {
        found.push(("empty-set", "the rule is matching an empty set".to_owned()));
    }
    if has_other_labels(rule) {
        let message = "labels and annotations supports only string values";
        found.push(("label-no-text", message.to_owned()));
    }
    found
}

/// Whether `exclude.any` has a filter of `match.any` (Kyverno `api/kyverno/v1/rule_types.go`,
/// `ValidateMatchExcludeConflict`; the older forms without `any` are not looked at).
fn excludes_the_same(rule: &Rule) -> bool {
    // The place of a name is no part of it.
    let bare = |filter: &Located<ResourceFilter>| {
        let mut filter = filter.value.clone();
        let name = filter.resources.as_mut().and_then(|resources| resources.name.take());
        (filter, name.map(|name| name.value))
    };
    let excluded: Vec<_> = rule.exclude.iter().flat_map(|block| block.any.iter().flatten()).map(bare).collect();
    rule.matches.any.iter().flatten().any(|filter| excluded.contains(&bare(filter)))
}

/// Conditions as a rule writes them: `any` and `all`, or the older list.
fn conditions(written: &Value) -> Option<Refused> {
    let lists = match written {
        Value::Object(map) => [map.get("any"), map.get("all")],
        other => [Some(other), None],
    };
    lists.into_iter().flatten().filter_map(Value::as_array).flatten().find_map(condition)
}

fn condition(written: &Value) -> Option<Refused> {
    let fault = |message: String| Some(("invalid-condition", message));
    let operator = written["operator"].as_str().unwrap_or_default();
    if written["key"].is_null() || written["value"].is_null() || operator.is_empty() {
        return fault("entered value of `key`, `value` or `operator` is missing or misspelled".to_owned());
    }
    if !OPERATORS.contains(&operator) {
        return fault(format!("entered value of `operator` is invalid: {operator}"));
    }
    let key = written["key"].as_str().unwrap_or_default().replace(' ', "");
    if key == "{{request.operation}}" && !names_operations(&written["value"]) {
        return fault(format!("unknown value {} of request.operation", written["value"]));
    }
    None
}

/// Whether a value is one that `request.operation` may be compared with.
fn names_operations(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            OPERATIONS.contains(&text.as_str()) || text.len() >= 4 && text.starts_with("{{") && text.ends_with("}}")
        }
        Value::Array(items) => items.iter().all(|item| item.as_str().is_some_and(|text| OPERATIONS.contains(&text))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn operators(written: &AnyAll) -> Option<Refused> {
    let all = written.any.iter().chain(&written.all).flatten();
    let mut operators = all.map(|condition| condition.operator.as_deref().unwrap_or_default());
    let wrong = operators.find(|operator| !OPERATORS.contains(operator))?;
    Some(("invalid-condition", format!("entered value of `operator` is invalid: {wrong}")))
}

/// One way of validating in a rule, and in a loop.
fn elements(validate: &Validate) -> Option<Refused> {
    let ways = [
        validate.pattern.is_some(),
        validate.any_pattern.is_some(),
        validate.deny.is_some(),
        validate.foreach.is_some(),
        validate.pod_security.is_some(),
        validate.cel.is_some(),
        validate.manifests.is_some(),
    ];
    let fault = |message: &str| Some(("no-single-check", message.to_owned()));
    match ways.iter().filter(|there| **there).count() {
        1 => {}
        // An assertion, before 1.19, is a way as well.
        0 if validate.assert.is_some() => {}
        0 => return fault("one of pattern, anyPattern, deny, foreach, cel must be specified"),
        _ => return fault("only one of pattern, anyPattern, deny, foreach, cel can be specified"),
    }
    for each in validate.foreach.iter().flatten() {
        if each.list.as_ref().is_none_or(String::is_empty) {
            return fault("foreach.list is required");
        }
        let nested = each.foreach.as_ref().and_then(|inner| inner.as_array()).is_some_and(|inner| !inner.is_empty());
        let ways = [each.pattern.is_some(), each.any_pattern.is_some(), each.deny.is_some(), nested];
        if ways.iter().filter(|there| **there).count() != 1 {
            return fault("one of pattern, anyPattern, deny, or a nested foreach must be specified");
        }
    }
    None
}

/// The patterns of a rule, those of loops aside.
fn patterns(validate: &Validate) -> Vec<&Value> {
    let any = validate.any_pattern.iter().filter_map(|any| any.as_array()).flatten();
    validate.pattern.iter().map(|pattern| &pattern.value).chain(any).collect()
}

/// An add anchor in a pattern, or an existence anchor without a list.
fn anchors(pattern: &Value) -> Option<Refused> {
    match pattern {
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            let fault = |message: String| Some(("invalid-anchor", message));
            match anchor::parse(key) {
                Some((Anchor::AddIfAbsent, _)) => fault(format!("unsupported anchor {key}")),
                Some((Anchor::Existence, _)) if value.as_array().is_none_or(Vec::is_empty) => {
                    fault(format!("the existence anchor {key} should have a list with at least one value"))
                }
                Some(_) | None => anchors(value),
            }
        }),
        Value::Array(items) => items.iter().find_map(anchors),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn names_all_kinds(rule: &Rule) -> bool {
    std::iter::once(&rule.matches)
        .chain(&rule.exclude)
        .flat_map(|block| descriptions(block))
        .any(|resources| resources.kinds.iter().flatten().any(|kind| kind == "*"))
}

/// Whether patterns and patches look at `metadata` alone.
fn is_about_metadata(rule: &Rule) -> bool {
    let only = |value: &Value| value.as_object().is_none_or(|map| map.keys().all(|key| key == "metadata"));
    if let Some(mutate) = &rule.mutate {
        return mutate.patch_strategic_merge.as_ref().is_none_or(|overlay| only(overlay)) && patches_metadata(mutate);
    }
    rule.validate.as_ref().is_none_or(|validate| patterns(validate).into_iter().all(only))
}

/// JSON patches that are written in JSON; others are not looked at.
fn patches_metadata(mutate: &Mutate) -> bool {
    let written = mutate.patches_json6902.as_deref().map(String::as_str).unwrap_or_default();
    let operations: Vec<Value> = serde_json::from_str(written).unwrap_or_default();
    operations.iter().all(|operation| operation["path"].as_str().unwrap_or_default().starts_with("/metadata"))
}

/// Whether a pattern or a patch has a label or an annotation that is no text. Where there are both `metadata` and `spec`,
/// Go's map order decides which of them is looked at: refused for certain is what is so in both.
fn has_other_labels(rule: &Rule) -> bool {
    let of_loops = |values: Vec<Option<&Value>>| {
        values.into_iter().flatten().find(|value| value.is_object()).is_some_and(labels_other)
    };
    let validates = rule.validate.as_ref().is_some_and(|validate| match &validate.foreach {
        Some(loops) => of_loops(loops.iter().map(|each| each.pattern.as_ref().map(|it| &it.value)).collect()),
        None => patterns(validate).into_iter().any(labels_other),
    });
    let mutates = rule.mutate.as_ref().is_some_and(|mutate| match &mutate.foreach {
        Some(loops) => {
            of_loops(loops.iter().map(|each| each.patch_strategic_merge.as_ref().map(|it| &it.value)).collect())
        }
        None => mutate.patch_strategic_merge.as_ref().is_some_and(|overlay| labels_other(overlay)),
    });
    validates || mutates
}

fn labels_other(pattern: &Value) -> bool {
    let metadata = pattern.get("metadata").filter(|metadata| metadata.is_object());
    let spec = pattern.get("spec").map(|spec| &spec["template"]["metadata"]);
    let looked_at: Vec<&Value> = metadata.into_iter().chain(spec).collect();
    !looked_at.is_empty() && looked_at.into_iter().all(holds_other)
}

fn holds_other(metadata: &Value) -> bool {
    let maps = ["labels", "annotations"].map(|key| metadata.get(key).and_then(Value::as_object));
    maps.into_iter().flatten().any(|map| map.values().any(|value| !value.is_string()))
}
