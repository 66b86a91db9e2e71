//! `airtight rbac`: what a run on a cluster must be allowed to do.

use airtight_matrix::run::ExitStatus;
use clap::Args;

use super::error::CliError;
use super::output::Output;

/// The role of a run that makes nothing but the canary's namespace, as a manifest.
const READ_ONLY: &str = include_str!("rbac/read_only.yaml");

/// Rules more, for each option.
const APPLY_POLICIES: &str = include_str!("rbac/apply_policies.yaml");
const STAND_INS: &str = include_str!("rbac/stand_ins.yaml");
const AS_DEPLOYED: &str = include_str!("rbac/as_deployed.yaml");
const NODE_PROBES: &str = include_str!("rbac/node_probes.yaml");

/// The role of whoever reads a cluster as input.
const SNAPSHOT: &str = include_str!("rbac/snapshot.yaml");

/// For which run.
#[derive(Debug, Clone, Args)]
pub(super) struct RbacArgs {
    /// The role of `airtight snapshot` and of `--context`, which changes nothing
    #[arg(long, conflicts_with_all = ["apply_policies", "stand_ins", "as_deployed", "node_probes"])]
    pub(super) snapshot: bool,
    /// For runs with --apply-policies, and for `airtight clean` after them
    #[arg(long)]
    pub(super) apply_policies: bool,
    /// For runs with --stand-ins, and for `airtight clean` after them
    #[arg(long)]
    pub(super) stand_ins: bool,
    /// For runs with --as-deployed
    #[arg(long)]
    pub(super) as_deployed: bool,
    /// For runs with --node-probes, and for `airtight clean` after them
    #[arg(long)]
    pub(super) node_probes: bool,
}

/// Prints the role.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn rbac(args: &RbacArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    write!(output.out, "{}", args.role()).map_err(CliError::Output)?;
    Ok(ExitStatus::Passed)
}

impl RbacArgs {
    /// The role, as a manifest.
    pub(super) fn role(&self) -> String {
        if self.snapshot {
            return SNAPSHOT.to_owned();
        }
        let more = [
            (self.apply_policies, APPLY_POLICIES),
            (self.stand_ins, STAND_INS),
            (self.as_deployed, AS_DEPLOYED),
            (self.node_probes, NODE_PROBES),
        ];
        let wanted = more.iter().filter(|(wanted, _)| *wanted).map(|(_, rules)| *rules);
        std::iter::once(READ_ONLY).chain(wanted).collect()
    }
}
