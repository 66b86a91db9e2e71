//! `airtight run --testbed kind|cluster`: the matrix on a real cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::error::CliError;
use super::run::GoOn;
use super::site::{NameArgs, stop};
use crate::provision::{Failure, Stop};
use crate::testbed::live::kube::{Access, KubeCluster, Limits};
use crate::testbed::live::{Live, Options, Stopping};
use crate::testbed::{Testbed, TestbedError};

/// Which cluster, and how flows are tried there.
#[derive(Debug, Args)]
pub(super) struct LiveArgs {
    /// For `--testbed cluster`: context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", help_heading = "Clusters")]
    context: Option<String>,
    /// For `--testbed cluster`: the kubeconfig [default: KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE", help_heading = "Clusters")]
    kubeconfig: Option<PathBuf>,
    /// For a cluster whose context or server looks like production: its context, once more
    #[arg(long, value_name = "CONTEXT", help_heading = "Clusters")]
    in_production: Option<String>,
    #[command(flatten, next_help_heading = "Clusters")]
    name: NameArgs,
    /// After how many seconds without an answer a flow counts as dropped
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    #[arg(help_heading = "Clusters")]
    deny_timeout: u64,
    /// How often a case that did not pass is tried again
    #[arg(long, value_name = "COUNT", default_value_t = 2, help_heading = "Clusters")]
    retries: u32,
}

/// Whose cluster it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// One that `airtight up` made.
    Ours,
    /// One that was there before.
    Theirs,
}

/// A cluster that was reached.
pub(super) struct Reached {
    cluster: KubeCluster,
    options: Options,
    stop: Stop,
}

impl LiveArgs {
    /// How often a case that did not pass is tried again.
    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    /// Reaches the cluster.
    ///
    /// # Errors
    /// When there is none, or it looks like production and was named only once.
    pub(super) fn reach(&self, whose: Whose) -> Result<Reached, CliError> {
        let access = self.access(whose)?;
        let cluster = KubeCluster::connect(&access, Limits::default()).map_err(TestbedError::from)?;
        let name = match whose {
            Whose::Ours => "kind",
            Whose::Theirs => "cluster",
        };
        let deny_timeout = Duration::from_secs(self.deny_timeout);
        Ok(Reached { cluster, options: Options { name, deny_timeout, ..Options::default() }, stop: stop()? })
    }

    fn access(&self, whose: Whose) -> Result<Access, CliError> {
        match whose {
            Whose::Theirs => Ok(Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }),
            Whose::Ours => {
                let kubeconfig = self.name.folder()?.kubeconfig();
                if !kubeconfig.exists() {
                    let missing = TestbedError::new("no-cluster", format!("there is no {}", kubeconfig.display()));
                    return Err(missing
                        .hint("`airtight up` makes the cluster; `airtight status` shows what is there")
                        .into());
                }
                Ok(Access { kubeconfig: Some(kubeconfig), context: None })
            }
        }
    }
}

impl Reached {
    /// Does something with the testbed, which gets to know whether the user interrupted it.
    ///
    /// # Errors
    /// When the workloads cannot be looked up, and what `run` ends with.
    pub(super) fn with<T>(
        self,
        run: impl FnOnce(&mut dyn Testbed, GoOn<'_>) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let Self { cluster, options, stop } = self;
        let stopped = || stop.interrupted();
        let cluster = Stopping::new(&cluster, &stopped);
        let mut live = Live::new(&cluster, options, None)?;
        run(&mut live, &|| if stopped() { Err(Failure::interrupted().into()) } else { Ok(()) })
    }
}
