//! The roles that the users of cases are presupposed to hold, so that admission is asked of what they want.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_cluster::discovery::Kinds;
use airtight_model::path::Source;
use airtight_model::world::{Act, Change};
use serde_json::{Value, json};

use super::plan::DeployPlan;

/// Members of this group may do everything as it is (Kubernetes "User-facing roles").
const MASTERS: &str = "system:masters";

/// Group and name of a resource.
type Resource = (String, String);

/// A role and its binding for each user of a case. Its name begins like the run's, so that no rule of a policy means it.
pub(super) fn case_users(plan: &DeployPlan<'_>, cluster: &dyn Cluster, run: &str) -> Vec<Value> {
    let kinds = Kinds::new(cluster);
    let mut wanted: BTreeMap<&str, BTreeMap<Resource, BTreeSet<&str>>> = BTreeMap::new();
    for (user, change) in plan.plan.cases.iter().flat_map(|planned| attempts(&planned.case.flow)) {
        let object = change.value();
        let version = object.as_ref().and_then(|object| object.get("apiVersion")).and_then(Value::as_str);
        // A kind that is not served ends the case, which says so.
        let Ok(served) = kinds.resource(&change.target.kind, version) else { continue };
        let resource = (served.group().to_owned(), served.plural().to_owned());
        wanted.entry(user).or_default().entry(resource).or_default().extend(verbs(change.act));
    }
    let each = wanted.into_iter().zip(1..);
    each.flat_map(|((user, may), number)| role(&format!("{run}-user-{number}"), user, &may)).collect()
}

/// Who changes what in a flow and before it; whoever may do everything needs no role.
fn attempts(flow: &airtight_model::path::Flow) -> Vec<(&str, &Change)> {
    let own = match &flow.from {
        Source::User(user) => flow.attempt().map(|change| (user, change)),
        Source::Workload(..) | Source::Outside | Source::Node(_) | Source::Kubelet => None,
    };
    let before = flow.after.iter().map(|request| (&request.by, &request.change));
    let everybody = before.chain(own);
    let needy = everybody.filter(|(user, _)| !user.groups.iter().any(|group| group == MASTERS));
    needy.map(|(user, change)| (user.name.as_str(), change)).collect()
}

/// What the API server asks the roles for.
fn verbs(act: Act) -> &'static [&'static str] {
    match act {
        Act::Apply => &["create", "update"],
        Act::Update => &["update"],
        Act::Delete => &["delete"],
    }
}

fn role(name: &str, user: &str, may: &BTreeMap<Resource, BTreeSet<&str>>) -> [Value; 2] {
    let rules: Vec<Value> = may
        .iter()
        .map(|((group, plural), verbs)| json!({"apiGroups": [group], "resources": [plural], "verbs": verbs}))
        .collect();
    let (api, metadata) = ("rbac.authorization.k8s.io/v1", json!({"name": name}));
    [
        json!({"apiVersion": api, "kind": "ClusterRole", "metadata": metadata, "rules": rules}),
        json!({"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]}),
    ]
}
