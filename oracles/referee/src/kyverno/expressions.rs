//! Generated expressions in CEL, and the ValidatingPolicies that are made of them.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Of any object.
const OF_OBJECTS: &[&str] = &[
    "has(object.metadata.labels) && 'app' in object.metadata.labels",
    "object.metadata.?labels.?team.orValue('none') == 'red'",
    "object.metadata.name.startsWith('web')",
    "object.metadata.name.matches('^[a-z]+$')",
    "size(object.metadata.name) < 4",
    "!has(object.metadata.annotations) || object.metadata.annotations.all(key, key != 'owner')",
    "request.operation != 'UPDATE' || oldObject.metadata.name == object.metadata.name",
    "object.metadata.labels.app == 'web'",
    "object.kind in ['Pod', 'Service']",
    "object.metadata.name.split('-')[0] == 'api'",
    "object.metadata.name.upperAscii() == 'WEB'",
    "object.metadata.name.indexOf('e') == 1",
    "object.metadata.name.replace('w', 'x').contains('x')",
    "request.namespace == 'shop'",
];

/// Of Pods.
const OF_PODS: &[&str] = &[
    "object.spec.containers.all(c, c.image.contains(':') && !c.image.endsWith(':latest'))",
    "object.spec.containers.exists(c, c.name == 'c1')",
    "object.spec.containers.exists_one(c, has(c.ports))",
    "object.spec.containers.map(c, c.image).join(',').contains('ghcr')",
    "!object.spec.?hostNetwork.orValue(false)",
    "object.spec.containers.all(c, c.?securityContext.?privileged.orValue(false) == false)",
    "object.spec.containers.filter(c, has(c.resources) && has(c.resources.limits)).size() == object.spec.containers.size()",
    "object.spec.containers.all(c, !has(c.resources.limits) || quantity(c.resources.limits.memory).isLessThan(quantity('2Gi')))",
    "object.spec.containers[0].name == 'c0'",
    "has(object.spec.volumes) ? !object.spec.volumes.exists(v, has(v.hostPath)) : true",
    "object.spec.containers.all(c, !has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0))",
];

/// Of the Namespace, which a rule's expressions ask the cluster for.
const OF_NAMESPACES: &str = "namespaceObject.metadata.labels.team == 'red'";

/// An expression; of Pods, if nothing else is looked at, and of the Namespace, where it is known.
pub(super) fn expression(pods: bool, namespaces: bool) -> impl Strategy<Value = &'static str> {
    let mut all = OF_OBJECTS.to_vec();
    if pods {
        all.extend(OF_PODS);
        all.extend(OF_PODS);
    }
    all.extend(namespaces.then_some(OF_NAMESPACES));
    prop::sample::select(all)
}

/// A ValidatingPolicy.
pub(super) fn policy() -> impl Strategy<Value = Value> {
    any::<bool>().prop_flat_map(|pods| {
        let validations = prop::collection::vec(expression(pods, true), 1..3);
        (validations, prop::option::weighted(0.3, expression(false, true)), actions(), Just(pods), selection())
            .prop_map(|(validations, condition, actions, pods, selection)| {
                made(&validations, condition, &actions, pods, selection)
            })
    })
}

fn actions() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![json!(["Deny"]), json!(["Deny"]), json!(["Deny"]), json!(["Audit"]), json!(["Warn"])])
}

fn selection() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({}),
        json!({}),
        json!({"namespaceSelector": {"matchLabels": {"team": "red"}}}),
        json!({"objectSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}),
        json!({"objectSelector": {"matchLabels": {"app": "web"}}}),
    ])
}

fn made(validations: &[&str], condition: Option<&str>, actions: &Value, pods: bool, mut selection: Value) -> Value {
    let resources = if pods { json!(["pods"]) } else { json!(["pods", "services", "configmaps", "namespaces"]) };
    selection["resourceRules"] = json!([
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": resources},
    ]);
    let validations: Vec<Value> = validations.iter().map(|one| json!({"expression": one, "message": "no"})).collect();
    let mut policy = json!({
        "apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy", "metadata": {},
        "spec": {"validationActions": actions, "matchConstraints": selection, "validations": validations},
    });
    if let Some(condition) = condition {
        policy["spec"]["matchConditions"] = json!([{"name": "when", "expression": condition}]);
    }
    policy
}
