//! airtight: conformance of zero-trust Kubernetes networks.

pub mod cli;
pub use airtight_manifest as manifest;
pub use airtight_model::{path, policy, world};
pub mod provision;
pub use airtight_matrix::{judge, run, scenario};
pub use airtight_report as report;
pub mod testbed;
