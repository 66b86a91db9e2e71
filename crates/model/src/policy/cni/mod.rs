//! The CNI: NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and
//! ClusterNetworkPolicy as Cilium enforces them, and its DNS proxy.
//!
//! Every rule of every policy becomes an entry; the entries that bind an endpoint are found once for
//! each identity, and a decision filters them by peer and port.

mod bits;
mod cilium;
mod cluster;
mod compilation;
mod decide;
mod dialect;
mod dns;
mod entry;
mod explain;
mod groups;
mod hop;
mod identity;
mod idle;
mod kubernetes;
mod l7;
mod lint;
mod matching;
mod name;
mod near;
mod peers;
mod policy;
mod port;
mod proxy;
mod sanitize;
mod selector;
mod services;
mod shared;
mod side;

pub use bits::BitSet;
pub use dns::lookup_hop;
pub use hop::{CniHop, Payload};
pub use name::NamePatterns;
pub use peers::{Groups, PodPeers};
pub use policy::CniPolicy;
