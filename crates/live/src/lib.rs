//! Live testbeds: real clusters, with probes in their pods.
//!
//! A run on a cluster is [`Connected::run`]: it refuses what looks like production ([`guard`]), looks at what is
//! installed ([`detect`]), deploys what was asked for ([`deploy`], of [`temporary`] resources), waits until the manifests
//! are in force, and hands over a [`Live`] testbed. What it made goes away with it, and what was seen is kept ([`raw`]).
//!
//! A round of flows is one exec session for each pod from which flows start; what the probes answer becomes
//! observations, and observers ([`evidence`]) say who ended them. A flow without an answer of its own is a probe error,
//! which satisfies no expectation.
//!
//! A cluster is input as well: [`snapshot`] reads it as manifests.
//!
//! ```
//! use airtight_live::detect::looks_like_production;
//!
//! let why = looks_like_production("admin@eu-1", "https://10.0.0.1:6443", &["payments-prod"]);
//! assert_eq!(why.unwrap(), "the name of namespace payments-prod contains `prod`");
//! ```

mod admission;
mod answer;
mod attempt;
mod canary;
mod changes;
mod connected;
pub mod deploy;
pub mod detect;
mod drift;
mod elimination;
mod entrance;
pub mod evidence;
mod generation;
mod guard;
mod in_force;
mod issuer;
mod kubelet;
mod mesh;
mod node_pod;
mod nodes;
mod options;
mod origin;
mod outside;
mod places;
mod probe_pod;
pub mod raw;
#[cfg(test)]
mod scripted;
mod session;
pub mod snapshot;
mod staged;
pub mod temporary;
mod testbed;
mod witness;

pub use connected::{Connected, Ready, RunInput, Say};
pub use guard::guard;
pub use options::Options;
pub use origin::Origin;
pub use outside::{Dialler, Outside};
pub use testbed::Live;
pub use witness::{Tried, Witness};
