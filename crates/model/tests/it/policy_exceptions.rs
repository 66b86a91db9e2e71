//! Where Kyverno's PolicyExceptions count: the stack says it, unless the environment does.

#![expect(clippy::unwrap_used, reason = "a document that cannot be read is a failed test")]

use std::sync::Arc;

use airtight_manifest::{Document, yaml};
use airtight_model::world::{Built, Environment, build};
use airtight_testkit::stack;

const MANIFESTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: no-services}
spec: {rules: [{name: r, match: {any: [{resources: {kinds: [Service]}}]}, validate: {failureAction: Enforce, message: refused, deny: {}}}]}
---
apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: spared, namespace: shop}
spec: {exceptions: [{policyName: no-services, ruleNames: [r]}], match: {any: [{resources: {kinds: [Service], names: [spared]}}]}}
---
apiVersion: v1
kind: Service
metadata: {name: spared, namespace: shop}
spec: {ports: [{port: 80}]}
";

fn documents(text: &str) -> Vec<Document> {
    yaml::parse(&Arc::from("input.yaml"), text).unwrap()
}

fn built(stack_says: Option<&str>, environment_says: &str, kyverno: &str) -> Built {
    let environment = format!(
        "apiVersion: airtight.dev/v1alpha1\nkind: Environment\nmetadata: {{name: e}}\nspec:\n  nodes: [{{name: worker, addresses: \
         [172.18.0.3]}}]\n  outside: 192.0.2.10\n  podCidrs: [10.244.0.0/16]\n  serviceCidrs: [10.96.0.0/16]\n{environment_says}"
    );
    let environment = Environment::read(&documents(&environment)[0]).unwrap();
    let mut stack = stack::shipped("reference");
    stack.kyverno.exception_namespace = stack_says.map(str::to_owned);
    stack.versions.kyverno = kyverno.parse().unwrap();
    build(&documents(MANIFESTS), &environment, stack).unwrap()
}

#[test]
fn the_environment_says_it_else_the_stack() {
    for (stack, environment, kyverno, counts) in [
        (None, "", "1.14.4", false),
        (Some("*"), "", "1.14.4", true),
        (Some("shop"), "", "1.14.4", true),
        (Some("platform"), "", "1.14.4", false),
        (Some("*"), "  policyExceptions: {enabled: false}\n", "1.14.4", false),
        (None, "  policyExceptions: {enabled: true, namespace: shop}\n", "1.14.4", true),
        (None, "  policyExceptions: {enabled: true, namespace: '*'}\n", "1.14.4", true),
        (Some("*"), "  policyExceptions: {enabled: true, namespace: platform}\n", "1.14.4", false),
        (Some("*"), "  policyExceptions: {enabled: true}\n", "1.14.4", false),
        (None, "  policyExceptions: {enabled: true}\n", "1.12.6", true),
    ] {
        let built = built(stack, environment, kyverno);
        let case = format!("{stack:?} {environment} {kyverno}");
        assert_eq!(built.world.service("shop", "spared").is_some(), counts, "{case}");
        let told = built.findings.iter().any(|finding| finding.code == "exception-without-effect");
        assert_eq!(told, !counts, "{case}: an exception that does not count is told");
    }
}

#[test]
fn both_stacks_install_what_they_say() {
    for name in ["reference", "latest"] {
        assert_eq!(stack::shipped(name).kyverno.exception_namespace.as_deref(), Some("*"));
    }
}
