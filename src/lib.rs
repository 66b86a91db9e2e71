//! airtight: conformance of zero-trust Kubernetes networks.

pub mod cli;
pub mod judge;
pub mod manifest;
pub mod path;
pub mod policy;
pub mod provision;
pub mod report;
pub mod run;
pub mod scenario;
pub mod testbed;
pub mod world;
