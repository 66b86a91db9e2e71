//! `airtight status`: what is there of our clusters.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use airtight_matrix::run::ExitStatus;
use airtight_provision::{ClusterName, Docker, Folder, Inventory, Progress, Record, State, clusters};
use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::output::{Output, OutputFormat};
use super::signals::stop;
use super::site::states;
use super::up::folder_failure;

/// Which clusters.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The cluster [default: all]
    #[arg(long, value_name = "NAME", env = "AIRTIGHT_CLUSTER")]
    name: Option<ClusterName>,
    /// Folder for the clusters' states, kubeconfigs and logs [default: airtight in XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "DIR", env = "AIRTIGHT_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    stack: String,
    folder: PathBuf,
    steps: std::collections::BTreeMap<String, Record>,
    there: Inventory,
}

/// Shows what is there.
///
/// # Errors
/// When Docker does not answer, or a state cannot be read.
pub fn status(args: &StatusArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let (root, stop, docker) = (states(args.state_dir.as_deref())?, stop()?, Docker::new()?);
    let names = match &args.name {
        Some(name) => BTreeSet::from([name.clone()]),
        None => clusters(&docker, &stop)?.into_iter().chain(recorded(&root)).collect(),
    };
    let shown = names
        .iter()
        .map(|name| {
            let folder = Folder(root.join(name.as_ref()));
            let state = State::read(&folder.state()).map_err(|error| folder_failure(&folder, &error))?;
            let there = Inventory::of(name, &docker, &stop)?;
            Ok(Shown { name: name.to_string(), stack: state.stack, folder: folder.0, steps: state.steps, there })
        })
        .collect::<Result<Vec<_>, CliError>>()?;
    match args.output {
        OutputFormat::Table => write(&shown, output).map_err(CliError::Output)?,
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&shown, args.output)?,
    }
    Ok(ExitStatus::Passed)
}

/// Clusters of which only the folder is left.
fn recorded(root: &std::path::Path) -> Vec<ClusterName> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn write(shown: &[Shown], output: &mut Output<'_>) -> std::io::Result<()> {
    let real: Vec<&Shown> =
        shown.iter().filter(|cluster| !cluster.there.is_empty() || !cluster.steps.is_empty()).collect();
    if real.is_empty() {
        return writeln!(output.out, "no cluster of ours is here");
    }
    real.into_iter().try_for_each(|cluster| one(cluster, output))
}

fn one(cluster: &Shown, output: &mut Output<'_>) -> std::io::Result<()> {
    let out = &mut output.out;
    let count = |progress: Progress| cluster.steps.values().filter(|record| record.progress == progress).count();
    let stack = if cluster.stack.is_empty() { "an unknown stack" } else { &cluster.stack };
    writeln!(out, "{} ({stack}): steps done: {}", cluster.name, count(Progress::Done))?;
    for (step, record) in &cluster.steps {
        match (record.progress, &record.failure) {
            (Progress::Failed, failure) => writeln!(out, "  failed: {step} [{}]", failure.as_deref().unwrap_or("?"))?,
            (Progress::Begun, _) => writeln!(out, "  half-way: {step}")?,
            (Progress::Done, _) => {}
        }
    }
    for network in &cluster.there.networks {
        writeln!(out, "  network    {network}")?;
    }
    for node in &cluster.there.nodes {
        writeln!(out, "  node       {} ({})", node.name, node.state)?;
    }
    for stand_in in &cluster.there.stand_ins {
        writeln!(out, "  stand-in   {} ({})", stand_in.name, stand_in.state)?;
    }
    for node in &cluster.there.foreign_nodes {
        writeln!(out, "  not ours   {node}")?;
    }
    writeln!(out, "  folder     {}", cluster.folder.display())
}
