//! Any text as an expression, at each place of a policy that takes one: JMESPath in variables and conditions, CEL in
//! validation, match conditions and policies of CEL alone, patterns, wildcards, and templates of paths.
#![no_main]

use std::sync::LazyLock;

use airtight_manifest::stack::Stack;
use airtight_model::world::{Environment, build};
use airtight_testkit::{stack, worlds};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static STACK: LazyLock<Stack> = LazyLock::new(|| stack::shipped("latest"));
static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(worlds::environment);

fuzz_target!(|bytes: &[u8]| {
    let Some((place, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let objects = [namespace(), pod(), policy(*place, text)];
    if let Ok(built) = build(&worlds::documents(&objects), &ENVIRONMENT, STACK.clone()) {
        let _ = airtight_model::path::Engine::compile(&built.world).findings();
    }
});

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app", "labels": {"team": "red"}}})
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "app", "labels": {"app": "web"}, "annotations": {"size": "3"}},
        "spec": {"containers": [{"name": "c", "image": "example.com/c:v1", "ports": [{"containerPort": 8080}]}]}})
}

fn policy(place: u8, text: &str) -> Value {
    let cluster = |rule: Value| {
        let mut rule = rule;
        rule["name"] = "r".into();
        rule["match"] = json!({"any": [{"resources": {"kinds": ["Pod"]}}]});
        json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
            "spec": {"validationFailureAction": "Enforce", "background": false, "rules": [rule]}})
    };
    let refuse = json!({"message": "no", "deny": {}});
    match place % 8 {
        0 => cluster(json!({"preconditions": {"all": [{"key": format!("{{{{ {text} }}}}"), "operator": "Equals", "value": "x"}]},
            "validate": refuse})),
        1 => cluster(json!({"context": [{"name": "v", "variable": {"jmesPath": text, "default": 1}}],
            "validate": {"message": "{{ v }}", "deny": {"conditions": {"any": [{"key": "{{ v }}", "operator": "GreaterThan", "value": 1}]}}}})),
        2 => cluster(json!({"validate": {"message": "no", "cel": {"expressions": [{"expression": text}]}}})),
        3 => cluster(json!({"validate": {"message": "no", "pattern": {"metadata": {"labels": {text: text}}}}})),
        4 => cluster(json!({"celPreconditions": [{"name": "c", "expression": text}], "validate": {"message": "no",
            "cel": {"expressions": [{"expression": "true", "messageExpression": text}]}}})),
        5 => json!({"apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy", "metadata": {"name": "p"},
            "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
                "variables": [{"name": "v", "expression": text}], "validations": [{"expression": "variables.v == 1"}]}}),
        6 => json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p", "namespace": "app"},
            "spec": {"rules": [{"to": [{"operation": {"paths": [text], "hosts": [text]}}], "when": [{"key": text, "values": [text]}]}]}}),
        _ => json!({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "p", "namespace": "app"},
            "spec": {"endpointSelector": {}, "egress": [{"toFQDNs": [{"matchPattern": text}], "toPorts": [{"ports": [{"port": text}],
                "rules": {"http": [{"path": text, "method": text}]}}]}]}}),
    }
}
