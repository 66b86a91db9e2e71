//! What airtight refuses as the API server would, held against a real API server, kind by kind.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Verb};
use airtight_testkit::refusals;
use serde_json::Value;

use crate::envtest::Real;

/// Where objects of a kind are.
fn path(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap();
    let api = object["apiVersion"].as_str().unwrap();
    let root = if api == "v1" { "/api/v1".to_owned() } else { format!("/apis/{api}") };
    let plural = match kind {
        "NetworkPolicy" => "networkpolicies".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let home = if kind == "Namespace" { "" } else { "/namespaces/default" };
    format!("{root}{home}/{plural}")
}

/// What the API server answers. Ports on nodes are handed out to what is stored alone, so that a Service must be.
fn answer(cluster: &impl Cluster, object: &Value) -> ApiAnswer {
    let (path, stored) = (path(object), object["kind"] == "Service");
    let dry = if stored { "" } else { "&dryRun=All" };
    let create = format!("{path}?fieldValidation=Strict{dry}");
    let answer = cluster.send(&ApiCall { verb: Verb::Create, path: &create, body: Some(object), user: None }).unwrap();
    if stored && answer.accepted() {
        let delete = format!("{path}/{}", answer.body["metadata"]["name"].as_str().unwrap());
        cluster.send(&ApiCall { verb: Verb::Delete, path: &delete, body: None, user: None }).unwrap();
    }
    answer
}

#[test]
fn a_real_api_server_refuses_the_same_objects() {
    let Some(real) = Real::start() else { return };
    let cluster = real.cluster();
    let wrong: Vec<String> = refusals::all()
        .iter()
        .filter_map(|vector| {
            let answer = answer(&cluster, &vector.object);
            (answer.accepted() != vector.refused.is_empty()).then(|| format!("{}: {}", vector.title, answer.words()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
