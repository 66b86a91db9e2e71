//! The objects that one run makes, in the order in which they are made.

use std::collections::BTreeSet;

use airtight_cluster::Cluster;
use airtight_cluster::read::text;
use airtight_manifest::{Diagnostic, Failure};
use serde_json::Value;

use super::namespaces::namespaces;
use super::plan::DeployPlan;
use super::policies::{policies, refuse_to_overwrite};
use super::stand_ins::{accounts, belongs, fits, is, stand_ins, uses};
use crate::temporary::{StandIn, Survey, reference, service};

/// The objects that one run makes.
#[derive(Default)]
pub(super) struct Batch {
    namespaces: Vec<Value>,
    pub(super) policies: Vec<Value>,
    accounts: Vec<Value>,
    services: Vec<Value>,
    pub(super) stand_ins: Vec<StandIn>,
}

impl Batch {
    /// Everything that was asked for, whatever there is on the cluster.
    pub(super) fn wanted(
        plan: &DeployPlan<'_>,
        cluster: &dyn Cluster,
        findings: &mut Vec<Diagnostic>,
    ) -> Result<Self, Failure> {
        let policies = if plan.wanted.policies { policies(plan, cluster, findings)? } else { Vec::new() };
        if plan.wanted.stand_ins.is_none() {
            return Ok(Self { policies, ..Self::default() });
        }
        let stand_ins = stand_ins(plan, findings);
        let accounts = accounts(plan, &stand_ins);
        let services = plan.objects.iter().filter(|object| is(object, "v1", "Service")).map(service).collect();
        Ok(Self { policies, accounts, services, stand_ins, namespaces: Vec::new() })
    }

    /// Of what must be known whether it is there.
    pub(super) fn surveyed(&self) -> Vec<Value> {
        [self.policies.as_slice(), &self.accounts, &self.services].concat()
    }

    /// What of it may be made on a cluster that has what `survey` found; what may not is a finding.
    ///
    /// # Errors
    /// When a policy is there already.
    pub(super) fn fitted(
        mut self,
        plan: &DeployPlan<'_>,
        survey: &Survey,
        findings: &mut Vec<Diagnostic>,
    ) -> Result<Self, Failure> {
        refuse_to_overwrite(&self.policies, survey)?;
        if let Some(place) = plan.wanted.stand_ins {
            self.stand_ins.retain(|stand_in| fits(stand_in, place, survey, findings));
            let stand_ins = &self.stand_ins;
            self.accounts
                .retain(|account| uses(stand_ins, account) && !survey.existing.contains_key(&reference(account)));
            self.services.retain(|service| belongs(service, stand_ins, survey));
        }
        let needed: BTreeSet<&str> = self.objects().map(|object| text(object, "/metadata/namespace")).collect();
        self.namespaces = namespaces(plan, survey, &needed, findings);
        Ok(self)
    }

    /// All of them in their order.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Value> {
        let pods = self.stand_ins.iter().map(|stand_in| &stand_in.pod);
        self.namespaces.iter().chain(&self.policies).chain(&self.accounts).chain(&self.services).chain(pods)
    }

    /// What is about to happen.
    pub(super) fn sentences(&self, run: &str) -> Vec<String> {
        let policies = (!self.policies.is_empty()).then(|| self.of_policies(run));
        let pods = self.stand_ins.len();
        let stand_ins = (pods > 0).then(|| format!("creating {pods} stand-ins (run {run})"));
        policies.into_iter().chain(stand_ins).collect()
    }

    fn of_policies(&self, run: &str) -> String {
        let made: BTreeSet<&str> = self.namespaces.iter().map(|each| text(each, "/metadata/name")).collect();
        let own = |policy: &&Value| made.contains(text(policy, "/metadata/namespace"));
        let beyond = self.policies.iter().filter(|policy| !own(policy)).count();
        format!(
            "creating {} policies (run {run}), {beyond} of them in or over namespaces that were there before",
            self.policies.len()
        )
    }
}
