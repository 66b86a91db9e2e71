//! What the API server itself refuses of the objects of its own kinds, and of the metadata of all.

mod fields;
mod formats;
mod metadata;
mod plain;
mod pod;
mod quantity;
mod schedule;
mod service;
mod service_traffic;
mod workload;

pub(crate) use formats::{cidr_block, is_label_value, is_port_name, is_subdomain, not_a_cidr};
pub use formats::{is_service_name, label_selector};
pub use plain::plain_findings;

use fields::Refusals;

use super::diagnostic::Diagnostic;
use super::resource::Resource;
use super::yaml::Document;

/// Everything for which the API server would refuse an object of one of its own kinds, and what it would refuse of the
/// metadata of an object of any other (Kubernetes `pkg/apis/*/validation`, apimachinery `pkg/api/validation`).
///
/// Held against a real API server, kind by kind: `tests/it/refusals_real_api.rs`.
#[must_use]
pub fn api_server_findings(resource: &Resource, document: &Document) -> Vec<Diagnostic> {
    let mut refusals = Refusals::of(resource.object(), document);
    metadata::check(&mut refusals, &resource.object().kind);
    match resource {
        Resource::Pod(object) => pod::check(&mut refusals, &object.body.spec),
        Resource::Deployment(object) => workload::deployment(&mut refusals, &object.body.spec),
        Resource::ReplicaSet(object) => workload::replica_set(&mut refusals, &object.body.spec),
        Resource::StatefulSet(object) => workload::stateful_set(&mut refusals, &object.body.spec),
        Resource::DaemonSet(object) => workload::daemon_set(&mut refusals, &object.body.spec),
        Resource::Job(object) => workload::job(&mut refusals, &object.body.spec),
        Resource::CronJob(object) => workload::cron_job(&mut refusals, &object.body.spec),
        Resource::Service(object) => service::check(&mut refusals, &object.body.spec),
        Resource::EndpointSlice(object) => service::endpoint_slice(&mut refusals, &object.body),
        Resource::Endpoints(object) => service::endpoints(&mut refusals, &object.body),
        _ => {}
    }
    refusals.into_findings()
}
