//! airtight: conformance of zero-trust Kubernetes networks.

pub mod cli;

#[cfg(feature = "live")]
pub use airtight_cluster as cluster;
#[cfg(feature = "live")]
pub use airtight_live as live;
pub use airtight_manifest as manifest;
pub use airtight_matrix::{judge, model, run, scenario, testbed};
pub use airtight_model::{path, policy, world};
pub use airtight_provision as provision;
pub use airtight_report as report;
