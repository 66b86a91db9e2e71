//! Status conditions that controllers write (`apis/v1/gateway_types.go`, `shared_types.go`).

use std::fmt;

use airtight_manifest::RuleRef;
use serde::Serialize;

/// Why a listener does not work (conditions `Conflicted`, `Accepted`, `ResolvedRefs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "each variant is the reason of its name in the API")]
pub enum ListenerReason {
    HostnameConflict,
    ProtocolConflict,
    UnsupportedProtocol,
    InvalidCertificateRef,
    RefNotPermitted,
    Invalid,
}

/// Reason of a route's condition `Accepted` for one parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "each variant is the reason of its name in the API")]
pub enum AcceptedReason {
    Accepted,
    NotAllowedByListeners,
    NoMatchingListenerHostname,
    NoMatchingParent,
}

/// Reason of a route's condition `ResolvedRefs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "each variant is the reason of its name in the API")]
pub enum RefsReason {
    ResolvedRefs,
    RefNotPermitted,
    InvalidKind,
    BackendNotFound,
}

/// What a controller says of one `parentRefs` entry of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentStatus {
    /// The entry.
    pub parent: RuleRef,
    /// What it names, such as `Gateway kgateway-system/default-gateway`.
    pub target: String,
    /// Condition `Accepted`; true for [`AcceptedReason::Accepted`] only.
    pub accepted: AcceptedReason,
    /// Condition `ResolvedRefs`; true for [`RefsReason::ResolvedRefs`] only.
    pub resolved: RefsReason,
}

impl fmt::Display for ListenerReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for AcceptedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for RefsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
