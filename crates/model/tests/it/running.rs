//! Vectors of objects that were read from a cluster: pods as they run, what nobody reads, and what could not be read.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use std::sync::Arc;

use airtight_manifest::{Node, Position, stack::Stack, yaml};
use airtight_model::path::{Destination, End, Engine, Flow, Source};
use airtight_model::world::{Built, Protocol, build};
use airtight_testkit::{stack, vectors, worlds};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    title: String,
    objects: Vec<Value>,
    /// Options of the stack's components.
    #[serde(default)]
    stack: Value,
    /// All pods but the resolver's, as `namespace/name address`.
    #[serde(default)]
    pods: Option<Vec<String>>,
    #[serde(default)]
    flows: Vec<Tried>,
    /// Parts of findings.
    #[serde(default)]
    says: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    from: String,
    /// A pod, or with `service/` before it a Service.
    to: String,
    port: u16,
    /// `through`, `denied` or `unknown`.
    ends: String,
}

fn ending(built: &Built, tried: &Tried) -> String {
    let split = |text: &str| {
        let (namespace, name) = text.split_once('/').unwrap();
        (namespace.to_owned(), name.to_owned())
    };
    let (namespace, name) = split(&tried.from);
    let to = match tried.to.strip_prefix("service/") {
        Some(service) => split(service),
        None => split(&tried.to),
    };
    let is_service = tried.to.starts_with("service/");
    let to = if is_service { Destination::Service(to.0, to.1) } else { Destination::Pod(to.0, to.1) };
    let flow = Flow {
        from: Source::Workload(namespace, name),
        to,
        protocol: Protocol::Tcp,
        port: Some(tried.port),
        request: None,
        tls: None,
        after: Vec::new(),
    };
    match Engine::compile(&built.world).trace(&flow).unwrap().end {
        End::Unknown(_) => "unknown".to_owned(),
        End::Outcome(outcome) if outcome.to_string() == "connected" => "through".to_owned(),
        End::Outcome(_) => "denied".to_owned(),
    }
}

fn stack_of(options: &Value) -> Stack {
    let document = stack::document("reference");
    let mut json = document.root.to_json();
    for (component, fields) in options.as_object().into_iter().flatten() {
        for (field, value) in fields.as_object().unwrap() {
            json["spec"][component][field] = value.clone();
        }
    }
    let root = Node::from_json(&json, Position { line: 1, column: 1 });
    Stack::read(&airtight_manifest::Document { root: Arc::new(root), ..document }).unwrap()
}

fn world(vector: &Vector) -> Built {
    let text: Vec<String> = vector.objects.iter().map(|object| json!(object).to_string()).collect();
    let documents = yaml::parse(&Arc::from("cluster.yaml"), &text.join("\n---\n")).unwrap();
    build(&documents, &worlds::environment(), stack_of(&vector.stack)).unwrap()
}

#[test]
fn what_runs_in_a_cluster_is_there_as_it_runs() {
    let mut wrong = Vec::new();
    for (file, vector) in vectors::listed::<Vector>("tests/vectors/running") {
        let built = world(&vector);
        let mut complain = |what: String| wrong.push(format!("{file}: {}: {what}", vector.title));
        let pods = built.world.pods.iter().filter(|pod| &*pod.namespace != "kube-system");
        let pods: Vec<String> =
            pods.map(|pod| format!("{}/{} {}", pod.namespace, pod.name, pod.addresses[0])).collect();
        if let Some(expected) = vector.pods.as_ref().filter(|expected| **expected != pods) {
            complain(format!("pods {pods:?}, not {expected:?}"));
        }
        for tried in &vector.flows {
            let found = ending(&built, tried);
            if found != tried.ends {
                complain(format!("{} to {}:{} ends {found}, not {}", tried.from, tried.to, tried.port, tried.ends));
            }
        }
        for said in &vector.says {
            if !built.findings.iter().any(|finding| finding.message.contains(said)) {
                complain(format!("nobody says `{said}`: {:#?}", built.findings));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
