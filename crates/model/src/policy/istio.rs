//! Rules of Istio that ztunnel and waypoints share.

use std::net::IpAddr;

use airtight_manifest::Object;
use airtight_manifest::istio::{AuthorizationPolicy, go_bool};
use ipnet::IpNet;

/// Whether the policy is only logged; istiod sends none such to ztunnel by default.
pub(super) fn is_dry_run(policy: &Object<AuthorizationPolicy>) -> bool {
    policy.meta.annotations.get("istio.io/dry-run").and_then(|value| go_bool(value)).unwrap_or(false)
}

/// An address or a CIDR range.
pub(super) fn parse_range(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
