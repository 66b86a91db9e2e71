//! What is in force is known by state: what a cluster answers, and what is still waited for.

use std::fmt::Write as _;
use std::time::Duration;

use airtight_cluster::wait::{Awaited, NotInForce, Outstanding, Patience, Revisions, wait};
use airtight_testkit::scripted_cluster::{Script, Scripted};
use airtight_testkit::vectors;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WaitVector {
    name: String,
    cluster: Script,
    /// Objects that were applied.
    #[serde(default)]
    applied: Vec<Value>,
    /// How many policies changed since the revisions were asked for; without it no revision is waited for.
    #[serde(default)]
    changed: Option<u64>,
    /// `in force`, or what is not.
    ends: Vec<String>,
}

const HASTE: Patience = Patience {
    within: Duration::from_millis(200),
    first_pause: Duration::from_millis(2),
    longest_pause: Duration::from_millis(50),
};

fn ends(vector: &WaitVector) -> Vec<String> {
    let cluster = Scripted::new(vector.cluster.clone());
    let mut awaited: Vec<Awaited> = vector.applied.iter().filter_map(Awaited::of_object).collect();
    if let Some(changed) = vector.changed {
        match Revisions::now(&cluster) {
            Ok(before) => awaited.extend(Awaited::revisions(&before, changed)),
            Err(error) => return vec![format!("no revision: {error}")],
        }
    }
    let list = |verdict: &str, outstanding: &[Outstanding]| {
        outstanding.iter().map(|each| format!("{verdict}: {each}")).collect::<Vec<_>>()
    };
    match wait(&cluster, &awaited, HASTE) {
        Ok(_) => vec![format!("in force: {}", awaited.len())],
        Err(NotInForce::Rejected(rejected)) => list("rejected", &rejected),
        Err(NotInForce::Deadline { pending, .. }) => list("pending", &pending),
    }
}

#[test]
fn what_is_in_force_is_known_by_state() {
    let mut wrong = String::new();
    for (file, vector) in vectors::listed::<WaitVector>("tests/vectors/convergence") {
        let seen = ends(&vector);
        if seen != vector.ends {
            let _ = writeln!(wrong, "{file}: {}\n  ends: {seen:#?}", vector.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
