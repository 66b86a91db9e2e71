//! Kyverno's admission against vectors: policies, a request and the expected review side by side.
//!
//! Each document of `tests/vectors/*.yaml` is one case. What a case does not expect must not happen.

#![expect(clippy::unwrap_used, reason = "a broken vector fails its test")]

use std::sync::Arc;

use airtight_kyverno::{
    AdmissionRequest, DownstreamEvent, DownstreamFate, Kyverno, KyvernoOptions, Operation, Policies, Review, User,
};
use airtight_manifest::kyverno::{
    CelPolicyException, ClusterPolicy, GeneratingPolicy, MutatingPolicy, PolicyException, ValidatingPolicy,
};
use airtight_manifest::{Document, Labels, Node, Object, RuleRef, decode_object};
use airtight_testkit::{stack, vectors};
use serde_json::{Value, json};

const FOLDER: &str = "tests/vectors";

#[derive(Default)]
struct Objects {
    cluster: Vec<Object<ClusterPolicy>>,
    namespaced: Vec<Object<ClusterPolicy>>,
    validating: Vec<Object<ValidatingPolicy>>,
    mutating: Vec<Object<MutatingPolicy>>,
    generating: Vec<Object<GeneratingPolicy>>,
    exceptions: Vec<Object<PolicyException>>,
    cel_exceptions: Vec<Object<CelPolicyException>>,
    others: Vec<Document>,
}

impl Objects {
    fn read(documents: &[Document]) -> Self {
        let mut objects = Self::default();
        for document in documents {
            let text = |key: &str| document.root.get(key).and_then(Node::as_str).unwrap_or_default();
            match (text("kind"), text("apiVersion").split('/').next().unwrap_or_default()) {
                ("ClusterPolicy", _) => objects.cluster.push(decode_object(document).unwrap()),
                ("Policy", _) => objects.namespaced.push(decode_object(document).unwrap()),
                ("ValidatingPolicy", _) => objects.validating.push(decode_object(document).unwrap()),
                ("MutatingPolicy", _) => objects.mutating.push(decode_object(document).unwrap()),
                ("GeneratingPolicy", _) => objects.generating.push(decode_object(document).unwrap()),
                ("PolicyException", "kyverno.io") => objects.exceptions.push(decode_object(document).unwrap()),
                ("PolicyException", _) => objects.cel_exceptions.push(decode_object(document).unwrap()),
                _ => objects.others.push(document.clone()),
            }
        }
        objects
    }

    fn compile(&self, options: KyvernoOptions, version: &str) -> Kyverno {
        let policies = Policies {
            cluster: &self.cluster,
            namespaced: &self.namespaced,
            validating: &self.validating,
            mutating: &self.mutating,
            generating: &self.generating,
            exceptions: &self.exceptions,
            cel_exceptions: &self.cel_exceptions,
            roles: &self.others,
        };
        Kyverno::compile(policies, options, &stack::with(|versions| versions.kyverno = version.parse().unwrap()))
    }
}

fn document(file: &Arc<str>, node: &Node) -> Document {
    Document { file: Arc::clone(file), root: node.clone().into() }
}

fn documents(case: &Document, key: &str) -> Vec<Document> {
    let nodes = case.root.get(key).and_then(Node::as_list).unwrap_or_default();
    nodes.iter().map(|node| document(&case.file, node)).collect()
}

/// The policies written in the case, and those of files that it names.
fn policies(case: &Document) -> Vec<Document> {
    let mut all = documents(case, "policies");
    for file in case.root.get("files").and_then(Node::as_list).unwrap_or_default() {
        all.extend(vectors::File::at(format!("{FOLDER}/{}", file.as_str().unwrap())).documents());
    }
    all
}

fn options(case: &Value) -> KyvernoOptions {
    let written = &case["options"];
    KyvernoOptions {
        exception_namespace: written["exceptionNamespace"].as_str().map(str::to_owned),
        protect_managed_resources: written["protectManagedResources"] == true,
        ..KyvernoOptions::default()
    }
}

fn user(written: &Value) -> User {
    if written.is_null() {
        return User::admin();
    }
    let texts = |key: &str| {
        written[key]
            .as_array()
            .map(|items| items.iter().map(|item| item.as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    User {
        name: written["name"].as_str().unwrap_or("someone").to_owned(),
        groups: texts("groups").unwrap_or_default(),
        roles: texts("roles"),
        cluster_roles: texts("clusterRoles"),
    }
}

fn labels(written: &Value) -> Labels {
    written.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect()
}

fn name(rule: &RuleRef) -> String {
    match &rule.rule {
        Some(path) => format!("{} {path}", rule.object.name),
        None => rule.object.name.to_string(),
    }
}

fn names(rules: &[RuleRef]) -> Value {
    rules.iter().map(|rule| Value::from(name(rule))).collect()
}

/// Kyverno's own labels are of no interest to a vector.
fn without_own_labels(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut()
        && let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut)
    {
        labels.retain(|key, _| !key.starts_with("generate.kyverno.io/") && key != "app.kubernetes.io/managed-by");
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
    object
}

/// The review in the form in which vectors write it; empty parts are left out.
fn shown(review: &Review) -> Value {
    let mut shown = serde_json::Map::new();
    if let Some(refusal) = &review.refused {
        shown.insert("refused".to_owned(), names(&refusal.rules));
        assert_eq!(refusal.rules.first(), Some(&refusal.rule));
    }
    if let Some(document) = &review.mutated {
        shown.insert("mutated".to_owned(), document.root.to_json());
    }
    let generated: Vec<Value> =
        review.generated.iter().map(|made| without_own_labels(made.document.root.to_json())).collect();
    let unknown: Vec<RuleRef> = review.unknown.iter().map(|unknown| unknown.rule.clone()).collect();
    for (key, value) in [
        ("generated", Value::Array(generated)),
        ("mutations", names(&review.mutations)),
        ("audit", names(&review.audit)),
        ("unknown", names(&unknown)),
        ("released", names(&review.released)),
    ] {
        if value.as_array().is_some_and(|items| !items.is_empty()) {
            shown.insert(key.to_owned(), value);
        }
    }
    Value::Object(shown)
}

fn check(case: &Document) -> Result<(), String> {
    let written = case.root.to_json();
    let version = written["kyverno"].as_str().unwrap_or("1.14.4");
    let objects = Objects::read(&policies(case));
    let kyverno = objects.compile(options(&written), version);
    let found: Vec<&str> = kyverno
        .findings()
        .iter()
        .map(|finding| finding.code.as_str())
        .filter(|code| {
            written["findings"].is_array()
                || !matches!(*code, "audit-by-default" | "deprecated-kind" | "derived-admission-policy")
        })
        .collect();
    same("findings", &json!(found), &written["findings"])?;
    if let Some(request) = case.root.get("request") {
        check_request(case, &kyverno, &written, request)?;
    }
    check_fates(&kyverno, &objects, &written)
}

fn check_request(case: &Document, kyverno: &Kyverno, written: &Value, request: &Node) -> Result<(), String> {
    let json = request.to_json();
    let object = request.get("object").map(|node| document(&case.file, node));
    let old = request.get("old").map(|node| document(&case.file, node));
    let existing = documents(case, "existing");
    let (user, namespace_labels) = (user(&json["user"]), labels(&json["namespaceLabels"]));
    let operation = match json["operation"].as_str().unwrap_or("CREATE") {
        "CREATE" => Operation::Create,
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        other => return Err(format!("operation {other}")),
    };
    let review = kyverno.review(&AdmissionRequest {
        operation,
        object: object.as_ref(),
        old: old.as_ref(),
        user: &user,
        namespace_labels: &namespace_labels,
        existing: &existing.iter().map(|document| document.root.to_json().into()).collect(),
    });
    let mut expected = written["expect"].clone();
    if let Some(message) = expected.as_object_mut().and_then(|expected| expected.remove("message")) {
        let said = review.refused.as_ref().map(|refusal| refusal.message.as_str()).unwrap_or_default();
        if !said.contains(message.as_str().unwrap()) {
            return Err(format!("the message `{said}` lacks {message}"));
        }
    }
    let why: Vec<&str> = review.unknown.iter().map(|unknown| unknown.why.as_str()).collect();
    same("review", &shown(&review), &expected)
        .map_err(|error| format!("{error}\nunknown because of {why:?}\n{:?}", review.refused))
}

fn check_fates(kyverno: &Kyverno, objects: &Objects, written: &Value) -> Result<(), String> {
    for entry in written["after"].as_array().into_iter().flatten() {
        let event: DownstreamEvent = serde_json::from_value(entry["event"].clone()).unwrap();
        let expected: DownstreamFate = serde_json::from_value(entry["fate"].clone()).unwrap();
        let fate = kyverno.after(&generating_rule(objects), event);
        if fate != Some(expected) {
            return Err(format!("after {event:?}: {fate:?}, not {expected:?}"));
        }
    }
    Ok(())
}

/// The first rule of the case that generates.
fn generating_rule(objects: &Objects) -> RuleRef {
    let cluster = objects.cluster.iter().find_map(|policy| {
        let rules = policy.body.spec.rules.as_deref().unwrap_or_default();
        let index = rules.iter().position(|rule| rule.generate.is_some())?;
        Some(policy.meta.rule(format!("spec.rules[{index}]"), rules[index].at))
    });
    cluster.unwrap_or_else(|| {
        let policy = objects.generating.first().unwrap();
        policy.meta.rule("spec.generate[0]", policy.body.spec.generate[0].at)
    })
}

fn same(what: &str, actual: &Value, expected: &Value) -> Result<(), String> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if actual == expected || empty(actual) && empty(expected) {
        return Ok(());
    }
    Err(format!("{what}: got\n{actual:#}\nexpected\n{expected:#}"))
}

#[test]
fn every_vector_holds() {
    let mut failures = Vec::new();
    let mut count = 0;
    for file in vectors::files(FOLDER) {
        for case in file.documents() {
            count += 1;
            let name = case.root.get("name").and_then(Node::as_str).unwrap_or("(no name)").to_owned();
            if let Err(error) = check(&case) {
                failures.push(format!("{}: {name}\n{error}", case.location(case.root.at)));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} vectors fail:\n\n{}", failures.len(), failures.join("\n\n"));
    assert!(count > 50, "only {count} vectors were found");
}
