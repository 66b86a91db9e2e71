//! `airtight report`: any format, from the run.json of an earlier run.

use std::path::{Path, PathBuf};

use airtight_matrix::run::{ExitStatus, RunRecord};
use airtight_report::{Format, json, render};
use clap::Args;

use super::error::CliError;
use super::output::Output;

/// What to render.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run.json of an earlier run
    #[arg(long, value_name = "FILE", default_value = "airtight-report/run.json")]
    from: PathBuf,
    /// The format to render to standard output
    #[arg(long, short, value_enum, default_value = "markdown")]
    format: Format,
}

/// Renders one format to standard output.
///
/// # Errors
/// When the record cannot be read or is of another version, or standard output cannot be written.
pub fn report(args: &ReportArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let record = read(&args.from)?;
    let rendered = render(args.format, &record)?;
    output.out.write_all(&rendered).map_err(CliError::Output)?;
    Ok(ExitStatus::Passed)
}

/// Reads a run.json.
///
/// # Errors
/// When the file cannot be read, or is no run.json.
pub(super) fn read(path: &Path) -> Result<RunRecord, CliError> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    Ok(json::read(&text)?)
}
