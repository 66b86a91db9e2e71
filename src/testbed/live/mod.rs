//! Live testbeds: real clusters, with probes in their pods.

mod cluster;
pub mod convergence;
pub mod detect;
pub mod evidence;
mod read;

pub use cluster::{ApiAnswer, ApiCall, CallError, Cluster, Container, Ended, Execution, Impersonated, Verb};
pub use read::Unread;
