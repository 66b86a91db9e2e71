//! `airtight clean`: removes what crashed runs left on a cluster.

use std::path::PathBuf;
use std::time::Duration;

use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_live::temporary::{RUN_LABEL, leftovers};
use airtight_manifest::{Failure, printable};
use airtight_matrix::run::ExitStatus;
use clap::Args;

use super::error::CliError;
use super::output::Output;

/// Which cluster.
#[derive(Debug, Args)]
pub(super) struct CleanArgs {
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The kubeconfig [default: KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// How many seconds to try each object, while admission webhooks refuse
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

/// Removes every object with our label, the last that was made first. A run that is under way loses its objects too.
///
/// # Errors
/// When the cluster does not answer, and when something could not be looked for or removed.
pub(super) fn clean(args: &CleanArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let access = Access { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
    if let Some(program) = access.credential_program()? {
        writeln!(output.err, "{}", printable(&program)).map_err(CliError::Output)?;
    }
    let cluster = KubeCluster::connect(&access, Limits::default())?;
    let (found, unread) = leftovers(&cluster)?;
    let mut left = 0_usize;
    for each in &found {
        let result = if args.dry_run { Ok(()) } else { each.delete(&cluster, Duration::from_secs(args.wait)) };
        let line = match result {
            Ok(()) if args.dry_run => format!("would remove {} (run {})", each.what, each.run),
            Ok(()) => format!("removed {} (run {})", each.what, each.run),
            Err(why) => {
                left += 1;
                format!("left behind: {}: {why}", each.what)
            }
        };
        writeln!(output.out, "{line}").map_err(CliError::Output)?;
    }
    if found.is_empty() {
        writeln!(output.out, "nothing on the cluster carries {RUN_LABEL}").map_err(CliError::Output)?;
    }
    for each in &unread {
        writeln!(output.err, "not looked for: {each}").map_err(CliError::Output)?;
    }
    let hint = "`airtight rbac` with the flags of the run prints the role that this takes";
    match (left, unread.len()) {
        (0, 0) => Ok(ExitStatus::Passed),
        (0, unread) => {
            Err(Failure::new("unread", format!("{unread} resources could not be looked through")).hint(hint).into())
        }
        (left, _) => Err(Failure::new("left-behind", format!("{left} objects could not be removed")).hint(hint).into()),
    }
}
