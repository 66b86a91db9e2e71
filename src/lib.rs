//! airtight: conformance of zero-trust Kubernetes networks.

pub mod cli;
pub mod judge;
pub use airtight_manifest as manifest;
pub use airtight_model::{path, policy, world};
pub mod provision;
pub mod report;
pub mod run;
pub mod scenario;
pub mod testbed;
