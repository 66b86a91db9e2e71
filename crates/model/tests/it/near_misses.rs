//! Vectors of near misses: what a default deny is nearly spared by, and what is found about such a policy.

use std::sync::Arc;

use airtight_manifest::yaml;
use airtight_model::path::{Destination, Engine, Flow, Source};
use airtight_model::world::{Protocol, build};
use airtight_testkit::{stack, vectors, worlds};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    policy: serde_json::Value,
    from: String,
    near: Vec<String>,
    #[serde(default)]
    finds: Vec<String>,
}

const WORLD: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops, labels: {team: ops}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: ops, labels: {app: probe}}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
";

#[test]
fn the_nearest_rules_are_named_with_what_keeps_them_from_allowing() {
    for (_, vector) in vectors::listed::<Vector>("tests/vectors/near") {
        let documents = yaml::parse(&Arc::from("manifests.yaml"), &format!("{WORLD}{}", vector.policy)).unwrap();
        let built = build(&documents, &worlds::environment(), stack::shipped("reference")).unwrap();
        let (namespace, name) = vector.from.split_once('/').unwrap();
        let flow = Flow {
            from: Source::Workload(namespace.to_owned(), name.to_owned()),
            to: Destination::Pod("shop".to_owned(), "api".to_owned()),
            protocol: Protocol::Tcp,
            port: Some(8080),
            request: None,
            tls: None,
            after: Vec::new(),
        };
        let engine = Engine::compile(&built.world);
        assert!(engine.trace(&flow).unwrap().checks().all(|check| check.decision.near.is_empty()), "{}", vector.name);
        let trace = engine.suggesting().trace(&flow).unwrap();
        let near = &trace.denial().unwrap().decision.near;
        let told: Vec<String> = near
            .iter()
            .map(|miss| format!("{} {}: {}", miss.rule.object, miss.rule.rule.as_deref().unwrap_or_default(), miss.but))
            .collect();
        assert_eq!(told, vector.near, "{}", vector.name);
        let findings: Vec<String> = engine
            .findings()
            .iter()
            .map(|finding| {
                format!("{}: {}; {}", finding.code, finding.message, finding.hint.as_deref().unwrap_or_default())
            })
            .collect();
        for found in &vector.finds {
            assert!(findings.contains(found), "{}: {findings:#?}", vector.name);
        }
    }
}
