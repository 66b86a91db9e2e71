//! Waypoints: which traffic goes through one, and what it lets through.

mod attach;
mod binding;
mod egress;
mod evaluate;
mod input;
mod inspector;
mod jwt;
mod lint;
mod matcher;
mod path;
mod protocol;
mod request;
mod rule;
mod target;
mod trust_domain;

pub use binding::{AllowedNamespaces, Binding, BindingProblem, Bindings, WaypointFor, WaypointGateway};
pub use egress::{VirtualAddress, dns_captured, originates_tls, virtual_address};
pub use evaluate::{WaypointImplementation, WaypointPolicy};
pub use inspector::reads_server_names;
pub use lint::lint;
pub use path::normalize;
pub use protocol::DeclaredProtocol;
pub use target::{WaypointPayload, WaypointTarget};
