//! Admission of the model against Kyverno's engine, request by request: refused, or how the object comes to be and what is
//! made because of it.

mod expressions;
mod objects;
mod rules;
mod sketch;

use airtight_kyverno::{
    AdmissionRequest, Existing, Kyverno as Model, KyvernoOptions, Operation, Policies, Review, User, completed,
};
use airtight_manifest::kyverno::{ClusterPolicy, PolicyException, ValidatingPolicy};
use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Document, Failure, Labels, Object, Resource, decode_resource};
use airtight_testkit::{stack, worlds};
use proptest::strategy::{BoxedStrategy, Strategy as _};
use serde::Serialize;
use serde_json::{Value, json};

use self::objects::{Asked, NAMESPACES};
use self::sketch::Sketch;
use crate::comparison::{Difference, Engine};
use crate::oracle::Oracle;
use crate::question::Answer;
use crate::tally::Tally;

/// Kyverno's engine, as its webhooks call it.
pub(crate) struct Kyverno;

/// Policies, and what somebody asks of the API server.
#[derive(Serialize)]
struct Question<'a> {
    policies: &'a [Value],
    requests: &'a [Asked],
    namespaces: Value,
}

impl Engine for Kyverno {
    const NAME: &'static str = "Kyverno";
    const OUT_OF_SCOPE: &'static [&'static str] = &[
        "what the engine asks a cluster or a registry: `apiCall`, `globalReference`, `imageRegistry`, `verifyImages`, clones",
        "what its webhook asks a cluster about a policy: whether kinds and permissions are there",
        "what deletions make; `namespaceObject` in rules, for which the engine asks the cluster",
        "what Go's maps decide: the order of policies, and which of several labels a key with wildcards stands for",
        "MutatingPolicies and GeneratingPolicies, and exceptions to ValidatingPolicies",
        "webhooks' selectors and resource filters, which the API server and the configuration decide",
    ];
    type Sketch = Sketch;

    fn sketches() -> BoxedStrategy<Sketch> {
        sketch::sketch().boxed()
    }

    fn ask(sketch: &Sketch, stack: &str, oracle: &mut Oracle) -> Result<(Tally, Vec<Difference>), Failure> {
        let stack = stack::shipped(stack);
        let installed = Installed::read(&served(sketch.policies(), &stack));
        let model = installed.compile(&stack);
        let asked: Vec<Asked> = sketch.asked().iter().map(filled).collect();
        let question = Question { policies: &installed.written, requests: &asked, namespaces: namespaces() };
        let answer: Answer = oracle.ask(&question)?;
        let mut tally = Tally::default();
        let mut differences = installed.refusals(&stack, &answer, &mut tally);
        if differences.is_empty() {
            for (asked, engine) in asked.iter().zip(&answer.verdicts) {
                differences.extend(one(asked, &model, engine, &mut tally));
            }
        }
        tally.disagreed = differences.len() as u64;
        Ok((tally, differences))
    }
}

/// ValidatingPolicies in the version that this Kyverno serves.
fn served(mut policies: Vec<Value>, stack: &Stack) -> Vec<Value> {
    let kyverno = &stack.versions.kyverno;
    let version = if (kyverno.major, kyverno.minor) < (1, 17) { "v1alpha1" } else { "v1" };
    for policy in policies.iter_mut().filter(|policy| policy["kind"] == "ValidatingPolicy") {
        policy["apiVersion"] = Value::from(format!("policies.kyverno.io/{version}"));
    }
    policies
}

/// The policies that the API server takes.
#[derive(Default)]
struct Installed {
    written: Vec<Value>,
    resources: Vec<Resource>,
    roles: Vec<Document>,
}

impl Installed {
    fn read(policies: &[Value]) -> Self {
        let mut installed = Self { roles: worlds::documents(&[everything_allowed()]), ..Self::default() };
        for (policy, document) in policies.iter().zip(worlds::documents(policies)) {
            if let Ok(resource) = decode_resource(&document) {
                installed.written.push(policy.clone());
                installed.resources.push(resource);
            }
        }
        installed
    }

    fn compile(&self, stack: &Stack) -> Model {
        compile(&self.resources, &self.roles, stack)
    }

    /// Policies that one refuses and the other does not.
    fn refusals(&self, stack: &Stack, answer: &Answer, tally: &mut Tally) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (index, (policy, resource)) in self.written.iter().zip(&self.resources).enumerate() {
            let alone = compile(std::slice::from_ref(resource), &self.roles, stack);
            let model = alone.findings().iter().find(|finding| finding.is_error());
            let engine = answer.refused.get(&index);
            if model.is_some() == engine.is_some() {
                tally.agreed += 1;
            } else {
                differences.push(Difference {
                    what: format!("policy {}", policy["metadata"]["name"]),
                    model: model.map_or_else(|| "taken".to_owned(), said),
                    engine: engine.cloned().unwrap_or_else(|| "taken".to_owned()),
                });
            }
        }
        differences
    }
}

fn said(finding: &Diagnostic) -> String {
    format!("{}: {}", finding.code, finding.message)
}

/// The background controller may do everything.
fn everything_allowed() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "all", "labels": {"rbac.kyverno.io/aggregate-to-background-controller": "true"}},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    })
}

fn compile(resources: &[Resource], roles: &[Document], stack: &Stack) -> Model {
    let mut cluster: Vec<Object<ClusterPolicy>> = Vec::new();
    let mut namespaced: Vec<Object<ClusterPolicy>> = Vec::new();
    let mut validating: Vec<Object<ValidatingPolicy>> = Vec::new();
    let mut exceptions: Vec<Object<PolicyException>> = Vec::new();
    for resource in resources {
        if let Resource::ClusterPolicy(policy) = resource {
            cluster.push(policy.clone());
        } else if let Resource::Policy(policy) = resource {
            namespaced.push(policy.clone());
        } else if let Resource::ValidatingPolicy(policy) = resource {
            validating.push(policy.clone());
        } else if let Resource::PolicyException(exception) = resource {
            exceptions.push(exception.clone());
        }
    }
    let policies = Policies {
        cluster: &cluster,
        namespaced: &namespaced,
        validating: &validating,
        exceptions: &exceptions,
        roles,
        ..Policies::default()
    };
    let options = KyvernoOptions { exception_namespace: Some("*".to_owned()), ..KyvernoOptions::default() };
    Model::compile(policies, options, stack)
}

fn namespaces() -> Value {
    Value::Object(NAMESPACES.iter().map(|(name, _)| ((*name).to_owned(), json!(labels_of(name)))).collect())
}

fn labels_of(namespace: &str) -> Labels {
    let team = NAMESPACES.iter().find(|(name, _)| *name == namespace).map(|(_, team)| *team);
    let own = [("team", team), ("kubernetes.io/metadata.name", team.map(|_| namespace))];
    own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect()
}

fn document(object: &Value) -> Document {
    worlds::documents(std::slice::from_ref(object)).remove(0)
}

/// What admission sees of a request.
fn filled(asked: &Asked) -> Asked {
    let fill =
        |object: &Option<Value>| object.as_ref().map(|object| completed(&document(object), &Existing::default()));
    Asked { operation: asked.operation, object: fill(&asked.object), old: fill(&asked.old) }
}

/// Counts one request.
fn one(asked: &Asked, model: &Model, engine: &str, tally: &mut Tally) -> Option<Difference> {
    let (object, old) = (asked.object.as_ref().map(document), asked.old.as_ref().map(document));
    let shown = asked.object.as_ref().or(asked.old.as_ref())?;
    let review = model.review(&AdmissionRequest {
        operation: match asked.operation {
            "CREATE" => Operation::Create,
            "UPDATE" => Operation::Update,
            _ => Operation::Delete,
        },
        object: object.as_ref(),
        old: old.as_ref(),
        user: &User { roles: Some(Vec::new()), ..User::admin() },
        namespace_labels: &labels_of(shown["metadata"]["namespace"].as_str().unwrap_or_default()),
        existing: &Existing::default(),
    });
    if let Some(unknown) = review.unknown.first() {
        *tally.unknown.entry(crate::cilium::why(&unknown.why)).or_default() += 1;
        return None;
    }
    if engine.starts_with("unasked") {
        *tally.unasked.entry(engine.to_owned()).or_default() += 1;
        return None;
    }
    let said = outcome(&review, asked);
    let engine = read(engine);
    if said == engine {
        tally.agreed += 1;
        return None;
    }
    let what = format!("{} {shown}", asked.operation);
    Some(Difference { what, model: said.to_string(), engine: engine.to_string() })
}

/// What the model says comes of a request.
fn outcome(review: &Review, asked: &Asked) -> Value {
    if review.refused.is_some() {
        return Value::from("refused");
    }
    let object = review
        .mutated
        .as_ref()
        .map(|mutated| completed(mutated, &Existing::default()))
        .or_else(|| asked.object.clone());
    let kept = review.generated.iter().filter(|_| asked.operation != "DELETE");
    let generated = kept.map(|made| made.document.root.to_json()).collect();
    json!({"object": object, "generated": bare(generated)})
}

/// What the engine says, which does not fill in.
fn read(engine: &str) -> Value {
    let Ok(mut said) = serde_json::from_str::<Value>(engine) else { return Value::from(engine) };
    if said["object"].is_object() {
        said["object"] = completed(&document(&said["object"]), &Existing::default());
    }
    let generated = said["generated"].as_array().cloned().unwrap_or_default();
    said["generated"] = bare(generated);
    said
}

/// Generated objects in one order, without the labels by which Kyverno finds them again.
fn bare(mut generated: Vec<Value>) -> Value {
    for object in &mut generated {
        let Some(metadata) = object["metadata"].as_object_mut() else { continue };
        let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) else { continue };
        labels.retain(|key, _| !key.starts_with("generate.kyverno.io/") && key != "app.kubernetes.io/managed-by");
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
    generated.sort_by_key(|object| format!("{}/{}", object["metadata"]["namespace"], object["metadata"]["name"]));
    Value::Array(generated)
}
