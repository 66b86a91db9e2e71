//! `airtight preflight`: whether this machine can run a cluster of a stack.

use airtight_matrix::run::ExitStatus;
use airtight_provision::Docker;
use airtight_provision::preflight::{Need, Standing, preflight as measure};
use clap::Args;

use super::error::CliError;
use super::output::{Output, OutputFormat};
use super::site::ClusterArgs;

/// What to check for.
#[derive(Debug, Args)]
pub struct PreflightArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Measures every need and shows them together.
///
/// # Errors
/// When the stack cannot be read, or a need is unmet.
pub fn preflight(args: &PreflightArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let cluster = &args.cluster;
    let needs = measure(&cluster.recipe()?, &cluster.options()?, &cluster.site()?, &Docker::new()?);
    match args.output {
        OutputFormat::Table => write(&needs, output.out).map_err(CliError::Output)?,
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&needs, args.output)?,
    }
    match unmet(&needs) {
        0 => Ok(ExitStatus::Passed),
        count => Err(CliError::Preflight(count)),
    }
}

/// How many needs are unmet.
pub(super) fn unmet(needs: &[Need]) -> usize {
    needs.iter().filter(|need| need.standing == Standing::Unmet).count()
}

/// The needs, each with its remedy below.
pub(super) fn write(needs: &[Need], out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let width = needs.iter().map(|need| need.id.len()).max().unwrap_or_default();
    for need in needs {
        writeln!(
            out,
            "{:<8}  {:<width$}  {} (needs {})",
            need.standing.to_string(),
            need.id,
            need.measured,
            need.required
        )?;
        if let Some(remedy) = &need.remedy {
            writeln!(out, "{:8}  {:width$}  -> {remedy}", "", "")?;
        }
    }
    Ok(())
}
