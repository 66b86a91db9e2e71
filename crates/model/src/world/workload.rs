//! Workloads → the pods that their controllers create.

use std::sync::Arc;

use airtight_manifest::{Document, Key, Node, NodeValue, Position, Resource};

/// A pod that a controller is about to create: the document that it sends to the API server.
#[derive(Debug, Clone)]
pub(super) struct PodRequest {
    /// What scenarios call it.
    pub(super) workload: Arc<str>,
    /// The Pod.
    pub(super) document: Document,
    /// The node that its controller names, for a DaemonSet.
    pub(super) node: Option<Arc<str>>,
}

/// The pods of a resource that is a Pod or a workload; none for any other kind.
///
/// One pod for each replica, named `WORKLOAD-N`, but no more than there are nodes to tell them apart; of a StatefulSet
/// also those that are `mentioned` by their own names, which are labels; for a DaemonSet one on each node.
pub(super) fn pods(
    resource: &Resource,
    document: &Document,
    nodes: &[Arc<str>],
    mentioned: &dyn Fn(&str) -> Vec<usize>,
) -> Vec<PodRequest> {
    match resource {
        Resource::Pod(_) => vec![PodRequest {
            workload: name_of(resource),
            document: document.clone(),
            node: text(&document.root, &["spec", "nodeName"]).map(Arc::from),
        }],
        Resource::Deployment(object) => {
            replicas(resource, document, replica_count(object.body.spec.replicas, nodes), &[])
        }
        Resource::ReplicaSet(object) => {
            replicas(resource, document, replica_count(object.body.spec.replicas, nodes), &[])
        }
        Resource::StatefulSet(object) => {
            let (written, count) = (object.body.spec.replicas, replica_count(object.body.spec.replicas, nodes));
            let further = written.and_then(|all| usize::try_from(all).ok()).filter(|all| *all > count);
            let further = further
                .map(|all| mentioned(&name_of(resource)).into_iter().filter(move |at| (count..all).contains(at)));
            stateful(resource, document, (0..count).chain(further.into_iter().flatten()))
        }
        Resource::DaemonSet(_) => nodes.iter().map(|node| daemon(resource, document, node)).collect(),
        Resource::Job(_) => replicas(resource, document, 1, &[("batch.kubernetes.io/job-name", &name_of(resource))]),
        Resource::CronJob(_) => cron(resource, document),
        _ => Vec::new(),
    }
}

/// Replicas differ in nothing but their names, addresses and nodes.
fn replica_count(written: Option<i32>, nodes: &[Arc<str>]) -> usize {
    usize::try_from(written.unwrap_or(1)).unwrap_or_default().min(nodes.len().max(1))
}

fn name_of(resource: &Resource) -> Arc<str> {
    Arc::clone(&resource.object().name)
}

fn replicas(resource: &Resource, document: &Document, count: usize, labels: &[(&str, &str)]) -> Vec<PodRequest> {
    let workload = name_of(resource);
    (0..count)
        .filter_map(|index| {
            pod(document, &["spec", "template"], &workload, &format!("{workload}-{index}"), labels, None)
        })
        .collect()
}

fn stateful(resource: &Resource, document: &Document, ordinals: impl Iterator<Item = usize>) -> Vec<PodRequest> {
    let workload = name_of(resource);
    let governing = text(&document.root, &["spec", "serviceName"]);
    ordinals
        .filter_map(|index| {
            let name = format!("{workload}-{index}");
            let labels = [("statefulset.kubernetes.io/pod-name", name.as_str())];
            let mut made = pod(document, &["spec", "template"], &workload, &name, &labels, None)?;
            if let Some(service) = governing {
                made.document = named(&made.document, &name, service);
            }
            Some(made)
        })
        .collect()
}

/// A pod with the name by which its StatefulSet's Service knows it (Kubernetes
/// `pkg/controller/statefulset/stateful_set_utils.go`, `initIdentity`).
fn named(document: &Document, hostname: &str, subdomain: &str) -> Document {
    let at = document.root.at;
    let mut root = entries(Some(&document.root));
    for (key, node) in &mut root {
        if key.name == "spec" {
            let mut spec = entries(Some(node));
            set(&mut spec, "hostname", hostname, at);
            set(&mut spec, "subdomain", subdomain, at);
            *node = map(spec, node.at);
        }
    }
    Document { file: Arc::clone(&document.file), root: map(root, at).into() }
}

fn daemon(resource: &Resource, document: &Document, node: &Arc<str>) -> PodRequest {
    let workload = name_of(resource);
    let name = format!("{workload}-{node}");
    pod(document, &["spec", "template"], &workload, &name, &[], Some(Arc::clone(node))).unwrap_or_else(|| PodRequest {
        workload,
        document: document.clone(),
        node: Some(Arc::clone(node)),
    })
}

fn cron(resource: &Resource, document: &Document) -> Vec<PodRequest> {
    let workload = name_of(resource);
    let path = ["spec", "jobTemplate", "spec", "template"];
    pod(document, &path, &workload, &format!("{workload}-0"), &[], None).into_iter().collect()
}

fn pod(
    document: &Document,
    template: &[&str],
    workload: &Arc<str>,
    name: &str,
    labels: &[(&str, &str)],
    node: Option<Arc<str>>,
) -> Option<PodRequest> {
    let template = descend(&document.root, template)?;
    let at = template.at;
    let namespace = text(&document.root, &["metadata", "namespace"]).unwrap_or("default");
    let mut metadata = entries(template.get("metadata"));
    set_labels(&mut metadata, labels, at);
    set(&mut metadata, "name", name, at);
    set(&mut metadata, "namespace", namespace, at);
    let root = vec![
        entry("apiVersion", text_node("v1", at), at),
        entry("kind", text_node("Pod", at), at),
        entry("metadata", map(metadata, at), at),
        entry("spec", template.get("spec")?.clone(), at),
    ];
    let document = Document { file: Arc::clone(&document.file), root: map(root, at).into() };
    Some(PodRequest { workload: Arc::clone(workload), document, node })
}

fn set_labels(metadata: &mut Vec<(Key, Node)>, labels: &[(&str, &str)], at: Position) {
    if labels.is_empty() {
        return;
    }
    let mut merged = entries(metadata.iter().find(|(key, _)| key.name == "labels").map(|(_, node)| node));
    for (key, value) in labels {
        set(&mut merged, key, value, at);
    }
    metadata.retain(|(key, _)| key.name != "labels");
    metadata.push(entry("labels", map(merged, at), at));
}

fn set(entries: &mut Vec<(Key, Node)>, key: &str, value: &str, at: Position) {
    entries.retain(|(existing, _)| existing.name != key);
    entries.push(entry(key, text_node(value, at), at));
}

fn entries(node: Option<&Node>) -> Vec<(Key, Node)> {
    match node.map(|node| &node.value) {
        Some(NodeValue::Map(entries)) => entries.clone(),
        _ => Vec::new(),
    }
}

fn entry(name: &str, value: Node, at: Position) -> (Key, Node) {
    (Key { name: name.to_owned(), at }, value)
}

fn map(entries: Vec<(Key, Node)>, at: Position) -> Node {
    Node { value: NodeValue::Map(entries), at }
}

fn text_node(value: &str, at: Position) -> Node {
    Node { value: NodeValue::String(value.to_owned()), at }
}

fn descend<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

fn text<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
    descend(node, path)?.as_str()
}
