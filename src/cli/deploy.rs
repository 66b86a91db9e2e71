//! Options of `airtight run --testbed cluster` and `airtight job` that put something on a cluster.

use airtight_live::deploy::{DeployOptions, Place};
use airtight_provision::PROBE_IMAGE;
use clap::{Args, ValueEnum};

use super::error::CliError;
use super::rbac::RbacArgs;

/// What a run may put on a cluster. Without any of these, it makes nothing but the canary's namespace.
#[derive(Debug, Clone, Args)]
pub(super) struct DeployArgs {
    /// For `--testbed cluster`: the probe's image, as its nodes can pull it
    #[arg(long, value_name = "IMAGE", default_value = PROBE_IMAGE, help_heading = "Clusters")]
    pub(super) probe_image: String,
    /// For `--testbed cluster`: create the policies of the manifests, allows before denies, and remove them after the
    /// run; refused if one of them is there already
    #[arg(long, help_heading = "Clusters")]
    pub(super) apply_policies: bool,
    /// For `--testbed cluster`: create the workloads of the manifests as probe pods, and remove them after the run; in
    /// namespaces that are not there yet, or `anywhere`, but never where a Service would send them real traffic
    #[arg(long, value_name = "WHERE", value_enum, num_args = 0..=1, default_missing_value = "new")]
    #[arg(require_equals = true, conflicts_with = "as_deployed", help_heading = "Clusters")]
    pub(super) stand_ins: Option<Where>,
    /// For `--testbed cluster`: start flows in the real workloads, from ephemeral containers named `airtight-probe`,
    /// which nobody can remove: they stay in their pods until those are replaced
    #[arg(long, help_heading = "Clusters")]
    pub(super) as_deployed: bool,
    /// For `--testbed cluster`: start a probe on the network of each node from which a case starts, in a namespace of
    /// Pod Security level `privileged` that is removed after the run
    #[arg(long, help_heading = "Clusters")]
    pub(super) node_probes: bool,
}

/// Where stand-ins are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Where {
    /// In namespaces that are not there yet
    New,
    /// In namespaces of others too, next to what is there
    Anywhere,
}

impl DeployArgs {
    /// The options as they were written.
    pub(super) fn words(&self) -> Vec<String> {
        let stand_ins = self.stand_ins.map(|place| match place {
            Where::New => "--stand-ins",
            Where::Anywhere => "--stand-ins=anywhere",
        });
        let flags = [
            self.apply_policies.then_some("--apply-policies"),
            stand_ins,
            self.as_deployed.then_some("--as-deployed"),
            self.node_probes.then_some("--node-probes"),
        ];
        let image = ["--probe-image".to_owned(), self.probe_image.clone()];
        flags.into_iter().flatten().map(str::to_owned).chain(image).collect()
    }

    /// What they ask for.
    pub(super) fn options(&self) -> DeployOptions {
        let stand_ins = self.stand_ins.map(|place| match place {
            Where::New => Place::New,
            Where::Anywhere => Place::Anywhere,
        });
        DeployOptions {
            policies: self.apply_policies,
            stand_ins,
            as_deployed: self.as_deployed,
            node_probes: self.node_probes,
            case_users: false,
            changes: false,
        }
    }

    /// The role that they take.
    pub(super) fn role(&self) -> RbacArgs {
        RbacArgs {
            snapshot: false,
            apply_policies: self.apply_policies,
            stand_ins: self.stand_ins.is_some(),
            as_deployed: self.as_deployed,
            node_probes: self.node_probes,
        }
    }

    /// Refuses what only makes sense on a cluster that is there already.
    ///
    /// # Errors
    /// When one of the options was given.
    pub(super) fn refuse(&self, testbed: &str) -> Result<(), CliError> {
        let given = [
            (self.apply_policies, "--apply-policies"),
            (self.stand_ins.is_some(), "--stand-ins"),
            (self.as_deployed, "--as-deployed"),
            (self.node_probes, "--node-probes"),
            (self.probe_image != PROBE_IMAGE, "--probe-image"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(CliError::Argument {
                value: (*name).to_owned(),
                expected: "an option of this testbed",
                hint: format!("it is for --testbed cluster, and this is --testbed {testbed}"),
            }),
            None => Ok(()),
        }
    }
}
