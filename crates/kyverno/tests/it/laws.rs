//! Laws of Kyverno's admission, over generated policies and objects.

#![expect(clippy::unwrap_used, reason = "a broken fixture fails its test")]

use std::sync::Arc;

use airtight_kyverno::{AdmissionRequest, Existing, Kyverno, KyvernoOptions, Operation, Policies, Review, User};
use airtight_manifest::kyverno::ClusterPolicy;
use airtight_manifest::stack::Stack;
use airtight_manifest::{Document, Labels, Object, decode_object, yaml};
use airtight_testkit::stack;
use proptest::prelude::*;
use serde_json::{Value, json};

fn on(kyverno: &str) -> Stack {
    stack::with(|versions| versions.kyverno = kyverno.parse().unwrap())
}

fn document(value: &Value) -> Document {
    yaml::parse(&Arc::from("law.yaml"), &value.to_string()).unwrap().remove(0)
}

fn policy(value: &Value) -> Object<ClusterPolicy> {
    decode_object(&document(value)).unwrap()
}

fn cluster_policy(name: &str, rule: &Value) -> Value {
    json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name}, "spec": {"background": false, "rules": [rule]}})
}

fn compiled(policies: &[Object<ClusterPolicy>]) -> Kyverno {
    Kyverno::compile(Policies { cluster: policies, ..Policies::default() }, KyvernoOptions::default(), &on("1.19.0"))
}

/// What policies do that Kyverno takes.
fn review(policies: &[Object<ClusterPolicy>], object: &Value) -> Review {
    let kyverno = compiled(policies);
    assert!(kyverno.findings().iter().all(|finding| !finding.is_error()), "{:?}", kyverno.findings());
    asked(&kyverno, object)
}

fn asked(kyverno: &Kyverno, object: &Value) -> Review {
    let document = document(object);
    kyverno.review(&AdmissionRequest {
        operation: Operation::Create,
        object: Some(&document),
        old: None,
        user: &User::admin(),
        namespace_labels: &Labels::new(),
        existing: &Existing::default(),
    })
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "web-1", "web-2", "mcp-a", "mcp-b"]).prop_map(str::to_owned)
}

fn pattern() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["*", "a", "web-*", "mcp-?", "?", "none"]).prop_map(str::to_owned)
}

fn labels() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(
        prop::sample::select(vec!["app", "team", "tier"]),
        prop::sample::select(vec!["x", "y"]),
        0..3,
    )
    .prop_map(|labels| json!(labels))
}

prop_compose! {
    fn object()(kind in prop::sample::select(vec![("v1", "Service"), ("v1", "ConfigMap"), ("cilium.io/v2", "CiliumNetworkPolicy")]),
        name in name(), namespace in name(), labels in labels()) -> Value {
        json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": {"a": 1}})
    }
}

prop_compose! {
    fn filter()(kind in prop::sample::select(vec!["Service", "ConfigMap", "CiliumNetworkPolicy", "*", "v1/*"]),
        names in prop::option::of(pattern()), namespaces in prop::option::of(pattern()), selector in prop::option::of(labels())) -> Value {
        let mut resources = json!({"kinds": [kind]});
        if let Some(names) = names { resources["names"] = json!([names]); }
        if let Some(namespaces) = namespaces { resources["namespaces"] = json!([namespaces]); }
        if let Some(labels) = selector { resources["selector"] = json!({"matchLabels": labels}); }
        json!({"resources": resources})
    }
}

fn overlay() -> impl Strategy<Value = Value> {
    prop_oneof![
        labels().prop_map(|labels| json!({"metadata": {"labels": labels}})),
        Just(json!({"metadata": {"labels": {"(app)": "x", "team": "z"}}})),
        Just(json!({"metadata": {"annotations": {"note": "1"}}, "spec": {"list": [1, 2]}})),
        Just(json!({"spec": {"(a)": ">0", "b": {"c": "d"}}})),
        Just(json!({"spec": {"a": null}})),
        Just(json!({"spec": {"<(a)": "1", "e": true}})),
    ]
}

proptest! {
    #![proptest_config(airtight_testkit::random::cases(128))]

    #[test]
    fn a_policy_that_does_not_select_an_object_does_nothing(object in object(), filter in filter(), overlay in overlay()) {
        let refuse = policy(&cluster_policy("p", &json!({"name": "r", "match": {"any": [filter]}, "validate": {"failureAction": "Enforce", "message": "m", "deny": {}}})));
        if review(&[refuse], &object).refused.is_none() {
            let mutate = policy(&cluster_policy("m", &json!({"name": "r", "match": {"any": [filter]}, "mutate": {"patchStrategicMerge": overlay}})));
            prop_assert_eq!(asked(&compiled(&[mutate]), &object), Review::default());
        }
    }

    #[test]
    fn exclude_beats_match(object in object(), matched in filter(), excluded in filter()) {
        let rule = |exclude: Value| {
            let mut rule = json!({"name": "r", "match": {"any": [matched]}, "validate": {"failureAction": "Enforce", "message": "m", "deny": {}}});
            if !exclude.is_null() { rule["exclude"] = json!({"any": [exclude]}); }
            policy(&cluster_policy("p", &rule))
        };
        let selected = |filter: &Value| {
            let rule = json!({"name": "r", "match": {"any": [filter]}, "validate": {"failureAction": "Enforce", "message": "m", "deny": {}}});
            review(&[policy(&cluster_policy("p", &rule))], &object).refused.is_some()
        };
        // A policy that excludes just what it matches is refused by the webhook, and then refuses nothing itself.
        let refused = asked(&compiled(&[rule(excluded.clone())]), &object).refused.is_some();
        prop_assert_eq!(refused, selected(&matched) && !selected(&excluded));
    }

    #[test]
    fn any_is_a_union_and_all_an_intersection(object in object(), a in filter(), b in filter()) {
        let refused = |block: Value| {
            let rule = json!({"name": "r", "match": block, "validate": {"failureAction": "Enforce", "message": "m", "deny": {}}});
            review(&[policy(&cluster_policy("p", &rule))], &object).refused.is_some()
        };
        let (one, other) = (refused(json!({"any": [a]})), refused(json!({"any": [b]})));
        prop_assert_eq!(refused(json!({"any": [a, b]})), one || other);
        prop_assert_eq!(refused(json!({"all": [a, b]})), one && other);
    }

    #[test]
    fn a_strategic_merge_without_add_anchors_is_idempotent(object in object(), overlay in overlay()) {
        let rule = json!({"name": "r", "match": {"any": [{"resources": {"kinds": ["Service", "ConfigMap", "CiliumNetworkPolicy"]}}]}, "mutate": {"patchStrategicMerge": overlay}});
        let policies = [policy(&cluster_policy("p", &rule))];
        if let Some(once) = review(&policies, &object).mutated {
            prop_assert_eq!(review(&policies, &once.root.to_json()), Review::default());
        }
    }

    #[test]
    fn the_order_of_policies_does_not_matter(object in object(), filters in prop::collection::vec(filter(), 1..5)) {
        let mut policies: Vec<_> = filters.iter().enumerate().map(|(index, filter)| {
            let rule = json!({"name": "r", "match": {"any": [filter]}, "validate": {"failureAction": if index % 2 == 0 { "Enforce" } else { "Audit" }, "message": "m", "deny": {}}});
            policy(&cluster_policy(&format!("p{index}"), &rule))
        }).collect();
        let forward = review(&policies, &object);
        policies.reverse();
        prop_assert_eq!(review(&policies, &object), forward);
    }

    #[test]
    fn hostile_expressions_and_patterns_never_panic(expression in "\\PC{0,40}", pattern in "\\PC{0,20}") {
        let rule = json!({"name": "r", "match": {"any": [{"resources": {"kinds": ["Service"], "names": [pattern]}}]},
            "validate": {"failureAction": "Enforce", "message": expression, "deny": {"conditions": {"any": [
                {"key": format!("{{{{ request && ({expression}) }}}}"), "operator": "AnyIn", "value": pattern},
                {"key": pattern, "operator": "GreaterThan", "value": expression}]}}}});
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "a"}});
        let _ = asked(&compiled(&[policy(&cluster_policy("p", &rule))]), &object);
        let rule = json!({"name": "r", "match": {"any": [{"resources": {"kinds": ["Service"]}}]},
            "validate": {"failureAction": "Enforce", "message": "m", "pattern": {"metadata": {"name": pattern}}}});
        let _ = asked(&compiled(&[policy(&cluster_policy("p", &rule))]), &object);
    }
}

#[test]
fn a_mutated_object_keeps_the_places_of_what_was_written() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: a\n  labels:\n    app: x\nspec:\n  ports:\n  - name: web\n    port: 80\n";
    let written = yaml::parse(&Arc::from("service.yaml"), text).unwrap().remove(0);
    let rule = json!({"name": "r", "match": {"any": [{"resources": {"kinds": ["Service"]}}]}, "mutate": {"patchStrategicMerge": {"metadata": {"labels": {"team": "z"}}}}});
    let policies = [policy(&cluster_policy("p", &rule))];
    let kyverno = Kyverno::compile(
        Policies { cluster: &policies, ..Policies::default() },
        KyvernoOptions::default(),
        &on("1.14.4"),
    );
    let reviewed = kyverno.review(&AdmissionRequest {
        operation: Operation::Create,
        object: Some(&written),
        old: None,
        user: &User::admin(),
        namespace_labels: &Labels::new(),
        existing: &Existing::default(),
    });
    let mutated = reviewed.mutated.unwrap();
    let line = |path: &[&str]| path.iter().fold(mutated.root.as_ref(), |node, key| node.get(key).unwrap()).at.line;
    assert_eq!(mutated.file, written.file);
    assert_eq!(line(&["metadata", "labels", "app"]), 7);
    assert_eq!(line(&["metadata", "labels", "team"]), 7, "what is new stands where its mapping begins");
    assert_eq!(
        mutated.root.get("spec").unwrap().get("ports").unwrap().as_list().unwrap()[0].get("port").unwrap().at.line,
        11
    );
}
