//! DirectResponse (kgateway `api/v1alpha1/direct_response_types.go`).

use serde::Deserialize;

use crate::kubernetes::Skipped;

/// DirectResponse, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DirectResponse {
    /// `spec`.
    pub spec: DirectResponseSpec,
}

/// `DirectResponse.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectResponseSpec {
    /// Status, 200 to 599.
    pub status: u16,
    /// Body.
    pub body: Option<Skipped>,
    /// Body by format (2.3 and later).
    pub body_format: Option<Skipped>,
}
