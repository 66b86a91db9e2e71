//! Strategic merge patches with anchors (Kyverno `pkg/engine/mutate/patch/strategicPreprocessing.go`; the merge is kustomize's).

use serde_json::{Map, Value};

use super::anchor::{self, Anchor};
use super::fault::Fault;
use super::pattern;

/// Why a patch is not applied.
#[derive(Debug)]
enum Unmet {
    /// A condition does not hold: the element, or the whole patch, is passed over.
    Condition,
    /// A global condition does not hold: the whole patch is passed over unless another element meets it.
    Global,
    Fault(Fault),
}

/// `resource` with the patch applied; the same if its conditions do not hold.
///
/// # Errors
/// Where upstream's handling of lists is undefined.
pub(super) fn merge(resource: &Value, overlay: &Value) -> Result<Value, Fault> {
    let mut patch = overlay.clone();
    match preprocess(&mut patch, Some(resource)) {
        Ok(()) => {}
        Err(Unmet::Condition | Unmet::Global) => return Ok(resource.clone()),
        Err(Unmet::Fault(fault)) => return Err(fault),
    }
    delete_condition_elements(&mut patch)?;
    let builtin = is_builtin(resource["apiVersion"].as_str().unwrap_or_default());
    Ok(merged(resource, &patch, builtin, ""))
}

/// `resource` with a partial object laid over it, as server-side apply does.
pub(super) fn apply_configuration(resource: &Value, patch: &Value) -> Value {
    let builtin = is_builtin(resource["apiVersion"].as_str().unwrap_or_default());
    merged(resource, patch, builtin, "")
}

fn preprocess(patch: &mut Value, resource: Option<&Value>) -> Result<(), Unmet> {
    match patch {
        Value::Object(map) => walk_map(map, resource),
        Value::Array(items) if items.first().is_some_and(Value::is_object) => walk_list(items, resource),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn walk_map(patch: &mut Map<String, Value>, resource: Option<&Value>) -> Result<(), Unmet> {
    add_if_absent(patch, resource);
    conditions_hold(patch, resource, Anchor::Global)?;
    conditions_hold(patch, resource, Anchor::Condition)?;
    for (key, value) in patch.iter_mut() {
        if !is_patch_anchor(key) {
            preprocess(value, resource.and_then(|resource| resource.get(key)))?;
        }
    }
    Ok(())
}

fn is_patch_anchor(key: &str) -> bool {
    matches!(anchor::parse(key), Some((Anchor::Condition | Anchor::Global | Anchor::AddIfAbsent, _)))
}

/// Resolves `+(key)`: gone if the object has the key, plain if not. Tells whether there was any.
fn add_if_absent(patch: &mut Map<String, Value>, resource: Option<&Value>) -> bool {
    let mut any = false;
    let entries = std::mem::take(patch);
    for (key, value) in entries {
        match anchor::parse(&key) {
            Some((Anchor::AddIfAbsent, bare)) => {
                any = true;
                if resource.and_then(|resource| resource.get(bare)).is_none() {
                    patch.insert(bare.to_owned(), value);
                }
            }
            _ => {
                patch.insert(key, value);
            }
        }
    }
    any
}

fn conditions_hold(patch: &mut Map<String, Value>, resource: Option<&Value>, kind: Anchor) -> Result<(), Unmet> {
    let unmet = || if kind == Anchor::Global { Unmet::Global } else { Unmet::Condition };
    for (key, value) in patch.iter_mut() {
        let Some((anchor, bare)) = anchor::parse(key) else { continue };
        if anchor != kind {
            continue;
        }
        let Some(actual) = resource.and_then(|resource| resource.get(bare)) else { return Err(unmet()) };
        if let Value::Object(map) = value
            && add_if_absent(map, Some(actual))
        {
            continue;
        }
        pattern::check(actual, value).map_err(|_| unmet())?;
    }
    Ok(())
}

/// An element with anchors becomes one element for each element of the object that meets them, tied by its name.
fn walk_list(patch: &mut Vec<Value>, resource: Option<&Value>) -> Result<(), Unmet> {
    let actual: &[Value] = resource.and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let mut added = Vec::new();
    for element in patch.iter() {
        if !has_anchor(element, &is_patch_anchor) {
            continue;
        }
        let global = has_anchor(element, &|key| matches!(anchor::parse(key), Some((Anchor::Global, _))));
        let mut copy = element.clone();
        let (mut passed, mut global_failed) = (false, false);
        for item in actual {
            match preprocess(&mut copy, Some(item)) {
                Ok(()) if global => passed = true,
                Ok(()) => added.extend(named(&copy, item).map_err(Unmet::Fault)?),
                Err(Unmet::Condition) => {}
                Err(Unmet::Global) => global_failed = true,
                Err(fault @ Unmet::Fault(_)) => return Err(fault),
            }
        }
        if resource.is_none() {
            match preprocess(&mut copy, None) {
                Ok(()) => passed |= global,
                Err(Unmet::Condition) => continue,
                Err(other) => return Err(other),
            }
        }
        if !passed && global_failed {
            return Err(Unmet::Global);
        }
    }
    patch.extend(added);
    Ok(())
}

/// The element without its anchors and with the name of the object's element; none if nothing is left of it
/// or there is no name to tie it to.
fn named(element: &Value, actual: &Value) -> Result<Option<Value>, Fault> {
    let name = &actual["name"];
    if name.as_str().is_none_or(str::is_empty) {
        return Ok(None);
    }
    let mut element = element.clone();
    if delete_anchors(&mut element, true)? {
        return Ok(None);
    }
    element["name"] = name.clone();
    Ok(Some(element))
}

fn has_anchor(patch: &Value, wanted: &dyn Fn(&str) -> bool) -> bool {
    match patch {
        Value::Object(map) => map.iter().any(|(key, value)| wanted(key) || has_anchor(value, wanted)),
        Value::Array(items) => items.iter().any(|item| has_anchor(item, wanted)),
        Value::String(text) => anchor::is_conditional(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn delete_condition_elements(patch: &mut Value) -> Result<(), Fault> {
    let Value::Object(map) = patch else { return Ok(()) };
    for key in map.keys().cloned().collect::<Vec<_>>() {
        if let Some(value) = map.get_mut(&key)
            && delete_anchors(value, anchor::is_conditional(&key))?
        {
            map.shift_remove(&key);
        }
    }
    Ok(())
}

/// Removes conditions; tells whether nothing else is left, so that the node must go.
fn delete_anchors(node: &mut Value, delete_scalar: bool) -> Result<bool, Fault> {
    match node {
        Value::Object(map) => delete_in_map(map),
        Value::Array(items) => delete_in_list(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(delete_scalar),
    }
}

fn delete_in_map(map: &mut Map<String, Value>) -> Result<bool, Fault> {
    for key in map.keys().filter(|key| anchor::is_conditional(key)).cloned().collect::<Vec<_>>() {
        if let Some(value) = map.get_mut(&key)
            && delete_anchors(value, true)?
        {
            map.shift_remove(&key);
        }
    }
    // A condition that holds more than conditions is a patch as well: it loses only its anchor.
    *map = std::mem::take(map)
        .into_iter()
        .map(
            |(key, value)| {
                if anchor::is_conditional(&key) { (anchor::bare(&key).to_owned(), value) } else { (key, value) }
            },
        )
        .collect();
    for key in map.keys().cloned().collect::<Vec<_>>() {
        if let Some(value) = map.get_mut(&key)
            && delete_anchors(value, false)?
        {
            map.shift_remove(&key);
        }
    }
    Ok(map.is_empty())
}

fn delete_in_list(items: &mut Vec<Value>) -> Result<bool, Fault> {
    let was_empty = items.is_empty();
    let mut gone = Vec::new();
    for (index, item) in items.iter_mut().enumerate() {
        if has_anchor(item, &is_patch_anchor) || delete_anchors(item, false)? {
            gone.push(index);
        }
    }
    // Upstream removes by the index in the list as it was, so a second removal hits another element.
    if gone.len() > 1 {
        return Err(Fault::unknown("a list of the patch has several elements with anchors only"));
    }
    for index in gone {
        items.remove(index);
    }
    Ok(items.is_empty() && !was_empty)
}

/// Kustomize knows the schema of Kubernetes' own kinds only; lists of any other kind are replaced.
fn is_builtin(api_version: &str) -> bool {
    let (group, _) = super::kind::group_version(api_version);
    !group.contains('.') || group.ends_with(".k8s.io") && group != "gateway.networking.k8s.io"
}

fn merge_keys(field: &str) -> &'static [&'static str] {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        "ownerReferences" => &["uid"],
        "ports" => &["containerPort", "port", "protocol"],
        _ => &[],
    }
}

fn merged(base: &Value, patch: &Value, builtin: bool, field: &str) -> Value {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => merged_map(base, patch, builtin),
        (Value::Array(base), Value::Array(patch)) => merged_list(base, patch, builtin, field),
        (_, Value::Object(patch)) => merged_map(&Map::new(), patch, builtin),
        (_, patch) => patch.clone(),
    }
}

fn merged_map(base: &Map<String, Value>, patch: &Map<String, Value>, builtin: bool) -> Value {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("delete") => return Value::Null,
        Some("replace") => {
            return Value::Object(
                patch.iter().filter(|(key, _)| *key != "$patch").map(|(k, v)| (k.clone(), v.clone())).collect(),
            );
        }
        Some(_) | None => {}
    }
    let mut result = base.clone();
    for (key, value) in patch.iter().filter(|(key, _)| *key != "$patch") {
        let new = if value.is_null() {
            Value::Null
        } else {
            merged(base.get(key).unwrap_or(&Value::Null), value, builtin, key)
        };
        if new.is_null() {
            result.shift_remove(key);
        } else {
            result.insert(key.clone(), new);
        }
    }
    Value::Object(result)
}

fn merged_list(base: &[Value], patch: &[Value], builtin: bool, field: &str) -> Value {
    if builtin && field == "finalizers" {
        let mut result: Vec<Value> = patch.iter().filter(|item| !base.contains(item)).cloned().collect();
        result.extend_from_slice(base);
        return Value::Array(result);
    }
    let keys = if builtin { merge_keys(field) } else { &[] };
    if keys.is_empty() || !patch.iter().all(Value::is_object) {
        return Value::Array(patch.to_vec());
    }
    let mut result = base.to_vec();
    let mut new = Vec::new();
    for item in patch {
        match result.iter().position(|existing| same(existing, item, keys)) {
            Some(index) => result[index] = merged(&result[index], item, builtin, field),
            None => new.push(merged(&Value::Null, item, builtin, field)),
        }
    }
    // Kustomize puts what is new in front.
    new.extend(result);
    new.retain(|item| !item.is_null());
    Value::Array(new)
}

fn same(a: &Value, b: &Value, keys: &[&str]) -> bool {
    let value = |item: &Value, key: &str| match item.get(key) {
        None if key == "protocol" => Value::from("TCP"),
        None => Value::Null,
        Some(value) => value.clone(),
    };
    keys.iter().all(|key| value(a, key) == value(b, key))
}
