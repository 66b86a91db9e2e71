//! What the API server makes of an object before it stores it.

use airtight_cluster::Cluster;
use airtight_cluster::discovery::Served;
use airtight_cluster::read::{self, items, text};
use airtight_manifest::Failure;
use serde_json::Value;

use super::compare::Extent;
use super::defaulted::{defaulted, network_policy};

/// How objects of a kind are stored.
pub(super) enum Stored {
    /// With the defaults of this schema.
    Schema(Value),
    /// As a NetworkPolicy is.
    NetworkPolicy,
    /// Nobody knows.
    Unknown,
}

impl Stored {
    /// The schema is read from the kind's definition on the cluster; a kind of Kubernetes' own has none.
    ///
    /// # Errors
    /// When the definition cannot be read.
    pub(super) fn of(cluster: &dyn Cluster, served: &Served) -> Result<Self, Failure> {
        if served.group() == "networking.k8s.io" && served.kind() == "NetworkPolicy" {
            return Ok(Self::NetworkPolicy);
        }
        if served.group().is_empty() {
            return Ok(Self::Unknown);
        }
        let definition =
            format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}.{}", served.plural(), served.group());
        let Some(definition) = read::object(cluster, &definition)? else { return Ok(Self::Unknown) };
        let version = served.api_version().rsplit('/').next().unwrap_or_default();
        let mut versions = items(&definition, "/spec/versions").iter();
        let schema = versions.find(|each| text(each, "/name") == version);
        let schema = schema.and_then(|each| each.pointer("/schema/openAPIV3Schema"));
        Ok(schema.cloned().map_or(Self::Unknown, Self::Schema))
    }

    /// An object as it is stored, and whether that is all that the API server makes of it.
    pub(super) fn as_stored(&self, object: Value) -> (Value, Extent) {
        match self {
            Self::Schema(schema) => (defaulted(object, schema), Extent::Whole),
            Self::NetworkPolicy => (network_policy(object), Extent::Whole),
            Self::Unknown => (object, Extent::Written),
        }
    }
}
