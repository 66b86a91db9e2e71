//! Patterns whose outcome is left to chance: a key with wildcards stands for one of the labels or annotations that it
//! matches, whichever Go's map yields first (Kyverno `pkg/engine/wildcards/wildcards.go`, `expandWildcardsInTag`).

use serde_json::{Map, Value};

use super::pattern::check;
use super::{anchor, wildcard};

/// The first key with wildcards of `metadata.labels` or `metadata.annotations`, at any depth, that matches several keys of
/// the object, of which some satisfy the pattern and others do not.
pub(super) fn left_to_chance(resource: &Value, pattern: &Value) -> Option<String> {
    match (pattern, resource) {
        (Value::Object(pattern), Value::Object(resource)) => {
            of_metadata(resource, pattern).or_else(|| below(resource, pattern))
        }
        (Value::Array(pattern), Value::Array(items)) => {
            pattern.iter().find_map(|wanted| items.iter().find_map(|item| left_to_chance(item, wanted)))
        }
        (
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
            _,
        ) => None,
    }
}

fn below(resource: &Map<String, Value>, pattern: &Map<String, Value>) -> Option<String> {
    pattern.iter().find_map(|(key, wanted)| left_to_chance(resource.get(anchor::bare(key))?, wanted))
}

fn of_metadata(resource: &Map<String, Value>, pattern: &Map<String, Value>) -> Option<String> {
    let wanted = entry(pattern, "metadata")?;
    ["labels", "annotations"].into_iter().find_map(|tag| {
        let actual = resource.get("metadata")?.get(tag)?.as_object()?;
        let wanted = entry(wanted.as_object()?, tag)?.as_object()?;
        wanted.iter().find(|(key, value)| differs(key, value, actual)).map(|(key, _)| format!("metadata.{tag}.{key}"))
    })
}

fn entry<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    map.iter().find(|(key, _)| anchor::bare(key) == name).map(|(_, value)| value)
}

/// Whether it depends on the key that is taken if the pattern's value is met.
fn differs(key: &str, wanted: &Value, actual: &Map<String, Value>) -> bool {
    let bare = anchor::bare(key);
    if !wildcard::has_wildcard(bare) {
        return false;
    }
    let matching = actual.iter().filter(|(key, _)| wildcard::matches(bare, key));
    let mut met = matching.map(|(_, value)| check(value, wanted).is_ok());
    met.next().is_some_and(|first| met.any(|other| other != first))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_match_labels_of_which_some_satisfy_the_pattern_are_left_to_chance() {
        let pod = json!({"metadata": {"labels": {"app": "web", "app.kubernetes.io/name": "shop", "tier": "web"}}});
        let template = json!({"spec": {"template": pod}});
        for (labels, chance) in [
            (json!({"app*": "web"}), true),
            (json!({"app*": "?*"}), false),
            (json!({"app*": "none"}), false),
            (json!({"tier*": "web"}), false),
            (json!({"none*": "web"}), false),
            (json!({"(app*)": "web"}), true),
            (json!({"app": "web"}), false),
        ] {
            let pattern = json!({"metadata": {"labels": labels}});
            assert_eq!(left_to_chance(&pod, &pattern).is_some(), chance, "{labels}");
            let deep = json!({"spec": {"template": pattern}});
            assert_eq!(left_to_chance(&template, &deep).is_some(), chance, "{labels}");
        }
    }
}
