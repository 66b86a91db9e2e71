//! Gateways of manifests: whose proxies roll out, and which certificates they name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use airtight_manifest::{Document, Node, yaml};

use crate::component::Product;
use crate::gate::{Gate, Workload, WorkloadKind};
use crate::payload::Manifest;
use crate::recipe::Recipe;

/// The class of waypoints.
const WAYPOINT: &str = "istio-waypoint";

/// Namespace and name of a Secret.
pub(super) type SecretName = (String, String);

/// A Gateway of a manifest.
pub(super) struct Gateway {
    pub(super) namespace: String,
    name: String,
    class: String,
    /// What its listeners name, with the host names that they answer for.
    certificates: Vec<(SecretName, Option<String>)>,
}

impl Gateway {
    pub(super) fn is_waypoint(&self) -> bool {
        self.class == WAYPOINT
    }

    /// The roll-out of its proxy, where a controller of ours makes one: that a Gateway is programmed says nothing of its
    /// pods.
    pub(super) fn rollout(&self, recipe: &Recipe) -> Option<Gate> {
        let (of, name) = match self.class.as_str() {
            WAYPOINT => (Product::Istio, self.name.clone()),
            "istio" => (Product::Istio, format!("{}-istio", self.name)),
            "kgateway" => (Product::Kgateway, self.name.clone()),
            "agentgateway" => (Product::Agentgateway, self.name.clone()),
            _ => return None,
        };
        let is_served = recipe.provision.components.iter().any(|component| component.of == of);
        is_served.then_some(Gate::Rollout(Workload {
            kind: WorkloadKind::Deployment,
            namespace: self.namespace.clone(),
            name,
        }))
    }
}

/// The Gateways of a manifest.
pub(super) fn gateways(manifest: &Manifest) -> Vec<Gateway> {
    documents(manifest).iter().filter_map(gateway).collect()
}

/// The Secrets with certificates that Gateways name and that none of the manifests holds, each with the host names
/// that it must be for.
pub(super) fn missing_certificates(manifests: &[Manifest]) -> BTreeMap<SecretName, BTreeSet<String>> {
    let documents: Vec<Document> = manifests.iter().flat_map(documents).collect();
    let held: BTreeSet<SecretName> = documents.iter().filter_map(|document| named(document, "Secret")).collect();
    let mut missing: BTreeMap<SecretName, BTreeSet<String>> = BTreeMap::new();
    for (secret, host) in documents.iter().filter_map(gateway).flat_map(|gateway| gateway.certificates) {
        if !held.contains(&secret) {
            missing.entry(secret).or_default().extend(host);
        }
    }
    missing
}

fn documents(manifest: &Manifest) -> Vec<Document> {
    yaml::parse(&Arc::from(manifest.name.as_str()), &manifest.text).unwrap_or_default()
}

fn text(node: Option<&Node>) -> Option<String> {
    node.and_then(Node::as_str).map(str::to_owned)
}

/// Namespace and name of an object of a kind.
fn named(document: &Document, kind: &str) -> Option<SecretName> {
    let metadata = document.root.get("metadata")?;
    text(document.root.get("kind")).filter(|own| own == kind)?;
    Some((text(metadata.get("namespace")).unwrap_or_else(|| "default".to_owned()), text(metadata.get("name"))?))
}

fn gateway(document: &Document) -> Option<Gateway> {
    let (namespace, name) = named(document, "Gateway")?;
    let spec = document.root.get("spec")?;
    let listeners = spec.get("listeners").and_then(Node::as_list).unwrap_or_default();
    let certificates = listeners.iter().flat_map(|listener| certificates(listener, &namespace)).collect();
    Some(Gateway { class: text(spec.get("gatewayClassName"))?, namespace, name, certificates })
}

fn certificates(listener: &Node, namespace: &str) -> Vec<(SecretName, Option<String>)> {
    let references = listener.get("tls").and_then(|tls| tls.get("certificateRefs")).and_then(Node::as_list);
    let host = text(listener.get("hostname"));
    let secret = |reference: &Node| {
        let kind = text(reference.get("kind"));
        kind.is_none_or(|kind| kind == "Secret").then_some(())?;
        let namespace = text(reference.get("namespace")).unwrap_or_else(|| namespace.to_owned());
        Some(((namespace, text(reference.get("name"))?), host.clone()))
    };
    references.unwrap_or_default().iter().filter_map(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_no_manifest_holds_are_missing() {
        let text = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: kgateway
  listeners:
  - {name: a, port: 443, protocol: HTTPS, hostname: a.example.com, tls: {certificateRefs: [{name: edge-tls}]}}
  - {name: b, port: 443, protocol: HTTPS, hostname: '*.b.example.com', tls: {certificateRefs: [{name: edge-tls}]}}
  - {name: c, port: 444, protocol: HTTPS, tls: {certificateRefs: [{name: held, namespace: certs}]}}
  - {name: d, port: 445, protocol: TLS, tls: {mode: Passthrough}}
---
apiVersion: v1
kind: Secret
metadata: {name: held, namespace: certs}
";
        let manifest = Manifest { name: "gateway.yaml".to_owned(), text: text.to_owned() };
        let hosts = ["*.b.example.com".to_owned(), "a.example.com".to_owned()];
        let own = (("infra".to_owned(), "edge-tls".to_owned()), BTreeSet::from(hosts));
        assert_eq!(missing_certificates(&[manifest]), BTreeMap::from([own]));
    }
}
