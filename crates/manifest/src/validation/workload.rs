//! Workloads: their selectors, templates and counts (Kubernetes `pkg/apis/apps/validation/validation.go`,
//! `pkg/apis/batch/validation/validation.go`).

use k8s_openapi::api::apps::v1::{
    DaemonSetSpec, DeploymentSpec, ReplicaSetSpec, RollingUpdateDaemonSet, StatefulSetSpec,
};
use k8s_openapi::api::batch::v1::{CronJobSpec, JobSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::fields::{Path, Refusals};
use super::formats::label_selector;
use super::pod;
use super::schedule::no_schedule;
use crate::node::Node;
use crate::selector::selects;

/// A CronJob's name is shorter than others, because the names of its Jobs begin with it.
const CRON_JOB_NAME: usize = 52;

pub(super) fn deployment(refusals: &mut Refusals<'_>, spec: &DeploymentSpec) {
    controlled(refusals, spec.replicas, &spec.selector, &spec.template);
    counts(
        refusals,
        &[("minReadySeconds", spec.min_ready_seconds), ("revisionHistoryLimit", spec.revision_history_limit)],
    );
    let path = Path::of(&["spec", "progressDeadlineSeconds"]);
    let patient = spec.progress_deadline_seconds.is_none_or(|most| most > spec.min_ready_seconds.unwrap_or_default());
    refusals.unless(patient, &path, "must be greater than minReadySeconds");
    let kind = spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
    refusals.one_of(kind, &["Recreate", "RollingUpdate"], &Path::of(&["spec", "strategy", "type"]));
}

pub(super) fn replica_set(refusals: &mut Refusals<'_>, spec: &ReplicaSetSpec) {
    let none = PodTemplateSpec::default();
    controlled(refusals, spec.replicas, &spec.selector, spec.template.as_ref().unwrap_or(&none));
    counts(refusals, &[("minReadySeconds", spec.min_ready_seconds)]);
}

pub(super) fn stateful_set(refusals: &mut Refusals<'_>, spec: &StatefulSetSpec) {
    controlled(refusals, spec.replicas, &spec.selector, &spec.template);
    counts(
        refusals,
        &[("minReadySeconds", spec.min_ready_seconds), ("revisionHistoryLimit", spec.revision_history_limit)],
    );
    let policies = ["OrderedReady", "Parallel"];
    refusals.one_of(spec.pod_management_policy.as_deref(), &policies, &Path::of(&["spec", "podManagementPolicy"]));
}

pub(super) fn daemon_set(refusals: &mut Refusals<'_>, spec: &DaemonSetSpec) {
    controlled(refusals, None, &spec.selector, &spec.template);
    counts(
        refusals,
        &[("minReadySeconds", spec.min_ready_seconds), ("revisionHistoryLimit", spec.revision_history_limit)],
    );
    if let Some(rolling) = spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref()) {
        rolling_update(refusals, rolling);
    }
}

/// Either pods go before others come, or others come first (Kubernetes `pkg/apis/apps/validation/validation.go`,
/// `ValidateRollingUpdateDaemonSet`, after the defaults of `pkg/apis/apps/v1/defaults.go`).
fn rolling_update(refusals: &mut Refusals<'_>, rolling: &RollingUpdateDaemonSet) {
    let path = Path::of(&["spec", "updateStrategy", "rollingUpdate"]);
    let none = |amount: &IntOrString| match amount {
        IntOrString::Int(number) => *number == 0,
        IntOrString::String(text) => text.trim_end_matches('%').parse() == Ok(0),
    };
    let goes = !rolling.max_unavailable.as_ref().is_some_and(none);
    let comes = !rolling.max_surge.as_ref().is_none_or(none);
    refusals.unless(goes || comes, &path.field("maxUnavailable"), "cannot be 0 when `maxSurge` is 0");
    refusals.unless(!goes || !comes, &path.field("maxSurge"), "may not be set when `maxUnavailable` is not 0");
}

pub(super) fn job(refusals: &mut Refusals<'_>, spec: &JobSpec) {
    job_spec(refusals, &Path::of(&["spec"]), spec);
    let stored = refusals.root().get("metadata").is_some_and(|metadata| metadata.get("uid").is_some());
    if spec.selector.is_some() && spec.manual_selector != Some(true) && !stored {
        refusals.refuse(&Path::of(&["spec", "selector"]), "is made by the API server unless manualSelector is true");
    }
}

pub(super) fn cron_job(refusals: &mut Refusals<'_>, spec: &CronJobSpec) {
    let path = Path::of(&["spec"]);
    let name = refusals.root().get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::as_str);
    let short = name.is_none_or(|name| name.len() <= CRON_JOB_NAME);
    let message = format!("must be no more than {CRON_JOB_NAME} characters");
    refusals.unless(short, &Path::of(&["metadata", "name"]), message);
    refusals.require(Some(&spec.schedule), &path.field("schedule"));
    if let Some(why) = no_schedule(&spec.schedule).filter(|_| !spec.schedule.is_empty()) {
        refusals.refuse(&path.field("schedule"), why);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    refusals.one_of(spec.concurrency_policy.as_deref(), &policies, &path.field("concurrencyPolicy"));
    let none = JobSpec::default();
    let template = path.field("jobTemplate").field("spec");
    job_spec(refusals, &template, spec.job_template.spec.as_ref().unwrap_or(&none));
}

/// Numbers below zero that no workload has.
fn counts(refusals: &mut Refusals<'_>, counts: &[(&'static str, Option<i32>)]) {
    for (field, count) in counts {
        refusals.not_negative(*count, &Path::of(&["spec"]).field(field));
    }
}

fn job_spec(refusals: &mut Refusals<'_>, path: &Path, spec: &JobSpec) {
    let counts =
        [("parallelism", spec.parallelism), ("completions", spec.completions), ("backoffLimit", spec.backoff_limit)];
    for (field, count) in counts {
        refusals.not_negative(count, &path.field(field));
    }
    pod::template(refusals, &path.field("template"), &spec.template, &["OnFailure", "Never"]);
}

/// What all workloads have whose pods are replaced when they end.
fn controlled(
    refusals: &mut Refusals<'_>,
    replicas: Option<i32>,
    selector: &LabelSelector,
    template: &PodTemplateSpec,
) {
    let path = Path::of(&["spec"]);
    refusals.not_negative(replicas, &path.field("replicas"));
    for message in label_selector(selector) {
        refusals.refuse(&path.field("selector"), message);
    }
    let empty = selector.match_labels.iter().flatten().next().is_none()
        && selector.match_expressions.iter().flatten().next().is_none();
    let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    if empty {
        refusals.refuse(&path.field("selector"), "is required, and must select something");
    } else if !selects(selector, &labels) {
        let place = path.field("template").field("metadata").field("labels");
        refusals.refuse(&place, "the selector does not match the labels of the template");
    }
    pod::template(refusals, &path.field("template"), template, &["Always"]);
}
