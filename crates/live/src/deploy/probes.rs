//! Probes in the real workloads from which cases start.

use std::collections::BTreeSet;

use airtight_cluster::Cluster;
use airtight_manifest::{Diagnostic, Failure};
use airtight_model::path::Source;

use super::plan::DeployPlan;
use crate::Say;
use crate::temporary::{EPHEMERAL, enter};

/// Starts a probe in a pod of each workload from which a case starts; what was left out, and what stays.
///
/// # Errors
/// As [`enter`].
pub(super) fn enter_workloads(
    plan: &DeployPlan<'_>,
    cluster: &dyn Cluster,
    say: &mut Say<'_>,
) -> Result<Vec<Diagnostic>, Failure> {
    let sources = sources(plan);
    say(&format!(
        "starting probes in pods of {} workloads; an ephemeral container ({EPHEMERAL}) stays until its pod is replaced",
        sources.len()
    ));
    let entered = enter(cluster, plan.options, plan.patience, &sources)?;
    say(&format!("{} pods were entered, in {} a probe ran already", entered.pods.len(), entered.reused.len()));
    let left_alone = |why: &String| Diagnostic::warning("no-probe", format!("no probe was started in {why}"));
    let mut findings: Vec<Diagnostic> = entered.left_out.iter().map(left_alone).collect();
    if !entered.pods.is_empty() {
        let pods = entered.pods.join(", ");
        let message = format!("these pods keep an ephemeral container with the probe: {pods}");
        findings.push(
            Diagnostic::warning("ephemeral-containers", message)
                .hint("it does nothing and takes no traffic; restart the workload to be rid of it"),
        );
    }
    Ok(findings)
}

/// Namespaces and names of the workloads from which cases start.
fn sources(plan: &DeployPlan<'_>) -> BTreeSet<(String, String)> {
    let sources = plan.plan.cases.iter().filter_map(|planned| match &planned.case.flow.from {
        Source::Workload(namespace, name) => Some((namespace.clone(), name.clone())),
        Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => None,
    });
    sources.collect()
}
