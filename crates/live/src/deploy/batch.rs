//! The objects that one run makes, in the order in which they are made.

use std::collections::BTreeSet;

use airtight_cluster::Cluster;
use airtight_cluster::read::text;
use airtight_manifest::{Diagnostic, Failure};
use serde_json::Value;

use super::case_users::case_users;
use super::namespaces::namespaces;
use super::nodes::node_probes;
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
    /// What is the run's alone, and stands in nobody's way: probes on nodes with their namespace, and roles.
    own: Vec<Value>,
}

impl Batch {
    /// Everything that was asked for, whatever there is on the cluster.
    pub(super) fn wanted(
        plan: &DeployPlan<'_>,
        cluster: &dyn Cluster,
        run: &str,
        findings: &mut Vec<Diagnostic>,
    ) -> Result<Self, Failure> {
        let policies = if plan.wanted.policies { policies(plan, cluster, findings)? } else { Vec::new() };
        let mut own = if plan.wanted.case_users { case_users(plan, cluster, run) } else { Vec::new() };
        if plan.wanted.node_probes {
            own.extend(node_probes(plan, cluster, run)?);
        }
        if plan.wanted.stand_ins.is_none() {
            return Ok(Self { policies, own, ..Self::default() });
        }
        let stand_ins = stand_ins(plan, findings);
        let accounts = accounts(plan, &stand_ins);
        let services = plan.objects.iter().filter(|object| is(object, "v1", "Service")).map(service).collect();
        Ok(Self { policies, accounts, services, stand_ins, own, namespaces: Vec::new() })
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
        let needed: BTreeSet<&str> = self.shared().map(|object| text(object, "/metadata/namespace")).collect();
        self.namespaces = namespaces(plan, survey, &needed, findings);
        Ok(self)
    }

    /// All of them in their order.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Value> {
        self.own.iter().chain(self.shared())
    }

    /// What stands beside objects of others.
    fn shared(&self) -> impl Iterator<Item = &Value> {
        let pods = self.stand_ins.iter().map(|stand_in| &stand_in.pod);
        self.namespaces.iter().chain(&self.policies).chain(&self.accounts).chain(&self.services).chain(pods)
    }

    /// Namespaces and names of the pods.
    pub(super) fn pods(&self) -> Vec<(String, String)> {
        let key = |pod: &Value| (text(pod, "/metadata/namespace").to_owned(), text(pod, "/metadata/name").to_owned());
        self.objects().filter(|object| is(object, "v1", "Pod")).map(key).collect()
    }

    /// What is about to happen.
    pub(super) fn sentences(&self, run: &str) -> Vec<String> {
        let policies = (!self.policies.is_empty()).then(|| self.of_policies(run));
        let pods = self.stand_ins.len();
        let stand_ins = (pods > 0).then(|| format!("creating {pods} stand-ins (run {run})"));
        let own = (!self.own.is_empty()).then(|| self.of_own(run));
        own.into_iter().chain(policies).chain(stand_ins).collect()
    }

    fn of_own(&self, run: &str) -> String {
        let count = |kind: &str| self.own.iter().filter(|object| text(object, "/kind") == kind).count();
        format!("creating {} probes on nodes and {} roles of users (run {run})", count("Pod"), count("ClusterRole"))
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
