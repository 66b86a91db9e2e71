//! `airtight down`: removes what `up` made, and nothing else.

use airtight_matrix::run::ExitStatus;
use airtight_provision::{ClusterName, Docker, Removed, StepFailure, teardown};
use clap::Args;

use super::error::CliError;
use super::output::Output;
use super::signals::stop;
use super::site::NameArgs;
use super::up::folder_failure;

/// Which cluster.
#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    name: NameArgs,
}

/// Removes a cluster.
///
/// # Errors
/// When Docker does not answer, another process works on the cluster, or something cannot be removed.
pub fn down(args: &DownArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let (folder, name) = (args.name.folder()?, &args.name.name);
    // Taking a folder makes it, so one that is not there is not taken.
    let lock = folder.0.exists().then(|| folder.lock()).transpose().map_err(|error| folder_failure(&folder, &error))?;
    if matches!(lock, Some(None)) {
        return Err(busy(name).into());
    }
    let (stop, mut removed) = (stop()?, 0);
    let mut tell = |what: Removed| {
        removed += 1;
        // Nobody may be listening any more; the work goes on.
        let _ = writeln!(output.out, "{}", sentence(&what));
    };
    teardown(name, &folder, &Docker::new()?, &stop, &mut tell)?;
    if removed == 0 {
        writeln!(output.out, "there is no cluster {name}").map_err(CliError::Output)?;
    }
    Ok(ExitStatus::Passed)
}

fn busy(name: &ClusterName) -> StepFailure {
    let message = format!("another airtight works on the cluster {name}");
    StepFailure::new("busy", message, "end it with Ctrl-C first, or wait for it")
}

fn sentence(removed: &Removed) -> String {
    match removed {
        Removed::Programs(1) => "ended a program that an earlier attempt left running".to_owned(),
        Removed::Programs(count) => format!("ended {count} programs that an earlier attempt left running"),
        Removed::StandIn(name) => format!("removed container {name}"),
        Removed::Nodes(names) => format!("removed nodes {}", names.join(", ")),
        Removed::Network(name) => format!("removed network {name}"),
        Removed::Folder(path) => format!("removed {path}"),
        Removed::LeftAlone(names) => format!("left alone, being on a network that is not ours: {}", names.join(", ")),
    }
}
