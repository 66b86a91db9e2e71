//! A cluster's API server: calls, discovery, lists, and waiting for a state.
//!
//! Everything is asked through the one trait [`Cluster`], whose calls block: that of a kubeconfig is
//! `kube::KubeCluster` (feature `client`), [`Stopping`] ends another one's calls, and tests write down what theirs
//! answers. What is above it knows neither kube nor an async runtime.
//!
//! ```
//! use std::time::Duration;
//!
//! use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Container, Execution, read};
//! use airtight_manifest::Failure;
//! use serde_json::json;
//!
//! struct Small;
//!
//! impl Cluster for Small {
//!     fn send(&self, call: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
//!         let pods = json!({"items": [{"metadata": {"name": "web"}}]});
//!         let status = if call.path.starts_with("/api/v1/pods?") { 200 } else { 403 };
//!         Ok(ApiAnswer { status, body: pods })
//!     }
//! #    fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
//! #        Err(Failure::new("no-exec", "nothing is run here"))
//! #    }
//! #    fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
//! #        Ok(String::new())
//! #    }
//! }
//!
//! assert_eq!(read::list(&Small, "/api/v1/pods").unwrap().len(), 1);
//! assert_eq!(read::list(&Small, "/api/v1/secrets").unwrap_err().code, "forbidden");
//! ```

mod api;
pub mod apply;
pub mod discovery;
#[cfg(feature = "client")]
pub mod kube;
pub mod order;
pub mod pod;
pub mod read;
mod refusal;
pub mod retry;
#[cfg(test)]
mod scripted;
mod stop;
mod stopping;
pub mod wait;

pub use api::{ApiAnswer, ApiCall, Cluster, Container, Ended, Execution, Impersonated, Verb};
pub use stop::Stop;
pub use stopping::Stopping;
