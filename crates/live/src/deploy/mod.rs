//! What a run may deploy on somebody else's cluster: policies, stand-ins of workloads, and probes in real ones.
//!
//! Everything is made of [`temporary`](crate::temporary) resources; only ephemeral containers stay.

mod admitted;
mod batch;
mod case_users;
mod namespaces;
mod nodes;
mod plan;
mod policies;
mod probes;
mod stand_ins;

pub use admitted::admitted;
pub(crate) use nodes::node_namespace;
pub use plan::{DeployOptions, DeployPlan, Deployed, Place, deploy};
pub(crate) use policies::is_policy;
