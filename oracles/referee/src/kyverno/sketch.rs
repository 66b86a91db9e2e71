//! A question for Kyverno before it is asked: policies, exceptions to them, and requests.

use std::fmt;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::objects::{Asked, asked, namespace};
use super::{expressions, rules};

/// Policies and requests.
#[derive(Clone)]
pub(crate) struct Sketch {
    policies: Vec<Value>,
    exceptions: Vec<Value>,
    asked: Vec<Asked>,
}

impl Sketch {
    /// The policies, named in their order, and the exceptions.
    pub(super) fn policies(&self) -> Vec<Value> {
        let named = self.policies.iter().enumerate().map(|(index, policy)| {
            let mut policy = policy.clone();
            policy["metadata"]["name"] = json!(format!("policy-{index}"));
            for (number, rule) in policy["spec"]["rules"].as_array_mut().into_iter().flatten().enumerate() {
                rule["name"] = json!(format!("rule-{number}"));
            }
            policy
        });
        let exceptions = self.exceptions.iter().enumerate().map(|(index, exception)| {
            let mut exception = exception.clone();
            exception["metadata"]["name"] = json!(format!("exception-{index}"));
            exception
        });
        named.chain(exceptions).collect()
    }

    pub(super) fn asked(&self) -> &[Asked] {
        &self.asked
    }
}

/// One object a line, which is YAML as well.
impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for object in self.policies() {
            writeln!(f, "---\n{object}")?;
        }
        for asked in &self.asked {
            writeln!(f, "--- # {}", asked.operation)?;
            for object in asked.object.iter().chain(&asked.old) {
                writeln!(f, "{object}")?;
            }
        }
        Ok(())
    }
}

/// A policy of rules, in the cluster or in a namespace.
fn of_rules() -> impl Strategy<Value = Value> {
    let options = prop::sample::select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({"failurePolicy": "Ignore"}),
        json!({"applyRules": "One"}),
        json!({"validationFailureAction": "Enforce"}),
        json!({"validationFailureAction": "Audit", "validationFailureActionOverrides": [{"action": "Enforce", "namespaces": ["shop*"]}]}),
        json!({"webhookConfiguration": {"matchConditions": [{"name": "a", "expression": "request.operation == 'CREATE'"}]}}),
        json!({"webhookConfiguration": {"matchConditions": [{"name": "a", "expression": "object.metadata.name.startsWith('web')"}]}}),
    ]);
    let home = prop::option::weighted(0.2, namespace());
    (prop::collection::vec(rules::rule(), 1..=3), options, home).prop_map(|(rules, options, home)| {
        let mut policy =
            json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {}, "spec": options});
        policy["spec"]["background"] = json!(false);
        policy["spec"]["rules"] = json!(rules);
        if let Some(home) = home {
            policy["kind"] = json!("Policy");
            policy["metadata"]["namespace"] = json!(home);
        }
        policy
    })
}

fn exception() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["policy-0", "policy-1"]);
    let rule = prop::sample::select(vec!["rule-0", "rule-*", "*", "autogen-rule-0"]);
    (name, rule, rules::filters(), prop::option::weighted(0.3, rules::conditions())).prop_map(
        |(name, rule, filters, conditions)| {
            let mut exception = json!({
                "apiVersion": "kyverno.io/v2", "kind": "PolicyException", "metadata": {"namespace": "bank"},
                "spec": {"exceptions": [{"policyName": name, "ruleNames": [rule]}], "match": filters},
            });
            if let Some(conditions) = conditions {
                exception["spec"]["conditions"] = conditions;
            }
            exception
        },
    )
}

/// Any policies and requests.
pub(super) fn sketch() -> impl Strategy<Value = Sketch> {
    let policy = prop_oneof![4 => of_rules().boxed(), 1 => expressions::policy().boxed()];
    let exceptions = prop_oneof![
        3 => Just(Vec::new()).boxed(),
        1 => prop::collection::vec(exception(), 1..=2).boxed(),
    ];
    (prop::collection::vec(policy, 1..=3), exceptions, prop::collection::vec(asked(), 1..=6))
        .prop_map(|(policies, exceptions, asked)| Sketch { policies, exceptions, asked })
}
