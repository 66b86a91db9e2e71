//! Names that mislead: annotations that nobody reads, and denials that allow.

use airtight_manifest::{Document, Node, NodeValue, closest};

use super::Checks;

/// Annotations that circulate in examples and that no version of their component reads (searched for in the sources of
/// Kgateway and agentgateway).
const UNREAD: [&str; 2] = ["kgateway.io/ai-gateway-enabled", "kgateway.io/mcp-proxy-enabled"];

/// Labels and annotations that Istio's ambient mode reads (Istio `pkg/config/constants`, `api/label`, `api/annotation`).
const KNOWN: [&str; 24] = [
    "istio.io/rev",
    "istio.io/tag",
    "istio.io/dataplane-mode",
    "istio.io/use-waypoint",
    "istio.io/use-waypoint-namespace",
    "istio.io/use-waypoint-canary",
    "istio.io/ingress-use-waypoint",
    "istio.io/waypoint-for",
    "istio.io/dry-run",
    "istio.io/global",
    "istio.io/connect-strategy",
    "istio.io/reroute-virtual-interfaces",
    "istio.io/for-service-account",
    "istio.io/owned-by",
    "ambient.istio.io/bypass-inbound-capture",
    "ambient.istio.io/dns-capture",
    "ambient.istio.io/redirection",
    "ambient.istio.io/waypoint-inbound-binding",
    "networking.istio.io/service-type",
    "networking.istio.io/traffic-distribution",
    "gateway.istio.io/managed",
    "gateway.istio.io/name-override",
    "gateway.istio.io/service-account",
    "gateway.istio.io/controller-version",
];

impl Checks<'_, '_> {
    pub(super) fn names(&mut self) {
        let documents: Vec<_> = self.documents.iter().map(|(object, document)| (object.clone(), *document)).collect();
        for (object, document) in documents {
            for map in ["labels", "annotations"] {
                for (at, key) in keys(document, map) {
                    self.key(&object, document, at, &key);
                }
            }
        }
        self.denials();
    }

    fn key(
        &mut self,
        object: &airtight_manifest::ObjectRef,
        document: &Document,
        at: airtight_manifest::Position,
        key: &str,
    ) {
        if UNREAD.contains(&key) {
            let message = format!("no component reads `{key}`: nothing is switched on by it");
            let hint = "AI and MCP are routes to backends of agentgateway or Kgateway, and no part of a waypoint";
            return self.tell("annotation-without-effect", object, document.location(at), &message, hint);
        }
        let ambient = ["istio.io/", "ambient.istio.io/"].iter().any(|prefix| key.starts_with(prefix));
        if !ambient || KNOWN.contains(&key) {
            return;
        }
        // The prefix is no likeness.
        let Some((prefix, name)) = key.split_once('/') else { return };
        let alike = KNOWN.iter().filter_map(|known| known.split_once('/')).filter(|(own, _)| *own == prefix);
        if let Some(meant) = closest(name, alike.map(|(_, name)| name)) {
            let meant = format!("{prefix}/{meant}");
            let message = format!("Istio does not read `{key}`");
            self.tell("misspelt-label", object, document.location(at), &message, &format!("did you mean `{meant}`?"));
        }
    }

    /// An empty rule allows everything in a NetworkPolicy, and nothing in a CiliumNetworkPolicy: who copies one form to the
    /// other turns a denial around (Kubernetes `pkg/apis/networking/types.go`; Cilium `Rule.Sanitize`).
    fn denials(&mut self) {
        let world = self.world;
        for policy in &world.objects.network_policies {
            if !policy.meta.name().contains("deny") {
                continue;
            }
            let spec = &policy.body.spec;
            let ingress = spec.ingress.iter().flatten().filter(|rule| {
                rule.from.as_ref().is_none_or(Vec::is_empty) && rule.ports.as_ref().is_none_or(Vec::is_empty)
            });
            let egress = spec.egress.iter().flatten().filter(|rule| {
                rule.to.as_ref().is_none_or(Vec::is_empty) && rule.ports.as_ref().is_none_or(Vec::is_empty)
            });
            let open: Vec<_> = ingress.map(|rule| rule.at).chain(egress.map(|rule| rule.at)).collect();
            for at in open {
                let message = "an empty rule of a NetworkPolicy allows everything, and its name says that it denies";
                let hint = "leave the rule out: `policyTypes` alone denies";
                self.tell("deny-that-allows", &policy.meta.object, Self::at(&policy.meta, at), message, hint);
            }
        }
    }
}

/// The keys of `metadata.labels` or `metadata.annotations`.
fn keys(document: &Document, map: &str) -> Vec<(airtight_manifest::Position, String)> {
    let node: Option<&Node> = document.root.get("metadata").and_then(|metadata| metadata.get(map));
    match node.map(|node| &node.value) {
        Some(NodeValue::Map(entries)) => entries.iter().map(|(key, _)| (key.at, key.name.clone())).collect(),
        Some(
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Integer(_)
            | NodeValue::Float(_)
            | NodeValue::String(_)
            | NodeValue::List(_),
        )
        | None => Vec::new(),
    }
}
