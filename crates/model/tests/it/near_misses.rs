//! Vectors of near misses: what a default deny is nearly spared by, and what is found about such a policy.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use std::sync::Arc;

use airtight_manifest::{Severity, yaml};
use airtight_model::path::{Destination, Engine, Flow, Source};
use airtight_model::policy::{NearMiss, Request};
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeshVector {
    name: String,
    objects: Vec<serde_json::Value>,
    #[serde(default)]
    from: Option<String>,
    /// Whether a waypoint stands before the Service.
    #[serde(default)]
    waypoint: bool,
    #[serde(default)]
    request: Option<Asked>,
    near: Vec<String>,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    path: String,
}

const MESH: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops, labels: {istio.io/dataplane-mod: ambient}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop, labels: {WAYPOINT}}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: ops, labels: {app: probe}}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
";

impl MeshVector {
    fn manifests(&self) -> String {
        let label = if self.waypoint { "istio.io/use-waypoint: waypoint" } else { "" };
        let objects = self.objects.iter().map(|object| format!("---\n{object}\n"));
        MESH.replace("WAYPOINT", label) + &objects.collect::<String>()
    }

    fn flow(&self) -> Flow {
        let (namespace, name) = self.from.as_deref().unwrap_or("shop/web").split_once('/').unwrap();
        let host = "api.shop.svc.cluster.local".to_owned();
        let request = self.request.as_ref().map(|asked| Request {
            method: asked.method.clone(),
            path: asked.path.clone(),
            host,
            headers: Vec::new(),
            token: None,
        });
        let service = Destination::Service("shop".to_owned(), "api".to_owned());
        let pod = Destination::Pod("shop".to_owned(), "api".to_owned());
        let (to, port) = if self.waypoint { (service, 80) } else { (pod, 8080) };
        Flow {
            from: Source::Workload(namespace.to_owned(), name.to_owned()),
            to,
            protocol: Protocol::Tcp,
            port: Some(port),
            request,
            tls: None,
            after: Vec::new(),
        }
    }
}

#[test]
fn the_nearest_rules_of_the_mesh_are_named_too() {
    for (_, vector) in vectors::listed::<MeshVector>("tests/vectors/near-mesh") {
        let documents = yaml::parse(&Arc::from("manifests.yaml"), &vector.manifests()).unwrap();
        let built = build(&documents, &worlds::environment(), stack::shipped("reference")).unwrap();
        let refused: Vec<_> = built.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(refused.is_empty(), "{}: {refused:?}", vector.name);
        let engine = Engine::compile(&built.world);
        let plain = engine.trace(&vector.flow()).unwrap();
        assert!(plain.checks().all(|check| check.decision.near.is_empty()), "{}", vector.name);
        let trace = engine.suggesting().trace(&vector.flow()).unwrap();
        let denial = trace.denial().unwrap_or_else(|| panic!("{} is not denied: {trace:#?}", vector.name));
        let words = |miss: &NearMiss| {
            format!("{} {}: {}", miss.rule.object, miss.rule.rule.as_deref().unwrap_or_default(), miss.but)
        };
        let told: Vec<String> = denial.decision.near.iter().map(words).collect();
        assert_eq!(told, vector.near, "{}", vector.name);
    }
}
