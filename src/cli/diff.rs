//! `airtight diff`: a run compared with an earlier one.

use std::path::PathBuf;

use airtight_matrix::run::ExitStatus;
use airtight_report::diff::{Diff, render_list, render_markdown};
use clap::{Args, ValueEnum};

use super::error::CliError;
use super::output::{Output, OutputFormat};
use super::render::read;

/// Which runs.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The run.json to compare with, such as that of the last green run
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,
    /// The run.json to compare
    #[arg(value_name = "RUN", default_value = "airtight-report/run.json")]
    run: PathBuf,
    /// Fail also when cases pass in another way than before: another outcome or layer, fewer layers, a retry
    #[arg(long)]
    strict: bool,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: DiffFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum DiffFormat {
    /// For people
    #[default]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// GitHub Markdown, for a step summary
    Markdown,
}

/// Compares two runs; status 1 when something got worse, 4 when they have no case in common.
///
/// # Errors
/// When a run cannot be read, or standard output cannot be written.
pub fn diff(args: &DiffArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let diff = Diff::between(&read(&args.baseline)?, &read(&args.run)?);
    let text = match args.output {
        DiffFormat::Table => render_list(&diff),
        DiffFormat::Markdown => render_markdown(&diff),
        DiffFormat::Json => {
            output.serialized(&diff, OutputFormat::Json)?;
            String::new()
        }
        DiffFormat::Yaml => {
            output.serialized(&diff, OutputFormat::Yaml)?;
            String::new()
        }
    };
    output.out.write_all(text.as_bytes()).map_err(CliError::Output)?;
    Ok(diff.status(args.strict))
}
