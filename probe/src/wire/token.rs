//! What a token issuer is asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The body of `POST /token` at an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// `sub`.
    #[serde(default)]
    pub subject: String,
    /// `aud`; none: no such claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// `iss`; none: the issuer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Further claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, serde_json::Value>,
    /// Whether the token verifies.
    #[serde(default)]
    pub state: TokenState,
}

/// Whether a token verifies against its issuer's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenState {
    /// Signed by its issuer, in its time.
    #[default]
    Valid,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come.
    NotYetValid,
    /// Signed with a key that its issuer does not publish, under the name of one that it does.
    Forged,
    /// `alg: none`.
    Unsigned,
}

/// The answer to a [`TokenRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenAnswer {
    /// The token (JWT, ES256).
    pub token: String,
}
