//! `airtight run --testbed kind|cluster`: the matrix on a real cluster.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_live::deploy::DeployOptions;
use airtight_live::{Connected, Options, Outside, Ready, RunInput};
use airtight_manifest::{Failure, printable};
use airtight_matrix::testbed::Testbed;
use airtight_provision::{StepFailure, outside_of};
use clap::Args;

use super::cluster_input::ClusterArgs;
use super::deploy::DeployArgs;
use super::error::CliError;
use super::output::Output;
use super::probe;
use super::run::GoOn;
use super::signals::stop;
use super::site::NameArgs;

/// Which cluster, and how flows are tried there.
#[derive(Debug, Args)]
pub(super) struct LiveArgs {
    /// For a cluster whose context or server looks like production: its context, once more
    #[arg(long, value_name = "CONTEXT", help_heading = "Clusters")]
    in_production: Option<String>,
    #[command(flatten, next_help_heading = "Clusters")]
    name: NameArgs,
    #[command(flatten)]
    deploy: DeployArgs,
    /// After how many seconds without an answer a flow counts as dropped
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    #[arg(help_heading = "Clusters")]
    deny_timeout: u64,
    /// How many seconds observers have to write what they saw of a round: Envoy may hold its access log back for ten
    #[arg(long, value_name = "SECONDS", default_value_t = 12, help_heading = "Clusters")]
    log_wait: u64,
    /// How many seconds to wait for a state: manifests that come into force, a policy that bites
    #[arg(long, value_name = "SECONDS", default_value_t = 120, help_heading = "Clusters")]
    wait: u64,
    /// Label of the throw-away namespace in which the testbed shows that it enforces, such as one by which a default
    /// deny of all namespaces leaves it out [default: zt.example.com/isolate=false, which the reference set knows]
    #[arg(long, value_name = "NAME=VALUE", value_parser = label, help_heading = "Clusters")]
    canary_label: Vec<(String, String)>,
    /// The program `airtight-probe` for flows from outside the cluster, which start on this machine [default: the one
    /// beside this program, otherwise this program itself]
    #[arg(long, value_name = "PATH", env = "AIRTIGHT_PROBE", help_heading = "Clusters")]
    probe: Option<PathBuf>,
    /// Try the cluster although objects on it are not as the manifests say: each is a warning then, and no error
    #[arg(long, help_heading = "Clusters")]
    accept_drift: bool,
    /// How often a case that did not pass is tried again
    #[arg(long, value_name = "COUNT", default_value_t = 2, help_heading = "Clusters")]
    retries: u32,
}

/// What the context of a pod's own cluster is called, which has no name.
pub(super) const IN_CLUSTER: &str = "in-cluster";

/// Whose cluster it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    /// One that `airtight up` made.
    Ours,
    /// One that was there before.
    Theirs,
}

impl LiveArgs {
    /// How often a case that did not pass is tried again.
    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    /// Refuses what changes clusters where there is none.
    ///
    /// # Errors
    /// When one of these options was given.
    pub(super) fn refuse_deploying(&self, testbed: &str) -> Result<(), CliError> {
        self.deploy.refuse(testbed)
    }

    /// Reaches the cluster, prepares it, and has cases tried on it. What was deployed is removed, however it ends.
    ///
    /// # Errors
    /// When there is no cluster, it looks like production and was named only once, it cannot be prepared, what `run`
    /// ends with, and what could not be removed.
    pub(super) fn run_on<T>(
        &self,
        (ownership, cluster): (Ownership, &ClusterArgs),
        input: RunInput<'_>,
        output: &mut Output<'_>,
        run: impl FnOnce(&mut dyn Testbed, Ready<'_>, GoOn<'_>, &mut Output<'_>) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        if ownership == Ownership::Ours {
            self.deploy.refuse("kind")?;
        }
        if let Some(program) = self.access(ownership, cluster)?.credential_program()? {
            writeln!(output.err, "  {}", printable(&program)).map_err(CliError::Output)?;
        }
        let connected = self.connect(ownership, cluster)?;
        let stop = connected.stop.clone();
        let go_on = || if stop.interrupted() { Err(ended_by_the_user()) } else { Ok(()) };
        // Either the preparation is told, or the run writes.
        let output = RefCell::new(output);
        let mut told = Ok(());
        let mut say = |what: &str| {
            let written = writeln!(output.borrow_mut().err, "  {what}");
            // The first that could not be told is the error; what was begun is still ended as it must be.
            told = std::mem::replace(&mut told, Ok(())).and(written);
        };
        let ended = connected
            .run(input, &go_on, &mut say, |testbed, ready| run(testbed, ready, &go_on, &mut output.borrow_mut()));
        told.map_err(CliError::Output).and(ended)
    }

    fn connect(&self, ownership: Ownership, theirs: &ClusterArgs) -> Result<Connected, CliError> {
        let access = self.access(ownership, theirs)?;
        let cluster = KubeCluster::connect(&access, Limits::default())?;
        let (name, context) = match ownership {
            Ownership::Ours => ("kind", None),
            Ownership::Theirs => ("cluster", Some(access.context_used()?.unwrap_or_else(|| IN_CLUSTER.to_owned()))),
        };
        Ok(Connected {
            server: cluster.server().to_owned(),
            cluster: Box::new(cluster),
            context,
            confirmed: self.in_production.clone(),
            deploy: self.deploys(ownership),
            options: self.options(name, ownership),
            log_wait: Duration::from_secs(self.log_wait),
            stop: stop()?,
        })
    }

    /// On a cluster of ours, cases start on nodes and in whatever runs no probe too, and users hold the roles that cases
    /// presuppose.
    fn deploys(&self, ownership: Ownership) -> DeployOptions {
        match ownership {
            Ownership::Theirs => self.deploy.options(),
            Ownership::Ours => {
                let own = self.deploy.options();
                DeployOptions { as_deployed: true, node_probes: true, case_users: true, changes: true, ..own }
            }
        }
    }

    fn options(&self, name: &'static str, ownership: Ownership) -> Options {
        Options {
            name,
            deny_timeout: Duration::from_secs(self.deny_timeout),
            patience: Duration::from_secs(self.wait),
            canary_labels: self.canary_labels(),
            outside: self.outside(ownership),
            image: self.deploy.probe_image.clone(),
            accepts_drift: self.accept_drift,
            ..Options::default()
        }
    }

    /// Whoever runs in a pod is not outside. On a cluster of ours a container beside the nodes is, which reaches pods at
    /// their addresses.
    fn outside(&self, ownership: Ownership) -> Outside {
        if ownership == Ownership::Ours
            && self.probe.is_none()
            && let Some(beside) = probe::beside(&outside_of(&self.name.name))
        {
            return Outside::Probe(beside);
        }
        if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            return Outside::Nowhere("refused: this program runs in a pod, and not outside of the cluster".to_owned());
        }
        match probe::dialler(self.probe.clone()) {
            Ok(probe) => Outside::Probe(probe),
            Err(error) => Outside::Nowhere(format!(
                "refused: this program does not find itself, to dial from outside ({error}); name a probe with --probe"
            )),
        }
    }

    fn canary_labels(&self) -> BTreeMap<String, String> {
        if self.canary_label.is_empty() {
            return BTreeMap::from([("zt.example.com/isolate".to_owned(), "false".to_owned())]);
        }
        self.canary_label.iter().cloned().collect()
    }

    fn access(&self, ownership: Ownership, theirs: &ClusterArgs) -> Result<Access, CliError> {
        match ownership {
            Ownership::Theirs => Ok(theirs.access()),
            Ownership::Ours => {
                let kubeconfig = self.name.folder()?.kubeconfig();
                if !kubeconfig.exists() {
                    let missing = Failure::new("no-cluster", format!("there is no {}", kubeconfig.display()));
                    return Err(missing
                        .hint("`airtight up` makes the cluster; `airtight status` shows what is there")
                        .into());
                }
                Ok(Access { kubeconfig: Some(kubeconfig), context: None })
            }
        }
    }
}

/// A label as it is written on the command line.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is written NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What was deployed for the run is removed before anybody reads this.
fn ended_by_the_user() -> CliError {
    StepFailure::new("interrupted", "the user ended it", "what it deployed on the cluster is removed; run it again")
        .into()
}
