//! BackendTLSPolicy (`apis/v1/backendtlspolicy_types.go`; in the standard channel since 1.4).

use serde::Deserialize;

use super::reference::{LocalReference, PolicyTarget};
use crate::{Located, Unmodelled};

/// BackendTLSPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BackendTlsPolicy {
    /// `spec`.
    pub spec: BackendTlsPolicySpec,
}

/// `BackendTLSPolicy.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsPolicySpec {
    /// The Services to which the proxy speaks TLS.
    pub target_refs: Vec<Located<PolicyTarget>>,
    /// How it checks the backend's certificate.
    pub validation: Located<BackendTlsValidation>,
    /// Options of the implementation.
    pub options: Option<Unmodelled>,
}

/// How the proxy checks the backend's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsValidation {
    /// Certificate authorities.
    #[serde(default)]
    pub ca_certificate_refs: Vec<Located<LocalReference>>,
    /// `System`, instead of `caCertificateRefs`.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<String>,
    /// Server name that is asked for and checked.
    pub hostname: String,
    /// Other names that are accepted.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name that is accepted in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubjectAltName {
    /// `Hostname` or `URI`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name for `Hostname`.
    pub hostname: Option<String>,
    /// The name for `URI`.
    pub uri: Option<String>,
}
