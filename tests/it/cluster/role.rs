//! The role that `airtight rbac` prints, against what was asked of an API server.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::stage::Stage;

/// A request as roles know it: group, resource with its subresource, verb. None for what everybody may read.
fn needed(what: &str) -> Option<(String, String, &'static str)> {
    let (method, path) = what.split_once(' ').unwrap();
    let parts: Vec<&str> = path.split('?').next().unwrap().trim_start_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let resource = match rest {
        [] => return None,
        [resource, _, subresource] => format!("{resource}/{subresource}"),
        [resource, ..] => (*resource).to_owned(),
    };
    let verb = match (method, rest.len()) {
        ("GET", 1) => "list",
        ("GET", _) => "get",
        ("PATCH", _) => "patch",
        ("POST", _) => "create",
        ("DELETE", _) => "delete",
        (method, _) => panic!("{method} is not known"),
    };
    Some((group.to_owned(), resource, verb))
}

/// Checks that every request since `before` is granted by what `airtight rbac FLAGS` prints.
pub(crate) fn suffices(stage: &Stage, before: usize, flags: &[&str]) {
    let rules = rules(flags);
    let seen = stage.server.state().seen();
    let wanted: BTreeSet<_> = seen[before..].iter().filter_map(|seen| needed(&seen.what)).collect();
    assert!(wanted.len() > 10, "{wanted:?}");
    for (group, resource, verb) in wanted {
        assert!(
            grants(&rules, &group, &resource, verb),
            "the role does not grant {verb} on {resource} of group `{group}`"
        );
    }
}

/// The rules that `airtight rbac FLAGS` prints.
pub(crate) fn rules(flags: &[&str]) -> Vec<Value> {
    let printed = Command::new(env!("CARGO_BIN_EXE_airtight")).arg("rbac").args(flags).output().unwrap().stdout;
    let role = airtight_manifest::yaml::parse(&"role.yaml".into(), std::str::from_utf8(&printed).unwrap()).unwrap();
    role[0].root.to_json()["rules"].as_array().unwrap().clone()
}

/// Whether rules grant a verb on a resource.
pub(crate) fn grants(rules: &[Value], group: &str, resource: &str, verb: &str) -> bool {
    let has = |rule: &Value, key: &str, wanted: &str| {
        rule[key].as_array().unwrap().iter().any(|each| each == wanted || each == "*")
    };
    rules
        .iter()
        .any(|rule| has(rule, "apiGroups", group) && has(rule, "resources", resource) && has(rule, "verbs", verb))
}
