//! Mutations of a value: it takes more than before, or becomes its contrary.

use airtight_manifest::{Key, Node, NodeValue, Position};
use serde_json::{Value, json};

use super::super::edit::{Edit, Step, written};
use super::super::mutant::Operator;
use super::Mutation;

/// What a text in a list becomes that takes more.
pub(super) fn of_item(path: &[Step], item: &Node, found: &mut Vec<Mutation>) {
    let Some(text) = item.as_str() else { return };
    let Some(Step::Key(list)) = path.iter().rev().nth(1) else { return };
    let wide = match list.as_str() {
        "methods" | "hosts" | "principals" | "requestPrincipals" | "namespaces" | "serviceAccounts" | "values"
            if list != "values" || is_under(path, "when") =>
        {
            Some("*".to_owned())
        }
        "paths" => prefix(text),
        "ipBlocks" | "remoteIpBlocks" | "fromCIDR" | "toCIDR" => Some(everything(text)),
        _ => None,
    };
    found.extend(wide.filter(|wide| wide != text).map(|wide| set(Operator::Widen, path, item.at, text, json!(wide))));
}

fn is_under(path: &[Step], list: &str) -> bool {
    path.contains(&Step::Key(list.to_owned()))
}

/// A path becomes the prefix of its last part; a prefix that of one part less.
fn prefix(path: &str) -> Option<String> {
    match path.strip_suffix('*') {
        None => Some(format!("{path}*")),
        Some("/" | "") => None,
        Some(stem) => {
            let parent = stem.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
            Some(format!("{parent}/*"))
        }
    }
}

/// The whole range of an address's family.
fn everything(block: &str) -> String {
    if block.contains(':') { "::/0" } else { "0.0.0.0/0" }.to_owned()
}

/// What a field's value becomes.
pub(super) fn of_scalar(path: &[Step], key: &Key, value: &Node, found: &mut Vec<Mutation>) {
    if let NodeValue::Bool(written) = value.value {
        let turns = matches!(key.name.as_str(), "ingress" | "egress" | "synchronize" | "generateExisting");
        if turns && written {
            found.push(set(Operator::Flip, path, value.at, "true", json!(false)));
        }
        return;
    }
    let Some(text) = value.as_str() else { return };
    if key.name == "matchName" {
        found.push(Mutation {
            operator: Operator::Widen,
            path: path.to_vec(),
            edit: Edit::Rename("matchPattern", json!("*")),
            at: value.at,
            what: format!("`{text}` becomes every name"),
        });
    }
    if let Some(wide) = wider(&key.name, text).filter(|wide| wide != text) {
        found.push(set(Operator::Widen, path, value.at, text, json!(wide)));
    }
    if let Some(other) = contrary(&key.name, text) {
        found.push(set(Operator::Flip, path, value.at, text, json!(other)));
    }
}

fn wider(key: &str, text: &str) -> Option<String> {
    match (key, text) {
        ("matchPattern", _) => Some("*".to_owned()),
        ("cidr", block) => Some(everything(block)),
        ("type", "Exact") => Some("PathPrefix".to_owned()),
        ("from", "Same" | "Selector") => Some("All".to_owned()),
        ("value", path) if path.starts_with('/') => Some("/".to_owned()),
        _ => None,
    }
}

fn contrary(key: &str, text: &str) -> Option<&'static str> {
    Some(match (key, text) {
        ("action", "ALLOW") => "DENY",
        ("action", "DENY") => "ALLOW",
        ("mode", "STRICT") => "PERMISSIVE",
        ("mode", "PERMISSIVE") => "STRICT",
        ("mode", "SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL") => "DISABLE",
        ("failureAction" | "validationFailureAction", "Enforce" | "enforce") => "Audit",
        ("operator", "In") => "NotIn",
        ("operator", "NotIn") => "In",
        ("operator", "Exists") => "DoesNotExist",
        ("operator", "DoesNotExist") => "Exists",
        ("operator", "Equals") => "NotEquals",
        ("operator", "NotEquals") => "Equals",
        ("operator", "AnyIn") => "AnyNotIn",
        ("operator", "AnyNotIn") => "AnyIn",
        ("operator", "AllIn") => "AllNotIn",
        ("operator", "AllNotIn") => "AllIn",
        _ => return None,
    })
}

/// The mutation by which a value becomes another.
pub(super) fn set(operator: Operator, path: &[Step], at: Position, from: &str, to: Value) -> Mutation {
    let shown = to.as_str().map_or_else(|| to.to_string(), str::to_owned);
    Mutation {
        operator,
        path: path.to_vec(),
        what: format!("`{}`: `{from}` becomes `{shown}`", written(path)),
        edit: Edit::Set(to),
        at,
    }
}
