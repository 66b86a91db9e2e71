//! What clusters have installed, and whether they look like production.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use airtight_live::detect::{Installed, looks_like_production, outcomes};
use airtight_model::policy::{Layer, Outcome};
use airtight_testkit::scripted_cluster::{Script, Scripted};
use airtight_testkit::{stack, vectors};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DetectVector {
    name: String,
    cluster: Script,
    /// Parts of what is installed, by JSON pointer.
    installed: BTreeMap<String, Value>,
    absent: BTreeMap<Layer, String>,
    /// What a denied client may see.
    denials: Option<BTreeSet<Outcome>>,
    #[serde(default)]
    findings: Vec<String>,
    observable: BTreeSet<Layer>,
    /// What a denial looks like where the CNI stands alone and nobody tells of it.
    #[serde(default)]
    unobserved: Option<Value>,
    /// Against the pins of the stack `reference`.
    differences: Vec<String>,
}

#[test]
fn what_is_installed_is_seen() {
    let pins = stack::shipped("reference").versions;
    let mut wrong = String::new();
    for (file, vector) in vectors::listed::<DetectVector>("tests/vectors/detect") {
        let installed = Installed::detect(&Scripted::new(vector.cluster));
        let value = serde_json::to_value(&installed).unwrap();
        let seen: BTreeMap<String, Value> = vector
            .installed
            .keys()
            .map(|pointer| (pointer.clone(), value.pointer(pointer).cloned().unwrap_or_default()))
            .collect();
        let differences: Vec<String> = installed
            .differences(&pins)
            .iter()
            .map(|each| {
                let found = each.found.as_ref().map_or("none".to_owned(), ToString::to_string);
                let distance = serde_json::to_value(each.distance).unwrap();
                format!("{} {} for {}: {}", each.component, found, each.pinned, distance.as_str().unwrap())
            })
            .collect();
        let denials = installed.denials().map(|denials| outcomes(&denials));
        let findings = installed.findings();
        let same = seen == vector.installed
            && installed.absent() == vector.absent
            && denials == vector.denials
            && findings == vector.findings
            && installed.observable() == vector.observable
            && installed.unobserved().map(|denials| serde_json::json!(denials)) == vector.unobserved
            && differences == vector.differences;
        if !same {
            let _ = writeln!(
                wrong,
                "{file}: {}\n  installed {seen:#?}\n  absent {:#?}\n  denials {denials:?}\n  findings {findings:#?}\n  observable {:?}\n  unobserved {:?}\n  differences {differences:#?}",
                vector.name,
                installed.absent(),
                installed.observable(),
                installed.unobserved(),
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn production_is_recognised_by_whole_words() {
    let many: Vec<String> = (0..101).map(|index| format!("team-{index}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let server = "https://10.0.0.1:6443";
    for (context, server, namespaces) in [
        ("prod", server, &[][..]),
        ("arn:aws:eks:eu-west-1:1234:cluster/PROD-eu", server, &[]),
        ("gke_acme_europe_live2", server, &[]),
        ("admin", "https://api.production.example.com", &[]),
        ("admin", server, &["default", "shop-prd"]),
        ("admin", server, &many),
    ] {
        assert!(looks_like_production(context, server, namespaces).is_some(), "{context} {server}");
    }
    for (context, server, namespaces) in [
        ("kind-airtight", "https://127.0.0.1:6443/livez/live", &["products", "delivery", "olive"][..]),
        ("non-prod", server, &["pre-prod", "reproduction"]),
        ("staging", server, &many[..100]),
    ] {
        assert_eq!(looks_like_production(context, server, namespaces), None, "{context} {server}");
    }
}
