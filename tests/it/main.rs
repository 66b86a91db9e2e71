//! The command, from its arguments to what it leaves behind. In one program, since much of its time is waited.

mod bad_input;
mod ci_scripts;
mod cli_coverage;
mod cli_evidence;
mod cli_lint;
#[cfg(feature = "live")]
mod cli_provision;
mod cli_read;
mod cli_run;
mod cli_streams;
#[cfg(feature = "live")]
mod cluster;
mod corpus;
mod dependencies;
#[cfg(feature = "live")]
mod envtest;
mod hostile;
mod init;
#[cfg(feature = "live")]
mod live;
#[cfg(feature = "live")]
mod machine;
mod namespaces;
#[cfg(feature = "live")]
mod provisioning;
#[cfg(feature = "live")]
mod refusals_real_api;
#[cfg(unix)]
mod rendering;
mod sabotage;
mod shop;
#[cfg(feature = "live")]
mod stand_in_docker;
#[cfg(feature = "live")]
mod temporary_real_api;

/// The probe of every pod, and of flows from outside: the command itself, which cargo has built before a test starts.
#[cfg(feature = "live")]
const PROBE: [&str; 2] = [env!("CARGO_BIN_EXE_airtight"), "probe-agent"];
