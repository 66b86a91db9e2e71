//! Core Kubernetes kinds, on k8s-openapi's own spec types.

use k8s_openapi::api::apps::v1::{DaemonSetSpec, DeploymentSpec, ReplicaSetSpec, StatefulSetSpec};
use k8s_openapi::api::batch::v1::{CronJobSpec, JobSpec};
use k8s_openapi::api::core::v1::{EndpointSubset, NamespaceSpec, PodSpec, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort};
use serde::Deserialize;
use serde::de::IgnoredAny;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($spec:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        pub struct $name {
            /// `spec`.
            #[serde(default)]
            pub spec: $spec,
        }
    )*};
}

kinds! {
    /// A Namespace.
    Namespace(Option<NamespaceSpec>);
    /// A Pod.
    Pod(PodSpec);
    /// A Deployment.
    Deployment(DeploymentSpec);
    /// A StatefulSet.
    StatefulSet(StatefulSetSpec);
    /// A DaemonSet.
    DaemonSet(DaemonSetSpec);
    /// A ReplicaSet.
    ReplicaSet(ReplicaSetSpec);
    /// A Job.
    Job(JobSpec);
    /// A CronJob.
    CronJob(CronJobSpec);
    /// A Service.
    Service(ServiceSpec);
}

/// A ServiceAccount; only its name matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    /// Whether pods mount its token unless they say otherwise.
    pub automount_service_account_token: Option<bool>,
    /// Pull secrets; never read.
    #[serde(default)]
    pub image_pull_secrets: Option<Skipped>,
    /// Secrets; never read.
    #[serde(default)]
    pub secrets: Option<Skipped>,
}

/// An EndpointSlice.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// Backends.
    pub endpoints: Vec<Endpoint>,
    /// Ports.
    pub ports: Option<Vec<EndpointPort>>,
}

/// Endpoints: what people write beside a Service without selector, of which the control plane makes EndpointSlices.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// Addresses with the ports that all of them have.
    #[serde(default)]
    pub subsets: Option<Vec<EndpointSubset>>,
}

/// A field without any bearing on traffic: accepted, never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}
