//! What is done to bring a cluster up: steps with their order, exact calls, gates and limits. Pure.

mod cluster;
mod coredns;
mod gateways;
mod images;
mod install;
mod kind_config;
mod mirror;
mod outside;
mod payload;
mod serving;
mod stand_in;
mod step;
mod steps;

#[cfg(feature = "live")]
pub(super) use cluster::node;
pub use coredns::{CorefileError, HostName, with_names};
pub(super) use install::manifest_file;
pub use outside::Ways;
pub use step::{Action, Certificate, Ensure, Source, Step, TlsSecret, Trust};
pub use steps::Plan;
