//! ReferenceGrants that nothing needs: whoever may write a route there can use what was forgotten here
//! (Gateway API `apis/v1beta1/referencegrant_types.go`).

use airtight_manifest::{Document, Node};

use super::Checks;
use crate::place::object;

/// Kinds of referrers whose references are known.
const REFERRERS: [&str; 4] = ["HTTPRoute", "GRPCRoute", "TLSRoute", "Gateway"];

/// A reference to an object of another namespace.
struct Reference {
    from_kind: String,
    from_namespace: String,
    kind: String,
    namespace: String,
    name: String,
}

impl Checks<'_, '_> {
    pub(super) fn grants(&mut self) {
        let references: Vec<Reference> = self.documents.values().flat_map(|document| references(document)).collect();
        let world = self.world;
        for grant in &world.objects.reference_grants {
            let spec = &grant.body.spec;
            if spec.from.iter().any(|from| !REFERRERS.contains(&from.kind.as_str())) {
                continue;
            }
            let from = |from: &airtight_manifest::gateway_api::GrantFrom, one: &Reference| {
                from.kind == one.from_kind && from.namespace == one.from_namespace
            };
            let to = |to: &airtight_manifest::gateway_api::GrantTo, one: &Reference| {
                let named = to.name.as_deref().filter(|name| !name.is_empty()).is_none_or(|name| name == one.name);
                to.kind == one.kind && named && one.namespace == grant.meta.namespace()
            };
            let used = |one: &&Reference| {
                spec.from.iter().any(|entry| from(entry, one)) && spec.to.iter().any(|entry| to(entry, one))
            };
            let used: Vec<&Reference> = references.iter().filter(used).collect();
            if used.is_empty() {
                let message = "no route or Gateway makes a reference that needs this grant";
                self.unused(grant, grant.meta.at.position, message);
                continue;
            }
            for entry in spec.from.iter().filter(|entry| !used.iter().any(|one| from(entry, one))) {
                let message = format!("no {} of namespace `{}` needs this grant", entry.kind, entry.namespace);
                self.unused(grant, entry.at, &message);
            }
            for entry in spec.to.iter().filter(|entry| !used.iter().any(|one| to(entry, one))) {
                let what = entry.name.as_deref().map_or(entry.kind.clone(), |name| format!("{} `{name}`", entry.kind));
                self.unused(grant, entry.at, &format!("nobody refers to {what}"));
            }
        }
    }

    fn unused<T>(&mut self, grant: &airtight_manifest::Object<T>, at: airtight_manifest::Position, message: &str) {
        let place = Self::at(&grant.meta, at);
        let hint = "remove it: until then others may route there without asking";
        self.tell("grant-without-user", &grant.meta.object, place, message, hint);
    }
}

/// The references of a document across namespaces.
fn references(document: &Document) -> Vec<Reference> {
    let Some(from) = object(document).filter(|object| REFERRERS.contains(&&*object.kind)) else { return Vec::new() };
    let mut nodes = Vec::new();
    collect(&document.root, &mut nodes);
    let home = from.namespace.as_deref().unwrap_or_default();
    let named = nodes.into_iter().filter_map(|node| {
        let text = |key: &str| node.get(key).and_then(Node::as_str);
        let namespace = text("namespace").filter(|namespace| *namespace != home)?;
        let default = if is_certificate(&from.kind) { "Secret" } else { "Service" };
        Some(Reference {
            from_kind: from.kind.to_string(),
            from_namespace: home.to_owned(),
            kind: text("kind").unwrap_or(default).to_owned(),
            namespace: namespace.to_owned(),
            name: text("name")?.to_owned(),
        })
    });
    named.collect()
}

fn is_certificate(kind: &str) -> bool {
    kind == "Gateway"
}

/// Every value under a key that holds references.
fn collect<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    use airtight_manifest::NodeValue::{Bool, Float, Integer, List, Map, Null, String};
    match &node.value {
        Null | Bool(_) | Integer(_) | Float(_) | String(_) => {}
        List(items) => items.iter().for_each(|item| collect(item, found)),
        Map(entries) => {
            for (key, value) in entries {
                match key.name.as_str() {
                    "backendRefs" | "certificateRefs" => found.extend(value.as_list().into_iter().flatten()),
                    "backendRef" => found.push(value),
                    _ => {}
                }
                collect(value, found);
            }
        }
    }
}
