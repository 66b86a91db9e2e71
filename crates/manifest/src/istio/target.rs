//! What a policy of Istio is for: selectors and target references.

use semver::Version;
use serde::Deserialize;

use crate::located::Located;
use crate::object::Labels;

/// `istio.type.v1beta1.WorkloadSelector`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSelector {
    /// Labels that a pod must have; absent and empty are not the same to istiod (see [`Self::labels`]).
    pub match_labels: Option<Labels>,
}

impl WorkloadSelector {
    /// The labels, if any were written.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        self.match_labels.as_ref()
    }

    /// Whether every label is among `labels`; a selector without labels holds for every pod.
    #[must_use]
    pub fn selects(&self, labels: &Labels) -> bool {
        self.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Whether it names no label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.as_ref().is_none_or(Labels::is_empty)
    }
}

/// `istio.type.v1beta1.PolicyTargetReference`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// API group; absent and `core` both mean the core group.
    #[serde(default)]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; only the empty one is accepted.
    #[serde(default)]
    pub namespace: String,
}

/// What a [`TargetRef`] can point at (Istio `pkg/config/validation/validation.go`, `allowedTargetRefs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// A core Service.
    Service,
    /// A `networking.istio.io` ServiceEntry.
    ServiceEntry,
    /// A Gateway API Gateway.
    Gateway,
    /// A Gateway API GatewayClass.
    GatewayClass,
}

impl TargetRef {
    /// The kind of target, or none for a group and kind that Istio refuses.
    #[must_use]
    pub fn target(&self) -> Option<TargetKind> {
        let group = if self.group.is_empty() { "core" } else { self.group.as_str() };
        match (group, self.kind.as_str()) {
            ("core", "Service") => Some(TargetKind::Service),
            ("networking.istio.io", "ServiceEntry") => Some(TargetKind::ServiceEntry),
            ("gateway.networking.k8s.io", "Gateway") => Some(TargetKind::Gateway),
            ("gateway.networking.k8s.io", "GatewayClass") => Some(TargetKind::GatewayClass),
            _ => None,
        }
    }
}

/// The references in force: `targetRefs`, else the older `targetRef`
/// (Istio `pilot/pkg/model/policyattachment.go`, `GetTargetRefs`).
pub(super) fn target_refs<'a>(
    many: &'a [Located<TargetRef>],
    one: Option<&'a Located<TargetRef>>,
) -> impl Iterator<Item = &'a Located<TargetRef>> {
    let one = if many.is_empty() { one } else { None };
    many.iter().chain(one)
}

/// Whether `version` is at least `major.minor.patch`, its pre-releases included.
#[must_use]
pub fn since(version: &Version, major: u64, minor: u64, patch: u64) -> bool {
    (version.major, version.minor, version.patch) >= (major, minor, patch)
}

/// A boolean as Go's `strconv.ParseBool` reads it.
///
/// ```
/// use airtight_manifest::istio::go_bool;
/// assert_eq!(go_bool("T"), Some(true));
/// assert_eq!(go_bool("yes"), None);
/// ```
#[must_use]
pub fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
