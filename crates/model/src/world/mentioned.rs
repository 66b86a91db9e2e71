//! Pods of a StatefulSet that objects mention by name: such a name is the value of a label, by which a policy or a
//! Service can tell one pod from all others.

use std::collections::BTreeSet;

use serde_json::Value;

use super::intake::Item;

/// The ordinals of the pods of a StatefulSet of this name that any of `items` mentions.
pub(super) fn ordinals(name: &str, items: &[Item]) -> Vec<usize> {
    let mut found = BTreeSet::new();
    for item in items {
        collect(&item.json, name, &mut found);
    }
    found.into_iter().collect()
}

fn collect(value: &Value, name: &str, found: &mut BTreeSet<usize>) {
    match value {
        Value::String(text) => found.extend(ordinal(text, name)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, name, found)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn ordinal(text: &str, name: &str) -> Option<usize> {
    text.strip_prefix(name)?.strip_prefix('-')?.parse().ok()
}
