//! `airtight rbac`: what a run on a cluster must be allowed to do.

use super::error::CliError;
use super::output::Output;
use crate::run::ExitStatus;

/// The role, as a manifest.
const ROLE: &str = include_str!("rbac.yaml");

/// Prints the role.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn rbac(output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    write!(output.out, "{ROLE}").map_err(CliError::Output)?;
    Ok(ExitStatus::Passed)
}
