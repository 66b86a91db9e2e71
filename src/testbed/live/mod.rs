//! Live testbeds: real clusters, with probes in their pods.

mod cluster;
#[cfg(feature = "live")]
pub mod kube;

pub use cluster::{ApiAnswer, ApiCall, CallError, Cluster, Container, Ended, Execution, Impersonated, Verb};
