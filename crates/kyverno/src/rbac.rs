//! What Kyverno's background controller may do (Kyverno `charts/kyverno/templates/background-controller/clusterrole.yaml`).

use airtight_manifest::Document;
use serde_json::Value;

use super::kind;
use super::scope::KyvernoOptions;

/// Label of ClusterRoles that are added to the background controller's.
const AGGREGATE: &str = "rbac.kyverno.io/aggregate-to-background-controller";

/// Groups and resources that the chart lets it create, update and delete.
const CORE: &[(&str, &[&str])] = &[
    ("networking.k8s.io", &["ingresses", "ingressclasses", "networkpolicies"]),
    ("rbac.authorization.k8s.io", &["roles", "rolebindings"]),
    ("", &["configmaps", "resourcequotas", "limitranges"]),
];

/// The roles that bind the background controller.
#[derive(Debug, Clone, Default)]
pub(super) struct Permissions {
    roles: Vec<Value>,
}

impl Permissions {
    /// Collects ClusterRoles that are aggregated, or bound to its service account by a ClusterRoleBinding.
    pub(super) fn read(documents: &[Document], options: &KyvernoOptions) -> Self {
        let objects: Vec<Value> = documents.iter().map(|document| document.root.to_json()).collect();
        let bound: Vec<&str> = objects
            .iter()
            .filter(|object| object["kind"] == "ClusterRoleBinding" && binds(object, options))
            .filter_map(|object| object["roleRef"]["name"].as_str())
            .collect();
        let roles = objects.iter().filter(|object| {
            object["kind"] == "ClusterRole"
                && (object["metadata"]["labels"][AGGREGATE] == "true"
                    || object["metadata"]["name"].as_str().is_some_and(|name| bound.contains(&name)))
        });
        Self { roles: roles.cloned().collect() }
    }

    /// Verbs of `wanted` that it lacks on a kind.
    pub(super) fn lacking<'w>(&self, group: &str, kind: &str, wanted: &[&'w str]) -> Vec<&'w str> {
        let resource = kind::plural(kind);
        let core = CORE.iter().any(|(core, resources)| *core == group && resources.contains(&resource.as_str()));
        wanted
            .iter()
            .copied()
            .filter(|verb| !core && !self.roles.iter().any(|role| grants(role, group, &resource, verb)))
            .collect()
    }
}

fn binds(binding: &Value, options: &KyvernoOptions) -> bool {
    binding["subjects"].as_array().into_iter().flatten().any(|subject| {
        subject["kind"] == "ServiceAccount"
            && subject["name"] == "kyverno-background-controller"
            && subject["namespace"] == options.namespace.as_str()
    })
}

fn grants(role: &Value, group: &str, resource: &str, verb: &str) -> bool {
    let lists = |rule: &Value, key: &str, wanted: &str| {
        rule[key].as_array().into_iter().flatten().any(|item| item == "*" || item == wanted)
    };
    role["rules"].as_array().into_iter().flatten().any(|rule| {
        lists(rule, "apiGroups", group)
            && lists(rule, "resources", resource)
            && lists(rule, "verbs", verb)
            && rule["resourceNames"].as_array().is_none_or(Vec::is_empty)
    })
}
