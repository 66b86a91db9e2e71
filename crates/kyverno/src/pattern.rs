//! Patterns over objects, with anchors (Kyverno `pkg/engine/validate/validate.go`, `pkg/engine/anchor/handlers.go`).

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::anchor::{self, Anchor};
use super::{scalar, wildcard};

/// Why an object does not match a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// A conditional or global anchor does not hold: the rule does not apply.
    ///
    /// `direct` tells the anchor's own report from the sum of reports that a mapping or list made of it.
    Skip { message: String, direct: bool },
    /// The object violates the pattern at a path.
    Fail { message: String, path: String },
}

impl Mismatch {
    fn fail(path: &str, message: impl Into<String>) -> Self {
        Self::Fail { message: message.into(), path: path.to_owned() }
    }

    /// The sentence.
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Skip { message, .. } | Self::Fail { message, .. } => message,
        }
    }
}

/// Anchored keys that were met, and whether the object has them.
type Seen = RefCell<BTreeMap<String, bool>>;

/// Matches an object against a pattern.
///
/// A violation where the object lacks the key of some anchor has an empty path: Kyverno then reports an
/// error of the rule, which blocks by the failure policy instead of the failure action.
///
/// # Errors
/// Why it does not match: the rule is skipped, or violated.
pub(super) fn check(resource: &Value, pattern: &Value) -> Result<(), Mismatch> {
    let seen = Seen::default();
    element(resource, pattern, "/", &seen).map_err(|mismatch| match mismatch {
        Mismatch::Fail { message, .. } if !message.contains(NEGATION) && keys_are_missing(&seen) => {
            Mismatch::Fail { message, path: String::new() }
        }
        other => other,
    })
}

const NEGATION: &str = "negation anchor matched in resource";

fn keys_are_missing(seen: &Seen) -> bool {
    seen.borrow().iter().any(|(key, found)| !found && !matches!(anchor::parse(key), Some((Anchor::Negation, _))))
}

fn note_anchors(resource: &Map<String, Value>, pattern: &Map<String, Value>, seen: &Seen) {
    for key in pattern.keys() {
        if let Some((Anchor::Condition | Anchor::Existence | Anchor::Negation, bare)) = anchor::parse(key) {
            *seen.borrow_mut().entry(key.clone()).or_default() |= resource.contains_key(bare);
        }
    }
}

fn element(resource: &Value, pattern: &Value, path: &str, seen: &Seen) -> Result<(), Mismatch> {
    match (pattern, resource) {
        (Value::Object(pattern), Value::Object(resource)) => {
            note_anchors(resource, pattern, seen);
            mapping(resource, pattern, path, seen)
        }
        (Value::Array(pattern), Value::Array(resource)) => list(resource, pattern, path, seen),
        (Value::Object(_) | Value::Array(_), _) => {
            Err(Mismatch::fail(path, format!("resource does not satisfy the expected overlay pattern at path {path}")))
        }
        (_, Value::Array(items)) => {
            // An empty list satisfies every scalar: upstream loops over the elements.
            if items.iter().all(|item| scalar::matches(item, pattern)) {
                Ok(())
            } else {
                Err(unlike(resource, pattern, path))
            }
        }
        _ if scalar::matches(resource, pattern) => Ok(()),
        _ => Err(unlike(resource, pattern, path)),
    }
}

fn unlike(resource: &Value, pattern: &Value, path: &str) -> Mismatch {
    Mismatch::fail(path, format!("resource value '{resource}' does not match '{pattern}' at path {path}"))
}

fn mapping(
    resource: &Map<String, Value>,
    pattern: &Map<String, Value>,
    path: &str,
    seen: &Seen,
) -> Result<(), Mismatch> {
    let pattern = expand_metadata(pattern, resource);
    let (mut anchors, plain): (Vec<_>, Vec<_>) = pattern.iter().partition(|(key, _)| is_evaluated_first(key));
    anchors.sort_by_key(|(key, _)| *key);
    let mut skips: Vec<Mismatch> = Vec::new();
    let mut applied = 0;
    for (key, value) in anchors {
        match entry(resource, key, value, path, seen) {
            Ok(()) => applied += 1,
            Err(skip @ Mismatch::Skip { .. }) => skips.push(skip),
            Err(fail @ Mismatch::Fail { .. }) => {
                if !any_direct(&skips) {
                    return Err(fail);
                }
            }
        }
    }
    if !skips.is_empty() && (applied == 0 || any_direct(&skips)) {
        return Err(sum(&skips));
    }
    for (key, value) in in_order(plain) {
        entry(resource, key, value, path, seen)?;
    }
    Ok(())
}

/// Global anchors are left to the second phase, where they stand first.
fn is_evaluated_first(key: &str) -> bool {
    matches!(anchor::parse(key), Some((Anchor::Condition | Anchor::Existence | Anchor::Equality | Anchor::Negation, _)))
}

fn any_direct(skips: &[Mismatch]) -> bool {
    skips.iter().any(|skip| matches!(skip, Mismatch::Skip { direct: true, .. }))
}

fn sum(skips: &[Mismatch]) -> Mismatch {
    let message = skips.iter().map(Mismatch::message).collect::<Vec<_>>().join("; ");
    Mismatch::Skip { message, direct: false }
}

/// Keys whose values hold anchors first, as they may skip the rule before another key fails it.
fn in_order<'p>(mut plain: Vec<(&'p String, &'p Value)>) -> Vec<(&'p String, &'p Value)> {
    plain.sort_by_key(|(key, _)| *key);
    let (mut first, rest): (Vec<_>, Vec<_>) = plain
        .into_iter()
        .partition(|(key, value)| matches!(anchor::parse(key), Some((Anchor::Global, _))) || has_anchors(value));
    first.reverse();
    first.extend(rest);
    first
}

fn has_anchors(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| {
            matches!(anchor::parse(key), Some((kind, _)) if kind != Anchor::AddIfAbsent) || has_anchors(value)
        }),
        Value::Array(items) => items.iter().any(has_anchors),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn entry(resource: &Map<String, Value>, key: &str, pattern: &Value, path: &str, seen: &Seen) -> Result<(), Mismatch> {
    let Some((anchor, bare)) = anchor::parse(key) else { return plain_entry(resource, key, pattern, path, seen) };
    let below = format!("{path}{bare}/");
    let value = resource.get(bare);
    let skip = |name: &str, message: &str| Mismatch::Skip {
        message: format!("{name} anchor mismatch: {message}"),
        direct: true,
    };
    match (anchor, value) {
        (Anchor::Condition, Some(value)) => {
            element(value, pattern, &below, seen).map_err(|error| skip("conditional", error.message()))
        }
        (Anchor::Condition, None) => Err(skip("conditional", "conditional anchor key doesn't exist in the resource")),
        (Anchor::Global, Some(value)) => {
            element(value, pattern, &below, seen).map_err(|error| skip("global", error.message()))
        }
        (Anchor::Equality, Some(value)) => element(value, pattern, &below, seen),
        (Anchor::Negation, Some(_)) => Err(Mismatch::fail(&below, format!("{NEGATION}: {below} is not allowed"))),
        (Anchor::Existence, Some(value)) => existence(value, pattern, &below, seen),
        (Anchor::Global | Anchor::Equality | Anchor::Negation | Anchor::Existence, None) => Ok(()),
        (Anchor::AddIfAbsent, _) => plain_entry(resource, key, pattern, path, seen),
    }
}

fn plain_entry(
    resource: &Map<String, Value>,
    key: &str,
    pattern: &Value,
    path: &str,
    seen: &Seen,
) -> Result<(), Mismatch> {
    let value = resource.get(key).unwrap_or(&Value::Null);
    if pattern == "*" {
        return if value.is_null() { Err(Mismatch::fail(path, format!("{path}/{key} not found"))) } else { Ok(()) };
    }
    element(value, pattern, &format!("{path}{key}/"), seen)
}

fn existence(value: &Value, pattern: &Value, path: &str, seen: &Seen) -> Result<(), Mismatch> {
    let (Value::Array(items), Value::Array(patterns)) = (value, pattern) else {
        return Err(Mismatch::fail(path, "existence anchor can be used only on lists"));
    };
    for pattern in patterns {
        if !pattern.is_object() {
            return Err(Mismatch::fail(path, "a pattern of an existence anchor has to be a map"));
        }
        if !items.iter().any(|item| element(item, pattern, path, seen).is_ok()) {
            return Err(Mismatch::fail(path, format!("existence anchor validation failed at path {path}")));
        }
    }
    Ok(())
}

fn list(resource: &[Value], pattern: &[Value], path: &str, seen: &Seen) -> Result<(), Mismatch> {
    match pattern.first() {
        None => Err(Mismatch::fail(path, "pattern Array empty")),
        Some(first @ Value::Object(_)) => each(resource.iter().map(|item| (item, first)), path, seen),
        Some(Value::Array(_)) if resource.len() < pattern.len() => {
            Err(Mismatch::fail("", "validate Array failed, array length mismatch"))
        }
        Some(Value::Array(_)) => each(resource.iter().zip(pattern), path, seen),
        Some(scalar) => element(&Value::Array(resource.to_vec()), scalar, path, seen),
    }
}

/// Every pair must match, but for those that are skipped; if all are, so is the list.
fn each<'v>(pairs: impl Iterator<Item = (&'v Value, &'v Value)>, path: &str, seen: &Seen) -> Result<(), Mismatch> {
    let mut skips = Vec::new();
    let mut applied = 0;
    for (index, (item, pattern)) in pairs.enumerate() {
        match element(item, pattern, &format!("{path}{index}/"), seen) {
            Ok(()) => applied += 1,
            Err(skip @ Mismatch::Skip { .. }) => skips.push(skip),
            Err(fail @ Mismatch::Fail { .. }) => return Err(fail),
        }
    }
    if applied == 0 && !skips.is_empty() { Err(sum(&skips)) } else { Ok(()) }
}

/// Wildcards in keys of `metadata.labels` and `metadata.annotations` become the first key of the object that
/// they match (Kyverno `pkg/engine/wildcards/wildcards.go`).
fn expand_metadata(pattern: &Map<String, Value>, resource: &Map<String, Value>) -> Map<String, Value> {
    let mut pattern = pattern.clone();
    let Some(actual) = resource.get("metadata").and_then(Value::as_object) else { return pattern };
    let Some(metadata) = entry_of(&mut pattern, "metadata").and_then(Value::as_object_mut) else { return pattern };
    for tag in ["labels", "annotations"] {
        let Some(actual) = actual.get(tag).and_then(Value::as_object) else { continue };
        let Some(Value::Object(wanted)) = entry_of(metadata, tag) else { continue };
        *wanted = wanted.iter().map(|(key, value)| (expanded(key, actual), value.clone())).collect();
    }
    pattern
}

fn entry_of<'m>(map: &'m mut Map<String, Value>, name: &str) -> Option<&'m mut Value> {
    let key = map.keys().find(|key| anchor::bare(key) == name)?.clone();
    map.get_mut(&key)
}

fn expanded(key: &str, actual: &Map<String, Value>) -> String {
    if !wildcard::has_wildcard(key) {
        return key.to_owned();
    }
    let bare = anchor::bare(key);
    let found = actual.keys().find(|actual| wildcard::matches(bare, actual)).map_or(bare, String::as_str);
    key.replacen(bare, found, 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(resource: &Value, pattern: &Value) -> &'static str {
        match check(resource, pattern) {
            Ok(()) => "pass",
            Err(Mismatch::Skip { .. }) => "skip",
            Err(Mismatch::Fail { .. }) => "fail",
        }
    }

    #[test]
    fn anchors_decide_between_pass_fail_and_skip() {
        let pod = json!({"spec": {"containers": [
            {"name": "a", "image": "nginx:latest", "imagePullPolicy": "Always"},
            {"name": "b", "image": "nginx:1.0"}]}});
        for (pattern, expected) in [
            (json!({"spec": {"containers": [{"(image)": "*:latest", "imagePullPolicy": "Always"}]}}), "pass"),
            (json!({"spec": {"containers": [{"(image)": "*:latest", "imagePullPolicy": "Never"}]}}), "fail"),
            (json!({"spec": {"containers": [{"(image)": "*:none", "imagePullPolicy": "Never"}]}}), "skip"),
            (json!({"spec": {"^(containers)": [{"image": "nginx:1.0"}]}}), "pass"),
            (json!({"spec": {"^(containers)": [{"image": "redis"}]}}), "fail"),
            (json!({"spec": {"=(hostNetwork)": false}}), "pass"),
            (json!({"spec": {"hostNetwork": true}}), "fail"),
            (json!({"spec": {"X(containers)": null}}), "fail"),
            (json!({"spec": {"X(volumes)": null}}), "pass"),
            (json!({"spec": {"<(priority)": 1, "hostNetwork": true}}), "fail"),
            (json!({"spec": {"containers": [{"<(image)": "redis*"}], "hostNetwork": true}}), "skip"),
            (json!({"spec": {"containers": [{"name": "?*"}]}}), "pass"),
            (json!({"spec": {"containers": []}}), "fail"),
            (json!({"spec": {"volumes": "*"}}), "fail"),
            (json!({"spec": {"containers": "*"}}), "pass"),
        ] {
            assert_eq!(outcome(&pod, &pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn wildcards_in_label_keys_stand_for_a_label_of_the_object() {
        let object = json!({"metadata": {"labels": {"app.kubernetes.io/name": "x"}}});
        assert_eq!(outcome(&object, &json!({"metadata": {"labels": {"app.*/name": "?*"}}})), "pass");
        assert_eq!(outcome(&object, &json!({"metadata": {"labels": {"team.*/name": "?*"}}})), "fail");
        assert_eq!(outcome(&object, &json!({"metadata": {"labels": {"X(app.*/name)": "null"}}})), "fail");
    }
}
