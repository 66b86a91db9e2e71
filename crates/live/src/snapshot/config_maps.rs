//! ConfigMaps that Kyverno's policies read: which ones their context entries name.

use std::collections::BTreeSet;

use serde_json::Value;

/// Namespace and name of each ConfigMap that an object of Kyverno names in full (Kyverno `api/kyverno/v1/common_types.go`,
/// `ContextEntry`). One whose name a variable makes is not known before a request.
pub(super) fn named_config_maps(object: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    collect(object, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(fields) => {
            let named =
                fields.get("configMap").and_then(|map| Some((map.get("namespace"), map.get("name")?.as_str()?)));
            if let Some((namespace, name)) = named {
                let namespace = namespace.and_then(Value::as_str).unwrap_or("default");
                note((namespace, name), found);
            }
            let path = fields.get("apiCall").and_then(|call| call.get("urlPath")?.as_str());
            if let Some((namespace, name)) = path.and_then(of_path) {
                note((namespace, name), found);
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn note((namespace, name): (&str, &str), found: &mut BTreeSet<(String, String)>) {
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
    };
    if plain(namespace) && plain(name) {
        found.insert((namespace.to_owned(), name.to_owned()));
    }
}

/// `/api/v1/namespaces/NAMESPACE/configmaps/NAME`.
fn of_path(path: &str) -> Option<(&str, &str)> {
    let (namespace, rest) = path.trim().strip_prefix("/api/v1/namespaces/")?.split_once('/')?;
    Some((namespace, rest.strip_prefix("configmaps/")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_in_full_are_found_wherever_they_stand() {
        let policy = json!({"spec": {"rules": [{"context": [
            {"name": "a", "configMap": {"name": "teams", "namespace": "platform"}},
            {"name": "b", "configMap": {"name": "{{request.namespace}}", "namespace": "platform"}},
            {"name": "c", "configMap": {"name": "own"}},
            {"name": "d", "apiCall": {"urlPath": "/api/v1/namespaces/ops/configmaps/zones", "jmesPath": "data"}},
            {"name": "e", "apiCall": {"urlPath": "/api/v1/namespaces/ops/configmaps"}},
        ]}]}});
        let found: Vec<String> =
            named_config_maps(&policy).iter().map(|(home, name)| format!("{home}/{name}")).collect();
        assert_eq!(found, ["default/own", "ops/zones", "platform/teams"]);
    }
}
