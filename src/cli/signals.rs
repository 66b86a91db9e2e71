//! Ctrl-C, for subcommands that leave something to end.

use airtight_cluster::Stop;
use airtight_provision::StepFailure;

use super::error::CliError;

/// Listens to Ctrl-C.
pub(super) fn stop() -> Result<Stop, CliError> {
    Stop::on_signals().map_err(|error| {
        let message = format!("cannot listen to signals: {error}");
        StepFailure::new("signals", message, "see whether the system limits what programs may do").into()
    })
}
