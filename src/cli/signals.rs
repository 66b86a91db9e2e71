//! Ctrl-C, for subcommands that leave something to end.

use super::error::CliError;
use crate::provision::{Failure, Stop};

/// Listens to Ctrl-C.
pub(super) fn stop() -> Result<Stop, CliError> {
    Stop::on_signals().map_err(|error| {
        let message = format!("cannot listen to signals: {error}");
        Failure::new("signals", message, "see whether the system limits what programs may do").into()
    })
}
