//! A cluster's API server: calls, discovery, lists, and waiting for a state.

mod api;
pub mod discovery;
#[cfg(feature = "client")]
pub mod kube;
pub mod list;
pub mod pod;
pub mod read;
mod stop;
mod stopping;
pub mod wait;

pub use api::{ApiAnswer, ApiCall, Cluster, Container, Ended, Execution, Impersonated, Verb};
pub use read::Unread;
pub use stop::Stop;
pub use stopping::Stopping;
