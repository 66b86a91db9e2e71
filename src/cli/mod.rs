//! The command: one file for each subcommand.

mod bearing;
pub mod bundle;
#[cfg(feature = "live")]
mod clean;
#[cfg(feature = "live")]
mod cluster_input;
mod command;
pub mod coverage;
#[cfg(feature = "live")]
mod deploy;
pub mod diagnostics;
pub mod diff;
#[cfg(feature = "live")]
pub mod down;
pub mod embedded;
mod endpoint;
mod error;
#[cfg(feature = "live")]
mod evidence;
mod evidence_bundle;
pub mod explain;
mod history;
pub mod images;
pub mod init;
pub mod input;
#[cfg(feature = "live")]
mod job;
pub mod lint;
pub mod list;
#[cfg(feature = "live")]
mod live;
pub mod matrix;
mod moves;
mod output;
#[cfg(feature = "live")]
pub mod preflight;
mod probe;
#[cfg(feature = "live")]
mod progress;
mod rbac;
mod recipe;
pub mod render;
mod rendering;
pub mod run;
pub mod schema;
mod signals;
#[cfg(feature = "live")]
mod site;
#[cfg(feature = "live")]
mod snapshot;
pub mod stacks;
#[cfg(feature = "live")]
pub mod status;
mod suggest;
#[cfg(feature = "live")]
pub mod up;

pub use command::{Cli, main};
pub use error::CliError;
pub use output::{Output, OutputFormat};
