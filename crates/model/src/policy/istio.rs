//! Rules of Istio that ztunnel and waypoints share.

use std::net::IpAddr;

use airtight_manifest::istio::{AuthorizationPolicy, go_bool, since};
use airtight_manifest::stack::Stack;
use airtight_manifest::{Meta, Object};
use ipnet::IpNet;

const REVISION: &str = "istio.io/rev";

/// Whether the policy is only logged; istiod sends none such to ztunnel by default.
pub(super) fn is_dry_run(policy: &Object<AuthorizationPolicy>) -> bool {
    policy.meta.annotations.get("istio.io/dry-run").and_then(|value| go_bool(value)).unwrap_or(false)
}

/// An address, whose zone no proxy looks at, or a CIDR range.
pub(super) fn parse_range(text: &str) -> Option<IpNet> {
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whether istiod leaves an object alone because it is for another revision (Istio `pkg/config/model.go`,
/// `LabelsInRevision`). Tags of revisions do not count.
pub(super) fn is_foreign(stack: &Stack, meta: &Meta) -> bool {
    meta.labels.get(REVISION).is_some_and(|revision| *revision != stack.istio.revision)
}

/// The same for what istiod tells ztunnel, where the label is read since 1.26.3 (Istio `releasenotes/notes/56477.yaml`).
pub(crate) fn is_foreign_to_ztunnel(stack: &Stack, meta: &Meta) -> bool {
    since(&stack.versions.istio, 1, 26, 3) && is_foreign(stack, meta)
}

/// What to say of an object that is left alone, and the code: what a DENY or STRICT shall stop goes through.
pub(super) fn foreign_message(stack: &Stack, meta: &Meta) -> String {
    let revision = meta.labels.get(REVISION).map(String::as_str).unwrap_or_default();
    let own = &stack.istio.revision;
    format!("label `{REVISION}: {revision}` makes istiod of revision `{own}` leave it alone")
}

/// What to do about it.
pub(super) const FOREIGN_HINT: &str = "remove the label, or write the revision that is installed";
