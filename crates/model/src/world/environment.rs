//! What is around the cluster: nodes, and hosts that answer outside of it.

use airtight_manifest::stack::{Stack, at_least};
use airtight_manifest::{Diagnostic, Document, decode_object};
use schemars::generate::SchemaSettings;
use semver::Version;
use serde::Deserialize;

use super::endpoint::{Host, Node};
use super::environment_faults::faults;

/// Nodes, address ranges and external hosts of a testbed, read from an `Environment` document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EnvironmentSpec", deny_unknown_fields)]
pub struct Environment {
    /// The cluster's nodes; pods without `nodeName` are spread over those that are no control plane.
    pub nodes: Vec<Node>,
    /// Hosts outside the cluster, the metadata service among them; where they are not written, those that policies
    /// name are assumed.
    #[serde(default)]
    pub hosts: Vec<Host>,
    /// Where a user on the Internet comes from.
    pub outside: std::net::IpAddr,
    /// Range of pod addresses, IPv4 first; a second, IPv6 one makes the cluster dual-stack.
    #[schemars(with = "Vec<String>")]
    pub pod_cidrs: Vec<ipnet::IpNet>,
    /// Range of Service addresses, in the same families.
    #[schemars(with = "Vec<String>")]
    pub service_cidrs: Vec<ipnet::IpNet>,
    /// Whether Kyverno's PolicyExceptions count, and where; what the stack says if absent.
    #[serde(default)]
    pub policy_exceptions: Option<PolicyExceptions>,
}

/// Kyverno's `features.policyExceptions`, as its chart has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyExceptions {
    /// Whether they count at all.
    pub enabled: bool,
    /// The namespace whose exceptions count; `*` for those of every one. Without it none count (all did up to Kyverno
    /// 1.12).
    #[serde(default)]
    pub namespace: Option<String>,
}

impl PolicyExceptions {
    /// Where exceptions count (Kyverno `cmd/internal/flag.go`, `cmd/kyverno/main.go`).
    fn place(&self, kyverno: &Version) -> Option<String> {
        let named = self.namespace.clone().filter(|namespace| !namespace.is_empty());
        named.or_else(|| (!at_least(kyverno, 1, 13)).then(|| "*".to_owned())).filter(|_| self.enabled)
    }
}

#[derive(Debug, Clone, Deserialize)]
struct EnvironmentDocument {
    spec: Environment,
}

/// An `Environment` document as editors see it.
#[derive(schemars::JsonSchema)]
#[schemars(rename = "Environment", rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "it is the shape of its schema alone")]
struct EnvironmentShape {
    /// `airtight.dev/v1alpha1`.
    #[schemars(extend("const" = "airtight.dev/v1alpha1"))]
    api_version: String,
    /// `Environment`.
    #[schemars(extend("const" = "Environment"))]
    kind: String,
    /// Its name.
    metadata: MetadataShape,
    /// What is around the cluster.
    spec: Environment,
}

#[derive(schemars::JsonSchema)]
#[schemars(rename = "Metadata")]
#[expect(dead_code, reason = "it is the shape of its schema alone")]
struct MetadataShape {
    /// Lower-case letters, digits and hyphens.
    name: String,
}

/// JSON Schema (2020-12) of an `Environment` document.
#[must_use]
pub fn environment_schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<EnvironmentShape>();
    schema.insert("$id".to_owned(), "https://airtight.dev/v1alpha1/environment.schema.json".into());
    schema.insert("title".to_owned(), "airtight environment".into());
    schema.to_value()
}

impl Environment {
    /// The stack with what the cluster's own settings say otherwise.
    #[must_use]
    pub fn settled(&self, mut stack: Stack) -> Stack {
        if let Some(exceptions) = &self.policy_exceptions {
            stack.kyverno.exception_namespace = exceptions.place(&stack.versions.kyverno);
        }
        stack
    }

    /// Reads a `kind: Environment` document.
    ///
    /// # Errors
    /// Unknown fields, values of a wrong type, and what no cluster could have, such as ranges that overlap, each with its
    /// place.
    pub fn read(document: &Document) -> Result<Self, Vec<Diagnostic>> {
        let environment = decode_object::<EnvironmentDocument>(document)?.into_body().spec;
        let faults = faults(&environment, document);
        if faults.is_empty() { Ok(environment) } else { Err(faults) }
    }
}
