//! `airtight schema`: JSON Schemas for editors, and for readers of run.json, of comparisons, histories and evidence.

use airtight_matrix::run::ExitStatus;
use clap::{Args, ValueEnum};

use super::error::CliError;
use super::output::{Output, OutputFormat};

/// Which schema to print.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// What it describes
    #[arg(value_enum)]
    of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaOf {
    /// A scenario file
    Scenario,
    /// The run.json of a run
    Run,
    /// A file with a waiver
    Waiver,
    /// The manifest of an evidence bundle
    Evidence,
    /// What `history -o json` prints
    History,
    /// What `diff --manifests -o json` prints
    Diff,
    /// What `matrix -o json --grouped` prints
    Matrix,
    /// What `lint -o json` prints
    Lint,
    /// What `coverage -o json` prints
    Coverage,
    /// A document that says what is around the cluster
    Environment,
}

/// Prints a schema.
///
/// # Errors
/// When standard output cannot be written.
pub fn schema(args: &SchemaArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let schema = match args.of {
        SchemaOf::Scenario => airtight_matrix::scenario::schema(),
        SchemaOf::Run => airtight_matrix::run::schema(),
        SchemaOf::Waiver => airtight_matrix::scenario::waiver_schema(),
        SchemaOf::Evidence => airtight_report::bundle::schema(),
        SchemaOf::History => airtight_report::history::schema(),
        SchemaOf::Diff => airtight_report::moves::schema(),
        SchemaOf::Matrix => airtight_report::reach::grouped_schema(),
        SchemaOf::Lint => airtight_lint::schema(),
        SchemaOf::Coverage => airtight_matrix::run::coverage::coverage_schema(),
        SchemaOf::Environment => airtight_model::world::environment_schema(),
    };
    output.serialized(&schema, OutputFormat::Json)?;
    Ok(ExitStatus::Passed)
}
