//! An object as the API server stores it: with the defaults that the schema of its kind names.

use serde_json::{Map, Value};

/// The object with every default of a structural schema that it leaves open (Kubernetes
/// `apiextensions-apiserver/pkg/apiserver/schema/defaulting`): what is written, `null` excepted, stays as it is.
pub(super) fn defaulted(mut object: Value, schema: &Value) -> Value {
    fill(&mut object, schema);
    object
}

fn fill(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => fill_fields(fields, schema),
        Value::Array(items) => {
            if let Some(of_items) = schema.get("items") {
                for item in items {
                    fill(item, of_items);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fill_fields(fields: &mut Map<String, Value>, schema: &Value) {
    for (name, of_field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if fields.get(name).is_none_or(Value::is_null)
            && let Some(default) = of_field.get("default")
        {
            fields.insert(name.clone(), default.clone());
        }
    }
    for (name, value) in fields.iter_mut() {
        let named = schema.get("properties").and_then(|properties| properties.get(name));
        let of_any = schema.get("additionalProperties").filter(|any| any.is_object());
        if let Some(of_field) = named.or(of_any) {
            fill(value, of_field);
        }
    }
}

/// A NetworkPolicy as the API server stores it (Kubernetes `pkg/apis/networking/v1/defaults.go`, and `omitempty` of
/// `k8s.io/api/networking/v1/types.go`).
pub(super) fn network_policy(mut object: Value) -> Value {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        add_types(spec);
        for direction in ["ingress", "egress"] {
            let rules = spec.get_mut(direction).and_then(Value::as_array_mut).into_iter().flatten();
            rules.for_each(add_protocols);
        }
    }
    without_empty(&mut object);
    object
}

fn add_types(spec: &mut Map<String, Value>) {
    spec.entry("podSelector").or_insert_with(|| Value::Object(Map::new()));
    if spec.get("policyTypes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
        let types = if has_egress { vec!["Ingress", "Egress"] } else { vec!["Ingress"] };
        spec.insert("policyTypes".to_owned(), Value::from(types));
    }
}

fn add_protocols(rule: &mut Value) {
    for port in rule.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.entry("protocol").or_insert_with(|| Value::from("TCP"));
        }
    }
}

/// What is written without content is not stored: lists, and labels of a selector.
fn without_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| !is_empty(name, value));
            fields.values_mut().for_each(without_empty);
        }
        Value::Array(items) => items.iter_mut().for_each(without_empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(name: &str, value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
        || (name == "matchLabels" && value.as_object().is_some_and(Map::is_empty))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_filled_in_where_nothing_is_written() {
        let schema = json!({"properties": {"spec": {"properties": {
            "mode": {"default": "Audit"},
            "listeners": {"items": {"properties": {"from": {"default": {"kind": "Same"}, "properties": {"deep": {"default": 1}}}}}},
            "labels": {"additionalProperties": {"properties": {"weight": {"default": 1}}}},
            "absent": {"properties": {"never": {"default": 1}}},
        }}}});
        let written =
            json!({"spec": {"mode": null, "listeners": [{}, {"from": {"kind": "All"}}], "labels": {"a": {}}}});
        let stored = json!({"spec": {"mode": "Audit", "listeners": [{"from": {"kind": "Same", "deep": 1}},
            {"from": {"kind": "All", "deep": 1}}], "labels": {"a": {"weight": 1}}}});
        assert_eq!(defaulted(written, &schema), stored);
    }

    #[test]
    fn a_network_policy_is_stored_with_types_and_protocols() {
        let written =
            json!({"spec": {"podSelector": {"matchLabels": {}}, "ingress": [{"from": [], "ports": [{"port": 80}]}]}});
        let stored = json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": 80, "protocol": "TCP"}]}]}});
        assert_eq!(network_policy(written), stored);
        let written = json!({"spec": {"egress": [{"to": [{"namespaceSelector": {}}]}]}});
        let stored = json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "egress": [{"to": [{"namespaceSelector": {}}]}]}});
        assert_eq!(network_policy(written), stored);
    }
}
