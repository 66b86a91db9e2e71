//! Mutations of a field: lists item by item and as a whole, optional fields, peers, rules that become their contrary.

use airtight_manifest::{Key, Node, NodeValue};
use serde_json::json;

use super::super::edit::{Edit, Path, Step, written};
use super::super::mutant::Operator;
use super::{Mutation, dropped, values};

/// What kind of policy a document is, as far as its fields are read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Cilium,
    NetworkPolicy,
    Kyverno,
    Other,
}

impl Kind {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy" => Self::Cilium,
            "NetworkPolicy" => Self::NetworkPolicy,
            "ClusterPolicy" | "Policy" | "ValidatingPolicy" | "MutatingPolicy" | "GeneratingPolicy" => Self::Kyverno,
            _ => Self::Other,
        }
    }
}

/// Lists that may be empty and still mean what they say: the last rule can be dropped like the first.
const RULES: &[&str] = &["ingress", "egress", "ingressDeny", "egressDeny", "rules", "specs", "listeners"];

/// Maps each of whose entries narrows what is selected, or says something of its own.
const ENTRIES: &[&str] = &["matchLabels", "extraLabels", "extraAnnotations", "labels"];

/// Fields that may be left out, and mean something else then.
const OPTIONAL: &[&str] = &[
    "allowedRoutes",
    "authentication",
    "conditions",
    "enableDefaultDeny",
    "endPort",
    "exclude",
    "forwardOriginalToken",
    "headers",
    "hostname",
    "infrastructure",
    "jwksUri",
    "method",
    "mtls",
    "namespaceSelector",
    "parametersRef",
    "path",
    "podSelector",
    "portLevelMtls",
    "preconditions",
    "sectionName",
    "selector",
    "sni",
    "synchronize",
    "targetRef",
    "tls",
];

/// Cilium's fields that say who the peers of a rule are.
const PEERS: &[&str] = &[
    "fromEndpoints",
    "toEndpoints",
    "fromEntities",
    "toEntities",
    "fromCIDR",
    "toCIDR",
    "fromCIDRSet",
    "toCIDRSet",
    "fromNodes",
    "toNodes",
    "fromRequires",
    "toRequires",
    "toFQDNs",
    "toServices",
];

/// Fields whose content decides nothing.
pub(super) fn is_opaque(key: &str) -> bool {
    matches!(key, "message" | "messageExpression" | "description" | "accessLog" | "jsonFormat" | "data")
}

/// Every mutation of one field as such; those below it are not among them.
pub(super) fn of_field(kind: Kind, path: &Path, key: &Key, value: &Node, found: &mut Vec<Mutation>) {
    match &value.value {
        NodeValue::List(items) => of_list(kind, path, key, items, found),
        NodeValue::Map(entries) if ENTRIES.contains(&key.name.as_str()) => {
            for (label, _) in entries {
                let place = [path.as_slice(), &[Step::Key(label.name.clone())]].concat();
                found.push(dropped(&place, label.at));
            }
        }
        NodeValue::Map(_) => {
            let is_layer7 = key.name == "rules" && kind == Kind::Cilium;
            if is_layer7 || OPTIONAL.contains(&key.name.as_str()) {
                found.push(dropped(path, key.at));
            }
        }
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::String(_) => {
            of_scalar(kind, path, key, value, found);
        }
    }
}

fn of_scalar(kind: Kind, path: &Path, key: &Key, value: &Node, found: &mut Vec<Mutation>) {
    let is_granted_name = key.name == "name" && is_under(path, "to") && kind == Kind::Other && path.len() == 4;
    let is_parents_port = key.name == "port" && is_under(path, "parentRefs");
    let is_pattern = kind == Kind::Kyverno && path.contains(&Step::Key("pattern".to_owned()));
    if OPTIONAL.contains(&key.name.as_str()) || is_granted_name || is_parents_port || is_pattern {
        found.push(dropped(path, key.at));
    }
    values::of_scalar(path, key, value, found);
}

/// Whether a path leads through a list of this name.
fn is_under(path: &Path, list: &str) -> bool {
    path.iter().rev().nth(2).is_some_and(|step| *step == Step::Key(list.to_owned()))
}

fn of_list(kind: Kind, path: &Path, key: &Key, items: &[Node], found: &mut Vec<Mutation>) {
    let name = key.name.as_str();
    let is_rules = RULES.contains(&name);
    for (index, item) in items.iter().enumerate() {
        let place = [path.as_slice(), &[Step::Index(index)]].concat();
        if is_rules || items.len() > 1 {
            found.push(dropped(&place, item.at));
        }
        found.extend(contrary(kind, name, &place, item));
        if kind == Kind::NetworkPolicy && matches!(name, "from" | "to") {
            found.push(Mutation {
                operator: Operator::Widen,
                what: format!("`{}` becomes every pod of every namespace", written(&place)),
                path: place,
                edit: Edit::Set(json!({"namespaceSelector": {}})),
                at: item.at,
            });
        }
    }
    if !is_rules && !items.is_empty() && name != "values" {
        found.push(dropped(path, key.at));
    }
    if kind == Kind::Cilium && PEERS.contains(&name) && !is_cluster(items) {
        let entities = if name.starts_with("from") { "fromEntities" } else { "toEntities" };
        found.push(Mutation {
            operator: Operator::Widen,
            path: path.clone(),
            edit: Edit::Rename(entities, json!(["cluster"])),
            at: key.at,
            what: format!("`{entities}: [cluster]` in the place of `{}`", written(path)),
        });
    }
}

fn is_cluster(items: &[Node]) -> bool {
    items.iter().any(|item| matches!(item.as_str(), Some("cluster" | "all")))
}

/// A rule of Cilium's that allows becomes one that denies, and the other way round.
fn contrary(kind: Kind, list: &str, path: &[Step], item: &Node) -> Option<Mutation> {
    let other = match (kind, list) {
        (Kind::Cilium, "ingress") => "ingressDeny",
        (Kind::Cilium, "egress") => "egressDeny",
        (Kind::Cilium, "ingressDeny") => "ingress",
        (Kind::Cilium, "egressDeny") => "egress",
        _ => return None,
    };
    Some(Mutation {
        operator: Operator::Flip,
        path: path.to_vec(),
        edit: Edit::Move(other),
        at: item.at,
        what: format!("`{}` moved to `{other}`", written(path)),
    })
}
