//! A cluster as input: which one, and its snapshot as manifests.

use std::path::PathBuf;

use airtight_cluster::Stopping;
use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_live::snapshot::{Asked, Snapshot, take};
use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Severity, printable};
use clap::Args;

use super::error::CliError;
use super::input::stack;
use super::live::IN_CLUSTER;
use super::signals::stop;

/// Which cluster is read.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ClusterArgs {
    /// Read this cluster, by its context of the kubeconfig, instead of files or beside those of --manifests
    #[arg(long, value_name = "NAME", help_heading = "Clusters")]
    pub(super) context: Option<String>,
    /// The kubeconfig [default: KUBECONFIG, ~/.kube/config, or the pod's service account]; without --context, its
    /// current one is read
    #[arg(long, value_name = "FILE", help_heading = "Clusters")]
    pub(super) kubeconfig: Option<PathBuf>,
}

impl ClusterArgs {
    /// Whether a cluster is named.
    pub(super) fn is_named(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// How to reach it.
    pub(super) fn access(&self) -> Access {
        Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }

    /// Reads the cluster; what it is called, and what is on it.
    ///
    /// # Errors
    /// When there is no such cluster, it does not answer, or the user wants to end.
    pub(super) fn snapshot(&self, namespace: Option<&str>) -> Result<(String, Snapshot), CliError> {
        let access = self.access();
        let name = access.context_used()?.unwrap_or_else(|| IN_CLUSTER.to_owned());
        let program = access.credential_program()?;
        let cluster = KubeCluster::connect(&access, Limits::default())?;
        let stop = stop()?;
        let stopped = || stop.interrupted();
        let base: Stack = stack("reference")?;
        let mut snapshot = take(&Stopping::new(&cluster, &stopped), Asked { namespace, base: &base })?;
        snapshot
            .notes
            .extend(program.map(|program| Diagnostic::new(Severity::Note, "credential-program", printable(&program))));
        Ok((name, snapshot))
    }
}
