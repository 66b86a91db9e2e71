//! Mutations of what is no policy: labels that bind an object to a mesh, a waypoint or an isolation, and the fields of
//! Services on which it depends who reaches whom.

use std::collections::BTreeSet;

use airtight_manifest::{Document, Node, NodeValue};
use serde_json::json;

use super::super::edit::{Edit, Step, written};
use super::super::mutant::Operator;
use super::super::subject::binds;
use super::{Mutation, dropped, values};

/// Labels of an object that bind it: each is dropped, and each set to what unbinds it.
pub(super) fn labels(document: &Document, selected: &BTreeSet<String>) -> Vec<Mutation> {
    let kind = document.root.get("kind").and_then(Node::as_str).unwrap_or_default();
    if !matches!(kind, "Namespace" | "Service" | "Gateway" | "ServiceEntry") {
        return Vec::new();
    }
    let labels = document.root.get("metadata").and_then(|metadata| metadata.get("labels"));
    let Some(NodeValue::Map(entries)) = labels.map(|labels| &labels.value) else { return Vec::new() };
    let namespace = kind == "Namespace";
    let mut found = Vec::new();
    for (key, value) in entries {
        let is_binding = if namespace { binds(&key.name, selected) } else { key.name.starts_with("istio.io/") };
        if !is_binding {
            continue;
        }
        let path = ["metadata", "labels", &key.name].map(|step| Step::Key(step.to_owned()));
        found.push(dropped(&path, key.at));
        let text = value.as_str().unwrap_or_default();
        if let Some(other) = unbound(&key.name, text) {
            found.push(values::set(Operator::Flip, &path, value.at, text, json!(other)));
        }
    }
    found
}

fn unbound(key: &str, value: &str) -> Option<&'static str> {
    match (key, value) {
        (_, "true") => Some("false"),
        (_, "false") => Some("true"),
        ("istio.io/use-waypoint" | "istio.io/dataplane-mode", value) if value != "none" => Some("none"),
        _ => None,
    }
}

/// Fields of a Service's spec that may be left out, and mean something else then.
const FIELDS: &[&str] = &[
    "externalTrafficPolicy",
    "internalTrafficPolicy",
    "loadBalancerSourceRanges",
    "publishNotReadyAddresses",
    "trafficDistribution",
];

/// Mutations of a Service: its fields, its selector label by label, its ports, how it is published.
pub(super) fn service(document: &Document) -> Vec<Mutation> {
    let Some(NodeValue::Map(entries)) = document.root.get("spec").map(|spec| &spec.value) else { return Vec::new() };
    let mut found = Vec::new();
    for (key, value) in entries {
        let path = ["spec", &key.name].map(|step| Step::Key(step.to_owned()));
        match (key.name.as_str(), &value.value) {
            (name, _) if FIELDS.contains(&name) => found.push(dropped(&path, key.at)),
            ("selector", NodeValue::Map(labels)) if labels.len() > 1 => {
                let places = labels.iter().map(|(label, _)| (Step::Key(label.name.clone()), label.at));
                found.extend(places.map(|(step, at)| dropped(&[&path[..], &[step]].concat(), at)));
            }
            ("ports", NodeValue::List(items)) if items.len() > 1 => {
                let places = items.iter().enumerate();
                found
                    .extend(places.map(|(index, item)| dropped(&[&path[..], &[Step::Index(index)]].concat(), item.at)));
            }
            ("type", NodeValue::String(text)) if matches!(text.as_str(), "NodePort" | "LoadBalancer") => {
                found.push(Mutation {
                    operator: Operator::Flip,
                    what: format!("`{}`: `{text}` becomes `ClusterIP`", written(&path)),
                    path: path.to_vec(),
                    edit: Edit::Set(json!("ClusterIP")),
                    at: value.at,
                });
            }
            _ => {}
        }
    }
    found
}
