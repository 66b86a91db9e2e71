//! Documents → resources that the API server would accept.

use std::collections::BTreeMap;
use std::sync::Arc;

use airtight_manifest::cilium::{cidr_group_findings, cluster_network_policy_findings, crd_findings};
use airtight_manifest::gateway_api;
use airtight_manifest::network::network_policy_findings;
use airtight_manifest::stack::Stack;
use airtight_manifest::{
    Diagnostic, Document, Location, Node, ObjectRef, Resource, Scope, api_server_findings, decode_resource, kind_info,
};
use serde_json::Value;

use super::admission::AdmissionEvent;

/// An accepted object: as document and as typed resource.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) document: Document,
    pub(super) resource: Resource,
    /// The document as Kyverno's lookups see it.
    pub(super) json: Arc<Value>,
    /// Whether nobody wrote it: it stands for what must be there.
    pub(super) assumed: bool,
}

impl Item {
    pub(super) fn new(document: Document, resource: Resource) -> Self {
        let document = in_its_namespace(document, resource.object());
        Self { json: Arc::new(document.root.to_json()), document, resource, assumed: false }
    }
}

/// What came of all documents.
#[derive(Debug, Default)]
pub(super) struct Intake {
    pub(super) items: Vec<Item>,
    pub(super) events: Vec<AdmissionEvent>,
    /// Why the input as a whole cannot be used.
    pub(super) failures: Vec<Diagnostic>,
}

/// Findings for which an object cannot even be sent to an API server; all others are the server's refusals.
pub(super) const INPUT_ERRORS: &[&str] = &["not-an-object", "unknown-kind", "unknown-version", "missing-name"];

impl Intake {
    /// Takes in every document, in order.
    pub(super) fn of(documents: &[Document], stack: &Stack) -> Self {
        let mut intake = Self::default();
        for document in documents {
            intake.take(document.clone(), stack);
        }
        intake.refuse_duplicates();
        intake
    }

    /// Takes in one document.
    pub(super) fn take(&mut self, document: Document, stack: &Stack) {
        match accept(&document, stack) {
            Ok(resource) => self.items.push(Item::new(document, resource)),
            Err(findings) if findings.iter().any(|finding| INPUT_ERRORS.contains(&finding.code.as_str())) => {
                self.failures.extend(findings);
            }
            Err(findings) => {
                self.events.push(AdmissionEvent::Rejected { object: named(&document), findings, rule: None });
            }
        }
    }

    fn refuse_duplicates(&mut self) {
        let mut first: BTreeMap<(&str, &ObjectRef), &Item> = BTreeMap::new();
        for item in &self.items {
            let object = item.resource.object();
            if let Some(earlier) = first.insert((group(&item.document), object), item) {
                let at = item.document.location(item.document.root.at);
                let before = earlier.document.location(earlier.document.root.at);
                self.failures.push(
                    Diagnostic::error("duplicate-object", format!("{object} is defined twice"))
                        .at(at)
                        .hint(format!("it is also at {before}; {}", twice(&before, &item.document))),
                );
            }
        }
    }
}

/// Kinds of one name in two groups are two kinds.
pub(super) fn group(document: &Document) -> &str {
    let api = document.root.get("apiVersion").and_then(Node::as_str).unwrap_or_default();
    api.rsplit_once('/').map_or("", |(group, _)| group)
}

fn twice(before: &Location, document: &Document) -> &'static str {
    if before.file != document.file && before.file.ends_with("(rendered)") && document.file.ends_with("(rendered)") {
        "both are rendered: name one of the two folders with --manifests"
    } else {
        "keep one of the two"
    }
}

/// An object that nobody would refuse.
pub(super) fn accepted(document: Document) -> Option<Item> {
    let resource = decode_resource(&document).ok()?;
    Some(Item::new(document, resource))
}

/// Decodes, puts a namespaced object without namespace into `default`, and checks its scope.
pub(super) fn accept(document: &Document, stack: &Stack) -> Result<Resource, Vec<Diagnostic>> {
    let mut resource = decode_resource(document)?;
    let scope = kind_info(&resource.object().kind).map(|info| info.scope);
    // What is written and empty counts as not written, to clients and to the API server alike.
    let namespace = resource.object().namespace.clone().filter(|namespace| !namespace.is_empty());
    if let Some(meta) = resource.meta_mut() {
        match (scope, namespace) {
            (Some(Scope::Namespaced), None) => {
                let ObjectRef { kind, name, .. } = meta.object.as_ref().clone();
                meta.object = Arc::new(ObjectRef { kind, namespace: Some(Arc::from("default")), name });
            }
            (Some(Scope::Cluster), Some(_)) => return Err(vec![cluster_scoped(document, &meta.object)]),
            (Some(Scope::Cluster), None) | (Some(Scope::Namespaced), Some(_)) | (None, _) => {}
        }
    }
    let own = api_server_findings(&resource, document);
    let refusals: Vec<Diagnostic> =
        own.into_iter().chain(validate(&resource, stack)).filter(Diagnostic::is_error).collect();
    if refusals.is_empty() { Ok(resource) } else { Err(refusals) }
}

/// The document of an object as it is stored: with the namespace that the API server put it into, which admission and
/// the pods of controllers are to see.
fn in_its_namespace(document: Document, object: &ObjectRef) -> Document {
    let Some(namespace) = object.namespace.as_deref() else { return document };
    let written = document.root.get("metadata").and_then(|metadata| metadata.get("namespace"));
    if written.and_then(Node::as_str) == Some(namespace) {
        return document;
    }
    document.in_namespace(namespace)
}

/// What the API server's schemas and the components' webhooks say of a well-formed object.
fn validate(resource: &Resource, stack: &Stack) -> Vec<Diagnostic> {
    let (cilium, istio) = (&stack.versions.cilium, &stack.versions.istio);
    match resource {
        Resource::NetworkPolicy(object) => network_policy_findings(object),
        Resource::CiliumNetworkPolicy(object) | Resource::CiliumClusterwideNetworkPolicy(object) => {
            crd_findings(object, cilium)
        }
        Resource::CiliumCidrGroup(object) => cidr_group_findings(object, cilium),
        Resource::ClusterNetworkPolicy(object) => cluster_network_policy_findings(object, cilium),
        Resource::PeerAuthentication(object) => object.webhook_findings(istio),
        Resource::AuthorizationPolicy(object) => object.webhook_findings(istio),
        Resource::RequestAuthentication(object) => object.webhook_findings(istio),
        Resource::ServiceEntry(object) => object.webhook_findings(istio),
        Resource::DestinationRule(object) => object.webhook_findings(istio),
        other => gateway_api::crd_findings(other, &stack.versions.gateway_api, &stack.versions.kgateway),
    }
}

fn cluster_scoped(document: &Document, object: &ObjectRef) -> Diagnostic {
    let at = document.root.get("metadata").and_then(|metadata| metadata.entry("namespace")).map(|(key, _)| key.at);
    Diagnostic::error(
        "cluster-scoped",
        format!("{} {} is cluster-scoped and cannot have a namespace", object.kind, object.name),
    )
    .at(document.location(at.unwrap_or(document.root.at)))
    .hint("remove `metadata.namespace`")
}

pub(super) fn named(document: &Document) -> ObjectRef {
    let text = |keys: &[&str]| {
        keys.iter()
            .try_fold(document.root.as_ref(), |node, key| node.get(key))
            .and_then(airtight_manifest::Node::as_str)
    };
    ObjectRef::new(
        text(&["kind"]).unwrap_or("object"),
        text(&["metadata", "namespace"]),
        text(&["metadata", "name"]).unwrap_or("without name"),
    )
}
