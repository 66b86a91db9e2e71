//! Live testbeds: real clusters, with probes in their pods.

mod cluster;

pub use cluster::{ApiAnswer, ApiCall, CallError, Cluster, Container, Ended, Execution, Impersonated, Verb};
