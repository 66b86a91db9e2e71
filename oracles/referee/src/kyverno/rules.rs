//! Generated rules that select, validate, mutate and generate.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::expressions;

fn filter() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec![
        json!(["Pod"]),
        json!(["Pod"]),
        json!(["Pod"]),
        json!(["Pod", "Service"]),
        json!(["v1/ConfigMap"]),
        json!(["*"]),
        json!(["apps/*/Deployment"]),
        json!(["Deployment"]),
        json!(["Namespace"]),
        json!(["batch/v1/CronJob", "Pod"]),
    ]);
    let more = prop::sample::select(vec![
        json!({}),
        json!({}),
        json!({"namespaces": ["shop*"]}),
        json!({"names": ["web", "api-*"]}),
        json!({"name": "web"}),
        json!({"namespaces": ["bank"], "names": ["?b"]}),
        json!({"selector": {"matchLabels": {"app": "web*"}}}),
        json!({"selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}),
        json!({"selector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["red"]}]}}),
        json!({"namespaceSelector": {"matchLabels": {"team": "red"}}}),
        json!({"annotations": {"owner": "w*"}}),
        json!({"operations": ["CREATE"]}),
        json!({"operations": ["UPDATE", "DELETE"]}),
    ]);
    let who = prop::sample::select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({}),
        json!({"clusterRoles": ["cluster-*"]}),
        json!({"subjects": [{"kind": "User", "name": "kubernetes-admin"}]}),
        json!({"subjects": [{"kind": "Group", "name": "system:masters"}]}),
        json!({"roles": ["shop:edit"]}),
    ]);
    (kinds, more, who).prop_map(|(kinds, mut resources, mut filter)| {
        resources["kinds"] = kinds;
        filter["resources"] = resources;
        filter
    })
}

/// Whom a rule or an exception is about.
pub(super) fn filters() -> impl Strategy<Value = Value> {
    (prop::collection::vec(filter(), 1..3), prop::bool::weighted(0.2))
        .prop_map(|(list, all)| json!({if all { "all" } else { "any" }: list}))
}

fn condition() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        json!("{{ request.object.metadata.name }}"),
        json!("{{ request.object.metadata.labels.app || 'none' }}"),
        json!("{{ request.object.metadata.labels.team || '' }}"),
        json!("{{ length(request.object.spec.containers || `[]`) }}"),
        json!("{{ request.object.spec.containers[].image || `[]` }}"),
        json!("{{ request.object.spec.[containers, initContainers][].image || `[]` }}"),
        json!("{{ request.object.spec.containers[?name == 'c1'].image | [0] || 'none' }}"),
        json!("{{ request.object.spec.hostNetwork || `false` }}"),
        json!("{{ request.object.spec.containers[].securityContext.runAsUser || `[]` }}"),
        json!("{{ max(request.object.spec.containers[].ports[].containerPort || `[0]`) }}"),
        json!("{{ request.object.spec.containers[0].resources.limits.memory || '0' }}"),
        json!("{{ request.namespace }}"),
        json!("{{ request.operation }}"),
        json!("{{ request.userInfo.groups }}"),
        json!("{{ to_upper(request.object.metadata.name) }}"),
        json!("{{ split(request.object.metadata.name, '-') }}"),
        json!("{{ regex_match('^web', request.object.metadata.name) }}"),
        json!("{{ truncate(request.object.metadata.name, `2`) }}"),
        json!("{{ images.containers.c0.registry || 'none' }}"),
        json!("{{ images.containers.*.tag || `[]` }}"),
        json!("{{ request.object.data.size || '0' }}"),
        json!("{{ keys(request.object.metadata.labels || `{}`) }}"),
        json!("{{ request.object.metadata.annotations.owner }}"),
        json!("{{ request.oldObject.metadata.labels.team || 'none' }}"),
        json!("{{ base64_encode(request.object.metadata.name) }}"),
        json!("{{ given }}"),
        json!("{{ count }}"),
    ]);
    let operator = prop::sample::select(vec![
        "Equals",
        "NotEquals",
        "AnyIn",
        "AllIn",
        "AnyNotIn",
        "AllNotIn",
        "GreaterThan",
        "LessThanOrEquals",
        "In",
        "NotIn",
        "GreaterThanOrEquals",
        "LessThan",
    ]);
    let value = prop::sample::select(vec![
        json!("web"),
        json!("none"),
        json!(["web", "api-*"]),
        json!(["shop", "bank"]),
        json!(1),
        json!("1"),
        json!("1-3"),
        json!("1Gi"),
        json!(true),
        json!("CREATE"),
        json!(["nginx*"]),
        json!("red"),
        json!(""),
        json!([]),
        json!(null),
        json!(["latest", 0]),
        json!("{{ request.object.metadata.labels.app || 'web' }}"),
    ]);
    (key, operator, value).prop_map(|(key, operator, value)| json!({"key": key, "operator": operator, "value": value}))
}

/// Preconditions, or what denies.
pub(super) fn conditions() -> impl Strategy<Value = Value> {
    (prop::collection::vec(condition(), 1..3), any::<bool>())
        .prop_map(|(list, all)| json!({if all { "all" } else { "any" }: list}))
}

fn pattern() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"metadata": {"labels": {"app": "?*"}}}),
        json!({"metadata": {"labels": {"team": "red | blue"}}}),
        json!({"metadata": {"labels": {"team": "!red & !blue"}}}),
        json!({"metadata": {"=(labels)": {"=(app)": "web*"}}}),
        json!({"metadata": {"X(labels)": {"team": "*"}}}),
        json!({"metadata": {"labels": {"X(team)": null}}}),
        json!({"metadata": {"labels": {"te*": "?*"}}}),
        json!({"metadata": {"(name)": "web", "labels": {"app": "web"}}}),
        json!({"metadata": {"name": "{{ given }}*"}}),
        json!({"spec": {"containers": [{"image": "!*:latest"}]}}),
        json!({"spec": {"containers": [{"image": "*:*"}]}}),
        json!({"spec": {"containers": [{"(image)": "nginx*", "securityContext": {"runAsNonRoot": true}}]}}),
        json!({"spec": {"=(hostNetwork)": "false"}}),
        json!({"spec": {"=(hostNetwork)": false}}),
        json!({"spec": {"containers": [{"=(securityContext)": {"=(privileged)": "false"}}]}}),
        json!({"spec": {"containers": [{"securityContext": {"capabilities": {"drop": ["ALL"]}}}]}}),
        json!({"spec": {"containers": [{"resources": {"limits": {"memory": "<=1Gi"}}}]}}),
        json!({"spec": {"containers": [{"resources": {"limits": {"memory": "100Mi-1500Mi", "cpu": "?*"}}}]}}),
        json!({"spec": {"containers": [{"=(ports)": [{"=(hostPort)": 0}]}]}}),
        json!({"spec": {"containers": [{"=(ports)": [{"containerPort": "80 | 8443"}]}]}}),
        json!({"spec": {"^(containers)": [{"image": "ghcr.io/*"}]}}),
        json!({"spec": {"containers": [{"<(image)": "nginx*", "name": "c0"}]}}),
        json!({"spec": {"containers": [{"=(securityContext)": {"=(runAsUser)": ">0"}}]}}),
        json!({"spec": {"=(volumes)": [{"X(hostPath)": "null"}]}}),
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c*"}]}}}}),
        json!({"data": {"size": "1-10"}}),
        json!({"=(data)": {"=(mode)": "!red"}}),
        json!({"spec": {"serviceAccountName": "?*"}}),
        json!({"spec": {"type": "!NodePort"}}),
        json!({"spec": {"ports": [{"port": ">=80"}]}}),
    ])
}

fn each() -> impl Strategy<Value = Value> {
    let list = prop::sample::select(vec![
        "request.object.spec.containers",
        "request.object.spec.containers[].ports[]",
        "request.object.spec.[containers, initContainers][]",
        "request.object.metadata.labels",
    ]);
    let what = prop::sample::select(vec![
        json!({"pattern": {"image": "*:*"}}),
        json!({"pattern": {"=(securityContext)": {"=(privileged)": false}}}),
        json!({"anyPattern": [{"name": "c0"}, {"containerPort": ">100"}]}),
        json!({"deny": {"conditions": {"any": [{"key": "{{ element.image || '' }}", "operator": "Equals", "value": "nginx*"}]}}}),
        json!({"deny": {"conditions": {"any": [{"key": "{{ element.name }}", "operator": "AnyIn", "value": ["c1"]}]}}}),
        json!({"deny": {"conditions": {"all": [{"key": "{{ elementIndex }}", "operator": "GreaterThan", "value": 0}]}}}),
        json!({"preconditions": {"any": [{"key": "{{ element.name || '' }}", "operator": "Equals", "value": "c0"}]}, "pattern": {"image": "ghcr.io/*"}}),
    ]);
    (list, what, prop::option::weighted(0.2, any::<bool>())).prop_map(|(list, mut what, scope)| {
        what["list"] = json!(list);
        if let Some(scope) = scope {
            what["elementScope"] = json!(scope);
        }
        what
    })
}

fn validation() -> impl Strategy<Value = Value> {
    let expressions = prop::collection::vec(expressions::expression(true, false), 1..3).prop_map(|list| {
        let list: Vec<Value> = list.iter().map(|one| json!({"expression": one, "message": "no"})).collect();
        ("cel", json!({"expressions": list}))
    });
    let how = prop_oneof![
        4 => pattern().prop_map(|pattern| ("pattern", pattern)),
        2 => prop::collection::vec(pattern(), 1..3).prop_map(|list| ("anyPattern", json!(list))),
        3 => conditions().prop_map(|conditions| ("deny", json!({"conditions": conditions}))),
        2 => prop::collection::vec(each(), 1..3).prop_map(|list| ("foreach", json!(list))),
        2 => expressions,
    ];
    let more = prop::sample::select(vec![
        json!({}),
        json!({}),
        json!({"allowExistingViolations": false}),
        json!({"failureActionOverrides": [{"action": "Audit", "namespaces": ["bank"]}]}),
    ]);
    (how, prop::bool::weighted(0.8), more).prop_map(|((field, value), enforce, mut validation)| {
        validation["message"] = json!("no");
        validation["failureAction"] = json!(if enforce { "Enforce" } else { "Audit" });
        validation[field] = value;
        validation
    })
}

fn mutation() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"patchStrategicMerge": {"metadata": {"labels": {"team": "added"}}}}),
        json!({"patchStrategicMerge": {"metadata": {"labels": {"+(team)": "added"}}}}),
        json!({"patchStrategicMerge": {"metadata": {"labels": {"app": null}}}}),
        json!({"patchStrategicMerge": {"metadata": {"labels": {"(app)": "web", "team": "of-web"}}}}),
        json!({"patchStrategicMerge": {"metadata": {"annotations": {"+(by)": "{{ given }}"}}}}),
        json!({"patchStrategicMerge": {"spec": {"containers": [{"(name)": "*", "imagePullPolicy": "Always"}]}}}),
        json!({"patchStrategicMerge": {"spec": {"containers": [{"(image)": "*:latest", "imagePullPolicy": "Always"}]}}}),
        json!({"patchStrategicMerge": {"spec": {"containers": [{"(name)": "?*", "resources": {"limits": {"+(memory)": "2Gi"}}}]}}}),
        json!({"patchStrategicMerge": {"spec": {"+(serviceAccountName)": "nobody"}}}),
        json!({"patchStrategicMerge": {"spec": {"(hostNetwork)": true, "dnsPolicy": "ClusterFirstWithHostNet"}}}),
        json!({"patchStrategicMerge": {"spec": {"containers": [{"(name)": "c0", "securityContext": {"+(runAsNonRoot)": true}}]}}}),
        json!({"patchStrategicMerge": {"spec": {"containers": [{"name": "c0", "env": [{"name": "MODE", "value": "set"}]}]}}}),
        json!({"patchStrategicMerge": {"spec": {"volumes": [{"name": "more", "emptyDir": {}}]}}}),
        json!({"patchStrategicMerge": {"data": {"mode": "{{ request.namespace }}"}}}),
        json!({"patchStrategicMerge": {"spec": {"ports": [{"port": 80, "name": "http"}]}}}),
        json!({"patchesJson6902": "- {op: add, path: /metadata/labels/patched, value: 'yes'}"}),
        json!({"patchesJson6902": "- {op: add, path: /metadata/annotations, value: {a: b}}"}),
        json!({"patchesJson6902": "- {op: replace, path: /metadata/labels/app, value: other}"}),
        json!({"patchesJson6902": "- {op: remove, path: /metadata/labels/app}"}),
        json!({"patchesJson6902": "- {op: add, path: /spec/containers/0/args/-1, value: x}"}),
        json!({"patchesJson6902": "- {op: add, path: /spec/containers/-, value: {name: extra, image: nginx}}"}),
        json!({"patchesJson6902": "- {op: add, path: /spec/containers/1/ports/0, value: {containerPort: 9}}"}),
        json!({"patchesJson6902": "- {op: copy, from: /metadata/name, path: /metadata/labels/named}"}),
        json!({"patchesJson6902": "- {op: test, path: /metadata/labels/app, value: web}\n- {op: add, path: /metadata/labels/tested, value: 'yes'}"}),
        json!({"foreach": [{"list": "request.object.spec.containers", "patchStrategicMerge": {"spec": {"containers": [{"(name)": "{{ element.name }}", "image": "mirror/{{ images.containers.\"{{ element.name }}\".path }}"}]}}}]}),
        json!({"foreach": [{"list": "request.object.spec.containers", "preconditions": {"all": [{"key": "{{ element.image }}", "operator": "Equals", "value": "nginx*"}]}, "patchesJson6902": "- {op: add, path: '/spec/containers/{{ elementIndex }}/imagePullPolicy', value: Never}"}]}),
    ])
}

fn generation() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "made", "namespace": "bank", "data": {"data": {"by": "{{ request.object.metadata.name }}"}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "{{ request.object.metadata.name }}-{{ given }}", "namespace": "{{ request.object.metadata.namespace || 'bank' }}", "synchronize": true, "data": {"metadata": {"labels": {"x": "y"}}, "data": {"a": "b"}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "name": "deny", "namespace": "{{ request.object.metadata.namespace || request.object.metadata.name }}", "data": {"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "namespace": "bank", "data": {"data": {"owner": "{{ request.object.metadata.annotations.owner }}"}}}),
        json!({"foreach": [{"list": "request.object.spec.containers", "apiVersion": "v1", "kind": "ConfigMap", "name": "of-{{ element.name }}", "namespace": "shop", "data": {"data": {"image": "{{ element.image }}"}}}]}),
    ])
}

fn variables() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!([{"name": "given", "variable": {"value": "web"}}, {"name": "count", "variable": {"jmesPath": "length(request.object.spec.containers || `[]`)"}}]),
        json!([{"name": "given", "variable": {"jmesPath": "request.object.metadata.labels.app", "default": "red"}}, {"name": "count", "variable": {"value": 1}}]),
        json!([{"name": "given", "variable": {"value": {"a": ["web", "api"]}, "jmesPath": "a[0]"}}, {"name": "count", "variable": {"jmesPath": "request.object.spec.replicas", "default": 2}}]),
    ])
}

/// One rule.
pub(super) fn rule() -> impl Strategy<Value = Value> {
    let act = prop_oneof![
        4 => validation().prop_map(|validation| ("validate", validation)),
        3 => mutation().prop_map(|mutation| ("mutate", mutation)),
        1 => generation().prop_map(|generation| ("generate", generation)),
    ];
    let exclude = prop::option::weighted(0.25, filters());
    let preconditions = prop::option::weighted(0.25, conditions());
    let variables = prop::option::weighted(0.8, variables());
    (filters(), act, exclude, preconditions, variables).prop_map(
        |(matched, (field, act), exclude, preconditions, variables)| {
            let mut rule = Map::new();
            rule.insert("name".to_owned(), json!("rule"));
            rule.insert("match".to_owned(), matched);
            rule.insert(field.to_owned(), act);
            rule.extend(exclude.map(|filters| ("exclude".to_owned(), filters)));
            rule.extend(preconditions.map(|conditions| ("preconditions".to_owned(), conditions)));
            rule.extend(variables.map(|variables| ("context".to_owned(), variables)));
            Value::Object(rule)
        },
    )
}
