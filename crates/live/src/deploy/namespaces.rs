//! The namespaces that objects need and the cluster lacks.

use std::collections::BTreeSet;

use airtight_cluster::read::text;
use airtight_manifest::Diagnostic;
use serde_json::{Value, json};

use super::plan::DeployPlan;
use super::stand_ins::is;
use crate::temporary::{Survey, lacking};

/// The namespaces that are needed and not there. One that is there and differs from its manifest is a finding.
pub(super) fn namespaces(
    plan: &DeployPlan<'_>,
    survey: &Survey,
    needed: &BTreeSet<&str>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Value> {
    let mut made = Vec::new();
    for name in needed.iter().filter(|name| !name.is_empty()) {
        let manifest =
            plan.objects.iter().find(|each| is(each, "v1", "Namespace") && text(each, "/metadata/name") == *name);
        match (survey.namespaces.get(*name), manifest) {
            (Some(there), Some(manifest)) => {
                let lacking = lacking(manifest, there);
                if !lacking.is_empty() {
                    let message = format!("namespace {name} was left as it is, and lacks {}", lacking.join(", "));
                    findings.push(
                        Diagnostic::warning("namespace", message).hint("the model foresees with the manifest's labels"),
                    );
                }
            }
            (Some(_), None) => {}
            (None, Some(manifest)) => made.push(manifest.clone()),
            (None, None) => {
                made.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
            }
        }
    }
    made
}
