//! A cluster by its kubeconfig, with kube.

mod access;
mod backoff;
mod body;
mod call;
mod cluster;
mod error;
mod exec;
mod fetch;
mod limits;
mod session;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use cluster::KubeCluster;
pub use fetch::{NotFetched, fetch};
pub use limits::Limits;
