//! `airtight snapshot`: a cluster as a folder of manifests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use airtight_live::snapshot::Snapshot;
use airtight_matrix::run::ExitStatus;
use clap::Args;
use tempfile::TempDir;

use super::cluster_input::ClusterArgs;
use super::error::CliError;
use super::output::Output;

/// The file by which a folder is known as a snapshot: nothing else is ever replaced.
const MARK: &str = ".airtight-snapshot";

/// What to read, and where to put it.
#[derive(Debug, Args)]
pub(super) struct SnapshotArgs {
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The kubeconfig [default: KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Read this namespace alone, with what its flows meet: the cluster's own objects, kube-system, the mesh's root
    /// namespace, and those of its waypoints
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// Folder to write
    #[arg(long, value_name = "DIR", default_value = "airtight-snapshot")]
    out: PathBuf,
    /// Replace the folder, if it is a snapshot
    #[arg(long)]
    force: bool,
}

/// Reads the cluster and writes the folder: all of it or nothing.
///
/// # Errors
/// When the cluster cannot be read, or the folder is there or cannot be written.
pub(super) fn snapshot(args: &SnapshotArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let replaced = args.out.join(MARK).is_file();
    if args.out.exists() && args.force && !replaced {
        let hint = "--force replaces snapshots alone: name another folder with --out".to_owned();
        return Err(CliError::Argument { value: args.out.display().to_string(), expected: "a snapshot", hint });
    }
    if args.out.exists() && !args.force {
        return Err(CliError::Exists(args.out.clone()));
    }
    let cluster = ClusterArgs { context: args.context.clone(), kubeconfig: args.kubeconfig.clone() };
    let (name, snapshot) = cluster.snapshot(args.namespace.as_deref())?;
    let unwritable = |source| CliError::Write { path: args.out.clone(), source };
    put(&args.out, &name, &snapshot).map_err(unwritable)?;
    tell(args, &name, &snapshot, output).map_err(CliError::Output)?;
    output.diagnostics(&snapshot.notes, &airtight_manifest::Sources::default())?;
    Ok(ExitStatus::Passed)
}

/// Writes beside the folder and renames, so that nobody ever reads half of it.
fn put(out: &Path, name: &str, snapshot: &Snapshot) -> io::Result<()> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let beside = tempfile::Builder::new().prefix(".airtight-snapshot").tempdir_in(parent)?;
    let made = beside.path().join("new");
    fs::create_dir(&made)?;
    let taken = airtight_matrix::run::now();
    fs::write(made.join(MARK), format!("context {name}, {taken}\n"))?;
    for file in &snapshot.files {
        let path = made.join(&file.name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, &file.bytes)?;
    }
    exchange(&made, out, &beside)
}

fn exchange(made: &Path, out: &Path, beside: &TempDir) -> io::Result<()> {
    let old = beside.path().join("old");
    let replaced = out.exists();
    if replaced {
        fs::rename(out, &old)?;
    }
    fs::rename(made, out).inspect_err(|_| {
        if replaced {
            // The old one is better than none; if that fails too, it goes with what is beside.
            let _ = fs::rename(&old, out);
        }
    })
}

fn tell(args: &SnapshotArgs, name: &str, snapshot: &Snapshot, output: &mut Output<'_>) -> io::Result<()> {
    let total: usize = snapshot.counts.values().sum();
    let kinds = snapshot.counts.values().filter(|count| **count > 0).count();
    writeln!(output.err, "read {total} objects of {kinds} kinds from {name}")?;
    for what in &snapshot.unread {
        writeln!(output.err, "  not read: {what}")?;
    }
    if !snapshot.unread.is_empty() {
        writeln!(
            output.err,
            "  what these could bear on is unknown; `airtight rbac --snapshot` prints a role that reads all"
        )?;
    }
    writeln!(output.err, "next: airtight matrix -m {}", args.out.display())
}
