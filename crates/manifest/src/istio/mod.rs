//! Istio's security and networking kinds, with every field of the CRDs of 1.26 and 1.30.

mod authentication;
mod authorization;
mod destination_rule;
mod service_entry;
mod target;
mod webhook;

pub use authentication::{
    ClaimToHeader, HeaderLocation, JwtRule, MtlsMode, MutualTls, PeerAuthentication, PeerAuthenticationSpec,
    RequestAuthentication, RequestAuthenticationSpec,
};
pub use authorization::{
    Action, AuthorizationPolicy, AuthorizationPolicySpec, Condition, From, Operation, Provider, Rule, Source, To,
};
pub use destination_rule::{
    ClientTls, ClientTlsMode, DestinationRule, DestinationRuleSpec, PortSelector, PortTrafficPolicy, Subset,
    TrafficPolicy,
};
pub use service_entry::{
    Location, Resolution, ServiceEntry, ServiceEntryEndpoint, ServiceEntryPort, ServiceEntrySelector, ServiceEntrySpec,
};
pub use target::{TargetKind, TargetRef, WorkloadSelector, go_bool, since};

use target::target_refs;
