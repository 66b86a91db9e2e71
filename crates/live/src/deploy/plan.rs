//! What a run was asked to deploy, and what came of it.

use airtight_cluster::Cluster;
use airtight_cluster::wait::{Awaited, Patience, Revisions};
use airtight_manifest::{Diagnostic, Failure};
use airtight_matrix::scenario::Plan;
use serde_json::Value;

use super::batch::Batch;
use super::policies::{counts_for_cilium, revisions};
use super::probes::enter_workloads;
use crate::Say;
use crate::options::Options;
use crate::temporary::TemporaryResources;

/// What a run may put on a cluster. With none of these, it makes nothing but the canary's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeployOptions {
    /// The policies of the manifests, allows before denies.
    pub policies: bool,
    /// The workloads of the manifests as probe pods, and where.
    pub stand_ins: Option<Place>,
    /// Probes in the real workloads, from ephemeral containers, which nobody can remove.
    pub as_deployed: bool,
    /// A probe on the network of each node from which a case starts, in a namespace of the run's.
    pub node_probes: bool,
    /// The roles that users of cases are presupposed to hold, for the time of the run.
    pub case_users: bool,
    /// Whether cases may change the cluster for good, each for the time that it takes.
    pub changes: bool,
}

impl DeployOptions {
    /// Whether anything of it is made for the time of the run.
    fn makes(self) -> bool {
        self.policies || self.stand_ins.is_some() || self.node_probes || self.case_users
    }
}

/// Where stand-ins are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In namespaces that are not there yet.
    New,
    /// In namespaces of others too, next to what is there.
    Anywhere,
}

/// What the manifests hold that can be deployed.
#[derive(Clone, Copy)]
pub struct DeployPlan<'a> {
    /// What was asked for.
    pub wanted: DeployOptions,
    /// The cases, from whose sources probes must start.
    pub plan: &'a Plan,
    /// The objects that exist by the manifests, as the model sees it.
    pub objects: &'a [Value],
    /// How flows are tried.
    pub options: &'a Options,
    /// How long pods are waited for.
    pub patience: Patience,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Deployed {
    /// What was left out, or stays.
    pub findings: Vec<Diagnostic>,
    /// What to wait for besides the manifests' own objects.
    pub awaited: Vec<Awaited>,
}

/// Deploys what was asked for.
///
/// # Errors
/// When something that exists would be overwritten, when the API server refuses something, and when a pod does not
/// become ready.
pub fn deploy(
    plan: &DeployPlan<'_>,
    cluster: &dyn Cluster,
    resources: &mut TemporaryResources<'_>,
    say: &mut Say<'_>,
) -> Result<Deployed, Failure> {
    let mut deployed = Deployed::default();
    if plan.wanted.makes() {
        make(plan, cluster, resources, &mut deployed, say)?;
    }
    if plan.wanted.as_deployed {
        deployed.findings.extend(enter_workloads(plan, cluster, say)?);
    }
    Ok(deployed)
}

fn make(
    plan: &DeployPlan<'_>,
    cluster: &dyn Cluster,
    resources: &mut TemporaryResources<'_>,
    deployed: &mut Deployed,
    say: &mut Say<'_>,
) -> Result<(), Failure> {
    let wanted = Batch::wanted(plan, cluster, resources.run(), &mut deployed.findings)?;
    let survey = resources.survey(&wanted.surveyed())?;
    let batch = wanted.fitted(plan, &survey, &mut deployed.findings)?;
    let before = if batch.policies.is_empty() { Revisions::default() } else { revisions(cluster)? };
    for sentence in batch.sentences(resources.run()) {
        say(&sentence);
    }
    batch.objects().try_for_each(|object| resources.make(object))?;
    let at_nodes = batch.policies.iter().filter(|policy| counts_for_cilium(policy)).count();
    if at_nodes > 0 {
        deployed.awaited = Awaited::revisions(&before, u64::try_from(at_nodes).unwrap_or(u64::MAX));
    }
    let names = batch.pods();
    let took = resources.wait_for(&names, &plan.options.image)?;
    if !names.is_empty() {
        say(&format!("{} probe pods are ready ({} s)", names.len(), took.as_secs()));
    }
    Ok(())
}
