//! `airtight report`: any format, from the run.json of an earlier run.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use airtight_matrix::run::{ExitStatus, RunRecord};
use airtight_report::{Format, Options, OscalVersion, json, render_with};
use clap::Args;

use super::error::CliError;
use super::output::Output;

/// A record is no longer than this: forty times that of the whole reference matrix.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// What to render.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run.json of an earlier run
    #[arg(long, value_name = "FILE", default_value = "airtight-report/run.json")]
    from: PathBuf,
    /// The format to render to standard output
    #[arg(long, short, value_enum, default_value = "markdown")]
    format: Format,
    /// The edition of OSCAL, for its formats
    #[arg(long, value_enum, default_value_t, value_name = "VERSION")]
    oscal_version: OscalVersion,
    /// Where the inputs can be read on the web, so that places in the page lead there: an address before the file's path,
    /// or one with {path} and {line}
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
}

/// Renders one format to standard output.
///
/// # Errors
/// When the record cannot be read or is of another version, or standard output cannot be written.
pub fn report(args: &ReportArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let record = read(&args.from)?;
    let options = Options { oscal: args.oscal_version, source_url: args.source_url.clone() };
    let rendered = render_with(args.format, &record, &options)?;
    output.out.write_all(&rendered).map_err(CliError::Output)?;
    Ok(ExitStatus::Passed)
}

/// Reads a run.json.
///
/// # Errors
/// When the file cannot be read, or is no run.json.
pub(super) fn read(path: &Path) -> Result<RunRecord, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let bytes = file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if bytes as u64 > MOST_BYTES {
        return Err(failed(std::io::Error::other(format!("it has more than {MOST_BYTES} bytes"))));
    }
    Ok(json::read(&text)?)
}
