//! In which order objects are put on a cluster that people use.

use serde_json::Value;

use crate::read::{items, text};

/// How soon an object may be applied: what allows before what denies, so that a roll-out under traffic cuts nothing
/// that is meant to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// What the others live in.
    Namespace,
    /// What isolates nobody.
    Open,
    /// What isolates what it selects.
    Isolating,
    /// What judges objects that come after it.
    Governing,
}

/// When an object's turn is.
#[must_use]
pub fn turn(object: &Value) -> Turn {
    let count = |name: &str| items(object, &format!("/spec/{name}")).len();
    match text(object, "/kind") {
        "Namespace" => Turn::Namespace,
        // A strict mTLS mode refuses plain text, and a policy without rules allows nothing.
        "PeerAuthentication" => Turn::Isolating,
        "AuthorizationPolicy" if count("rules") == 0 => Turn::Isolating,
        "NetworkPolicy" if count("ingress") + count("egress") == 0 => Turn::Isolating,
        "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy" if isolates_alone(object) => Turn::Isolating,
        "ClusterPolicy" | "Policy" | "ValidatingPolicy" | "MutatingPolicy" | "GeneratingPolicy" => Turn::Governing,
        _ => Turn::Open,
    }
}

/// Whether a Cilium policy allows nothing, and isolates what it selects. An empty rule selects nothing.
fn isolates_alone(policy: &Value) -> bool {
    let is_rule = |rule: &Value| rule.as_object().is_none_or(|fields| !fields.is_empty());
    let has_rules = |list: &str| items(policy, &format!("/spec/{list}")).iter().any(is_rule);
    policy.get("spec").is_some() && !["ingress", "egress", "ingressDeny", "egressDeny"].into_iter().any(has_rules)
}
