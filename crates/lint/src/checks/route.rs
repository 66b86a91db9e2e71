//! Routes: marks that the client can write too.

use airtight_manifest::{Document, Node, NodeValue, Position};

use super::Checks;

impl Checks<'_, '_> {
    /// `add` appends to what the client sent, so that a mark of the gateway's own can be forged (Gateway API
    /// `apis/v1/httproute_types.go`, `HTTPHeaderFilter`).
    pub(super) fn routes(&mut self) {
        let world = self.world;
        let metas = world.objects.http_routes.iter().map(|route| &route.meta);
        let metas: Vec<_> = metas.chain(world.objects.grpc_routes.iter().map(|route| &route.meta)).collect();
        for meta in metas {
            let Some(document) = self.documents.get(&*meta.object).copied() else { continue };
            for (at, names) in appended(document) {
                let message = format!("`add` appends {names} to what the client sent, who can write the same header");
                let hint = "`set` replaces the client's value";
                self.tell("header-appended", &meta.object, document.location(at), &message, hint);
            }
        }
    }
}

/// The `add` lists of filters that change request headers, with the names in them that nothing sets or removes.
fn appended(document: &Document) -> Vec<(Position, String)> {
    let mut filters = Vec::new();
    collect(&document.root, &mut filters);
    let found = filters.into_iter().filter_map(|filter| {
        let (key, add) = filter.entry("add")?;
        // Which of two lists acts first is the implementation's choice: this one is left to people.
        if filter.get("set").is_some() || filter.get("remove").is_some() {
            return None;
        }
        let names = add.as_list()?.iter().filter_map(|header| header.get("name")?.as_str());
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| (key.at, names.join(", ")))
    });
    found.collect()
}

fn collect<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    match &node.value {
        NodeValue::List(items) => items.iter().for_each(|item| collect(item, found)),
        NodeValue::Map(entries) => {
            for (key, value) in entries {
                if key.name == "requestHeaderModifier" {
                    found.push(value);
                }
                collect(value, found);
            }
        }
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::String(_) => {}
    }
}
