//! Questions to the API server (Kyverno `pkg/engine/apicall`), as far as manifests answer them: a single object that
//! is among them. Lists are not, because a cluster holds objects of most kinds that nobody wrote down.

use serde_json::Value;

use super::existing::Existing;
use super::fault::Fault;
use super::kind;

/// Group, version, namespace, plural name and name of the object that a path stands for; none for any other path.
fn object_path(path: &str) -> Option<(&str, &str, Option<&str>, &str, &str)> {
    let path = path.trim().trim_start_matches('/').trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, resource, name) = match rest {
        ["namespaces", namespace, resource, name] => (Some(*namespace), *resource, *name),
        [resource, name] => (None, *resource, *name),
        _ => return None,
    };
    (!name.contains('?')).then_some((group, version, namespace, resource, name))
}

/// The object that the API server would answer with.
///
/// # Errors
/// That nobody knows, for lists and for objects that are not among the manifests.
pub(super) fn answer(path: &str, existing: &Existing) -> Result<Value, Fault> {
    let unknown = || Fault::unknown(format!("what the API server answers to `{path}` is not known"));
    let (group, version, namespace, resource, name) = object_path(path).ok_or_else(unknown)?;
    let found = existing.iter().find(|object| {
        let of = kind::group_version(object["apiVersion"].as_str().unwrap_or_default());
        let metadata = &object["metadata"];
        of == (group, version)
            && kind::plural(object["kind"].as_str().unwrap_or_default()) == resource
            && metadata["name"] == name
            && namespace.is_none_or(|namespace| metadata["namespace"].as_str().unwrap_or("default") == namespace)
    });
    found.map(|object| Value::clone(object)).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_objects() {
        for (path, expected) in [
            ("/api/v1/namespaces/a/configmaps/b", Some(("", "v1", Some("a"), "configmaps", "b"))),
            ("/api/v1/namespaces/a", Some(("", "v1", None, "namespaces", "a"))),
            ("apis/apps/v1/namespaces/a/deployments/b/", Some(("apps", "v1", Some("a"), "deployments", "b"))),
            ("/api/v1/namespaces/a/configmaps", None),
            ("/api/v1/pods?fieldSelector=spec.nodeName=x", None),
        ] {
            assert_eq!(object_path(path), expected, "{path}");
        }
    }
}
