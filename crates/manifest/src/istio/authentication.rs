//! `security.istio.io` PeerAuthentication and RequestAuthentication.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{TargetRef, WorkloadSelector, target_refs};
use crate::located::Located;

/// PeerAuthentication, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PeerAuthentication {
    /// `spec`; an absent one is an empty one.
    #[serde(default)]
    pub spec: PeerAuthenticationSpec,
}

/// `istio.security.v1beta1.PeerAuthentication`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerAuthenticationSpec {
    /// Pods that it is for; none means the whole namespace (or mesh).
    pub selector: Option<Located<WorkloadSelector>>,
    /// The mode.
    pub mtls: Option<Located<MutualTls>>,
    /// Modes of single workload ports, by number.
    pub port_level_mtls: Option<BTreeMap<String, Located<MutualTls>>>,
}

/// `mtls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct MutualTls {
    /// The mode; UNSET where it is not written.
    #[serde(default)]
    pub mode: MtlsMode,
}

/// Whether plaintext is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MtlsMode {
    /// As the parent says.
    #[default]
    Unset,
    /// Ambient mode treats it as PERMISSIVE.
    Disable,
    /// Plaintext is accepted.
    Permissive,
    /// Plaintext is refused.
    Strict,
}

impl PeerAuthenticationSpec {
    /// The mode of the policy as a whole.
    #[must_use]
    pub fn mode(&self) -> MtlsMode {
        self.mtls.as_ref().map_or(MtlsMode::Unset, |mtls| mtls.mode)
    }

    /// Port modes by number, in the order of the numbers; keys that are no port are left out.
    #[must_use]
    pub fn ports(&self) -> BTreeMap<u16, &Located<MutualTls>> {
        let ports = self.port_level_mtls.iter().flatten();
        ports.filter_map(|(port, mtls)| Some((port.parse().ok()?, mtls))).collect()
    }
}

/// RequestAuthentication, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RequestAuthentication {
    /// `spec`; an absent one is an empty one.
    #[serde(default)]
    pub spec: RequestAuthenticationSpec,
}

/// `istio.security.v1beta1.RequestAuthentication`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestAuthenticationSpec {
    /// Ambient mode ignores the selector form.
    pub selector: Option<Located<WorkloadSelector>>,
    /// The older, single form of `targetRefs`.
    pub target_ref: Option<Located<TargetRef>>,
    /// What a waypoint enforces it for.
    #[serde(default)]
    pub target_refs: Vec<Located<TargetRef>>,
    /// Issuers whose tokens are verified.
    #[serde(default)]
    pub jwt_rules: Vec<Located<JwtRule>>,
}

impl RequestAuthenticationSpec {
    /// The target references in force.
    pub fn targets(&self) -> impl Iterator<Item = &Located<TargetRef>> {
        target_refs(&self.target_refs, self.target_ref.as_ref())
    }
}

/// `istio.security.v1beta1.JWTRule`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JwtRule {
    /// `iss` that a token must have; empty accepts any (1.27 and later, with `jwksUri`).
    pub issuer: String,
    /// Of these, `aud` must have one; empty accepts any.
    pub audiences: Vec<String>,
    /// Where istiod or Envoy fetches the keys.
    pub jwks_uri: Option<String>,
    /// The older spelling of `jwksUri`.
    #[serde(rename = "jwks_uri")]
    pub jwks_uri_snake: Option<String>,
    /// The keys themselves.
    pub jwks: Option<String>,
    /// Headers to take the token from.
    pub from_headers: Vec<HeaderLocation>,
    /// Query parameters to take the token from.
    pub from_params: Vec<String>,
    /// Cookies to take the token from.
    pub from_cookies: Vec<String>,
    /// Header that the payload goes to.
    pub output_payload_to_header: String,
    /// Headers that single claims go to.
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// Whether the token goes on to the backend.
    pub forward_original_token: bool,
    /// Claims to split at spaces (1.28 and later).
    pub space_delimited_claims: Vec<String>,
    /// How long a fetch of the keys may take.
    pub timeout: Option<String>,
}

/// A header that carries a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeaderLocation {
    /// Name, without case.
    pub name: String,
    /// What stands before the token.
    #[serde(default)]
    pub prefix: String,
}

/// A claim that becomes a header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClaimToHeader {
    /// The header.
    pub header: String,
    /// The claim.
    pub claim: String,
}

impl JwtRule {
    /// Where the keys are fetched, in either spelling.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.jwks_uri.as_deref().or(self.jwks_uri_snake.as_deref()).filter(|uri| !uri.is_empty())
    }
}
