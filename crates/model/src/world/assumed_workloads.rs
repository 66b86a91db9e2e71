//! Pods for policies that come without workloads: whom they select, whom they let in, and in each namespace somebody
//! whom they do not know. Otherwise nothing could be said of such a set at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::cilium::CiliumNetworkPolicy;
use airtight_manifest::network::NetworkPolicy;
use airtight_manifest::{Diagnostic, Document, Labels, Node, Object, Position, Resource, Severity, selects};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::json;

use super::intake::{Item, accepted};
use super::ownership::is_live;

/// Where they say that they were written.
const FILE: &str = "built-in/assumed-workloads.yaml";

/// How many pods the note names.
const NAMED: usize = 5;

/// Whoever has none of the labels that policies ask for.
const OTHER: &str = "other";

/// The label by which a namespace is selected by its name, and Cilium's for the same.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
const CILIUM_NAMESPACE: &str = "io.kubernetes.pod.namespace";

/// Pods of which policies speak, by namespace and labels.
#[derive(Debug, Default)]
struct Spoken(BTreeSet<(String, Labels)>);

/// The pods of which the policies among `items` speak; none if there are workloads.
pub(super) fn of(items: &[Item]) -> Vec<Item> {
    // Where nothing runs in a cluster, nothing does.
    if items.iter().any(|item| runs_pods(&item.resource) || is_live(&item.document)) {
        return Vec::new();
    }
    let mut spoken = Spoken::default();
    for item in items {
        match &item.resource {
            Resource::NetworkPolicy(policy) => spoken.network_policy(policy, items),
            Resource::CiliumNetworkPolicy(policy) => spoken.cilium_policy(policy),
            _ => {}
        }
    }
    spoken.made()
}

fn runs_pods(resource: &Resource) -> bool {
    matches!(
        resource,
        Resource::Pod(_)
            | Resource::Deployment(_)
            | Resource::StatefulSet(_)
            | Resource::DaemonSet(_)
            | Resource::ReplicaSet(_)
            | Resource::Job(_)
            | Resource::CronJob(_)
    )
}

impl Spoken {
    fn add(&mut self, namespace: &str, labels: Labels) {
        self.0.insert((namespace.to_owned(), labels));
    }

    fn network_policy(&mut self, policy: &Object<NetworkPolicy>, items: &[Item]) {
        let home = policy.meta.namespace();
        let spec = &policy.body.spec;
        self.add(home, Labels::new());
        self.add(home, wanted(&spec.pod_selector));
        let inward = spec.ingress.iter().flatten().flat_map(|rule| rule.from.iter().flatten());
        let outward = spec.egress.iter().flatten().flat_map(|rule| rule.to.iter().flatten());
        for peer in inward.chain(outward) {
            for namespace in homes(peer, home, items) {
                self.add(&namespace, peer.pod_selector.as_ref().map(wanted).unwrap_or_default());
            }
        }
    }

    fn cilium_policy(&mut self, policy: &Object<CiliumNetworkPolicy>) {
        let home = policy.meta.namespace();
        self.add(home, Labels::new());
        for (_, rule) in policy.body.rules() {
            let sections = rule.sections();
            let peers = sections.iter().flat_map(|section| section.endpoints.into_iter().flatten());
            let selectors = rule.endpoint_selector.iter().chain(peers);
            for selector in selectors {
                if let Some((namespace, labels)) = plain(&wanted(selector)) {
                    self.add(namespace.as_deref().unwrap_or(home), labels);
                }
            }
        }
    }

    fn made(&self) -> Vec<Item> {
        let mut taken = BTreeSet::new();
        let pods = self.0.iter().filter_map(|(namespace, labels)| {
            let stem = labels.values().find(|value| is_name(value)).map_or(OTHER, String::as_str);
            let numbered = (2..).map(|number| format!("{stem}-{number}"));
            let mut names = std::iter::once(stem.to_owned()).chain(numbered);
            let name = names.find(|name| taken.insert((namespace.clone(), name.clone())))?;
            pod(namespace, &name, labels)
        });
        pods.collect()
    }
}

/// Labels that satisfy a selector.
fn wanted(selector: &LabelSelector) -> Labels {
    let mut labels: Labels = selector.match_labels.clone().unwrap_or_default();
    for requirement in selector.match_expressions.iter().flatten() {
        let first = requirement.values.iter().flatten().next();
        match (requirement.operator.as_str(), first) {
            ("In", Some(value)) => labels.insert(requirement.key.clone(), value.clone()),
            ("Exists", _) => labels.insert(requirement.key.clone(), "any".to_owned()),
            _ => None,
        };
    }
    labels
}

/// The namespaces of a peer, as far as they are known by name.
fn homes(peer: &NetworkPolicyPeer, home: &str, items: &[Item]) -> Vec<String> {
    let Some(selector) = &peer.namespace_selector else {
        return peer.pod_selector.iter().map(|_| home.to_owned()).collect();
    };
    if let Some(name) = wanted(selector).get(NAMESPACE_NAME) {
        return vec![name.clone()];
    }
    let written = items.iter().filter_map(|item| match &item.resource {
        Resource::Namespace(namespace) => Some(namespace),
        _ => None,
    });
    written
        .filter(|written| selects(selector, &written.meta.labels))
        .map(|written| written.meta.name().to_owned())
        .collect()
}

/// The namespace and the plain labels of which Cilium's labels speak; none where they speak of something else.
fn plain(labels: &Labels) -> Option<(Option<String>, Labels)> {
    let (mut namespace, mut plain) = (None, Labels::new());
    for (key, value) in labels {
        let key = key.strip_prefix("k8s:").or_else(|| key.strip_prefix("any:")).unwrap_or(key);
        match key {
            CILIUM_NAMESPACE => namespace = Some(value.clone()),
            _ if key.contains(':') || key.starts_with("io.cilium.") || key.starts_with("io.kubernetes.") => {
                return None;
            }
            _ => {
                plain.insert(key.to_owned(), value.clone());
            }
        }
    }
    Some((namespace, plain))
}

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() < 50 && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn pod(namespace: &str, name: &str, labels: &Labels) -> Option<Item> {
    let at = Position { line: 1, column: 1 };
    let containers = json!([{"name": "main", "image": "assumed"}, {"name": "web", "image": "assumed", "ports": [{"containerPort": 80}]}]);
    let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers},
        "metadata": {"name": name, "namespace": namespace, "labels": labels}});
    let document = Document { file: Arc::from(FILE), root: Arc::new(Node::from_json(&object, at)) };
    Some(Item { assumed: true, ..accepted(document)? })
}

/// What the reader is told of them.
pub(super) fn finding(assumed: &[Item]) -> Option<Diagnostic> {
    let names: Vec<String> = assumed.iter().take(NAMED).map(name).collect();
    let more = match assumed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!(
        "there are policies and no workloads: pods of which they speak are assumed: {}{more}",
        names.join(", ")
    );
    let hint =
        "add the workloads (`kubectl get -A -o yaml ns,deploy,sts,ds,po,svc`) to see what the policies do to them";
    (!assumed.is_empty()).then(|| Diagnostic::new(Severity::Note, "assumed-workloads", what).hint(hint))
}

fn name(item: &Item) -> String {
    let object = item.resource.object();
    format!("{}/{}", object.namespace.as_deref().unwrap_or_default(), object.name)
}
