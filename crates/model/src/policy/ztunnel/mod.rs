//! ztunnel: mTLS and L4 authorization at the destination, and the way that the source's ztunnel picks.

mod capture;
mod convert;
mod inbound;
mod lint;
mod mtls;
mod rbac;
mod route;
mod upstream;

pub use capture::{Bypass, Capture, inbound_capture};
pub use inbound::{Caller, Ruling, Workload, ZtunnelPolicy};
pub use lint::lint;
pub use route::{OutboundTarget, Route, route};
pub use upstream::{Upstream, UpstreamAddress, of_entry as entry_upstreams};
