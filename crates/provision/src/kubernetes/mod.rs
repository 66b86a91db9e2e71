//! The Kubernetes API of the cluster that is brought up.

mod connection;
mod lookup;
mod objects;
mod refusal;
mod server;

pub use server::Kubernetes;
