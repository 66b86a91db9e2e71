//! `airtight diff`: a run compared with an earlier one, or what two sets of manifests allow.

use std::path::PathBuf;

use airtight_matrix::run::ExitStatus;
use airtight_report::diff::{Diff, render_list, render_markdown};
use clap::{Args, ValueEnum};
use serde::Serialize;

#[cfg(feature = "live")]
use super::cluster_input::ClusterArgs;
use super::error::CliError;
use super::input::AUTO;
use super::moves;
use super::output::{Output, OutputFormat};
use super::render::read;
use super::rendering::RenderingArgs;

/// Which runs, or which manifests.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The run.json to compare with, such as that of the last green run
    #[arg(value_name = "BASELINE", required_unless_present_any = BY_MANIFESTS, conflicts_with_all = BY_MANIFESTS)]
    baseline: Option<PathBuf>,
    /// The run.json to compare
    #[arg(value_name = "RUN", default_value = "airtight-report/run.json")]
    run: PathBuf,
    /// Compare what two sets of manifests allow instead of two runs, the earlier first: each a file, a folder, a snapshot, a
    /// kustomization or a chart. With --context, the cluster is the earlier one
    #[arg(long, short = 'm', value_name = "PATH")]
    pub(super) manifests: Vec<PathBuf>,
    /// Of manifests: the namespace of one end at least, and of objects that name none
    #[arg(long, short)]
    pub(super) namespace: Option<String>,
    /// Of manifests: component versions of both sets: `reference`, `latest`, a stack file, or `auto`, for each the one
    /// among its manifests, as a snapshot has one, else `reference`
    #[arg(long, value_name = "NAME", default_value = AUTO, env = "AIRTIGHT_STACK")]
    pub(super) stack: String,
    /// Fail also when cases pass in another way than before: another outcome or layer, fewer layers, a retry; or flows of
    /// manifests end as before by another layer or for another reason
    #[arg(long)]
    pub(super) strict: bool,
    /// Output format
    #[arg(long, short, visible_alias = "format", value_enum, default_value_t)]
    pub(super) output: DiffFormat,
    #[command(flatten)]
    pub(super) rendering: RenderingArgs,
    #[cfg(feature = "live")]
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
}

/// Arguments that ask for manifests to be compared.
#[cfg(feature = "live")]
const BY_MANIFESTS: [&str; 3] = ["manifests", "context", "kubeconfig"];
#[cfg(not(feature = "live"))]
const BY_MANIFESTS: [&str; 1] = ["manifests"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum DiffFormat {
    /// For people
    #[default]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// GitHub Markdown, for a step summary or a comment
    Markdown,
}

/// Compares two runs, or two sets of manifests; status 1 when something got worse (of manifests: when a denied flow became
/// allowed or an allowed one denied), 4 when they have nothing in common.
///
/// # Errors
/// When a run or manifests cannot be read, or standard output cannot be written.
pub fn diff(args: &DiffArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let Some(baseline) = &args.baseline else { return moves::moves(args, output) };
    let diff = Diff::between(&read(baseline)?, &read(&args.run)?);
    args.output.write(&diff, render_list, render_markdown, output)?;
    Ok(diff.status(args.strict))
}

impl DiffFormat {
    /// Writes a comparison.
    pub(super) fn write<T: Serialize>(
        self,
        compared: &T,
        list: fn(&T) -> String,
        markdown: fn(&T) -> String,
        output: &mut Output<'_>,
    ) -> Result<(), CliError> {
        let text = match self {
            Self::Table => list(compared),
            Self::Markdown => markdown(compared),
            Self::Json => return output.serialized(compared, OutputFormat::Json),
            Self::Yaml => return output.serialized(compared, OutputFormat::Yaml),
        };
        output.out.write_all(text.as_bytes()).map_err(CliError::Output)
    }
}
