//! The Gateway API as Kgateway, agentgateway and Istio implement it: listeners, routes, backends.

mod attach;
mod authorization;
mod backend;
mod cel;
mod compile;
mod delegation;
mod filter;
mod gateway_state;
mod grant;
mod hostname;
mod listener;
mod matching;
mod mesh;
mod outcome;
mod precedence;
mod route;
mod select;
mod status;
mod tls;
mod tls_route;
mod waypoint;

pub use backend::BackendTarget;
pub use compile::GatewayPolicy;
pub use hostname::{HostPattern, host_of};
pub use matching::{Match, PathCondition, Undecidable};
pub use outcome::{Routed, RoutedBackend};
pub use precedence::{Origin, Precedence, RegexPlace};
pub use status::{AcceptedReason, ListenerReason, ParentStatus, RefsReason};
pub use tls::{BackendTls, backend_tls, originates_tls};
pub use waypoint::{WaypointGatewayFacts, waypoint_gateways};
