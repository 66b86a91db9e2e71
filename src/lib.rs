//! airtight: conformance of zero-trust Kubernetes networks.

pub mod cli;
pub use airtight_manifest as manifest;
pub use airtight_model::{path, policy, world};
pub mod provision;
pub mod report;
pub use airtight_matrix::{judge, run, scenario};
pub mod testbed;
