//! ReferenceGrant (`apis/v1beta1/referencegrant_types.go`; `v1` as well since 1.5).

use serde::Deserialize;

use crate::Located;

/// ReferenceGrant, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReferenceGrant {
    /// `spec`.
    pub spec: ReferenceGrantSpec,
}

/// `ReferenceGrant.spec`: each of `from` may refer to each of `to`, which is in the grant's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReferenceGrantSpec {
    /// Who may refer.
    pub from: Vec<Located<GrantFrom>>,
    /// To what.
    pub to: Vec<Located<GrantTo>>,
}

/// Who may refer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GrantFrom {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
}

/// To what may be referred.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GrantTo {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name; every one if absent.
    pub name: Option<String>,
}
