//! airtight: conformance of zero-trust Kubernetes networks.
//!
//! This package is the command `airtight`; the rooms behind it are crates of their own, which stand here under the names
//! of the picture in CONTRIBUTING.md:
//!
//! ```text
//! manifest ─► kyverno ─► world, policy, path ─► scenario, judge, run ─► report ─► cli
//!                                           └─► lint                              │
//!                                                testbed: model, live ◄─ cluster ─► provision
//! ```
//!
//! Whether one flow gets through a policy set, without a cluster:
//!
//! ```
//! use airtight::cli::input::{InputArgs, Inputs};
//! use airtight::path::Engine;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The embedded reference set; `manifests` and `scenarios` would name files of one's own.
//! let args = InputArgs { manifests: Vec::new(), scenarios: Vec::new(), stack: "reference".to_owned() };
//! let inputs = Inputs::load(&args)?;
//! let built = inputs.world()?;
//! let engine = Engine::compile(&built.world);
//! let plan = inputs.plan(&built.world)?;
//! let trace = engine.trace(&plan.cases[0].case.flow)?;
//! assert!(trace.outcome().is_some());
//! # Ok(()) }
//! ```

pub mod cli;

pub use airtight_cluster as cluster;
pub use airtight_lint as lint;
#[cfg(feature = "live")]
pub use airtight_live as live;
pub use airtight_manifest as manifest;
pub use airtight_matrix::{judge, model, run, scenario, testbed};
pub use airtight_model::{path, policy, world};
pub use airtight_provision as provision;
pub use airtight_report as report;
