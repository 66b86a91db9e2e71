//! Which policies a waypoint enforces for a destination
//! (Istio `pilot/pkg/model/policyattachment.go`, `ShouldAttachPolicy`).

use airtight_manifest::istio::{TargetKind, TargetRef};
use airtight_manifest::located::Located;

use crate::world::GatewayKey;

/// What a policy points at, with the policy's namespace.
#[derive(Debug, Clone)]
pub(super) struct Targets {
    namespace: String,
    targets: Vec<(TargetKind, String)>,
}

/// A filter chain of a waypoint, as policies select it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) waypoint: &'a GatewayKey,
    /// The GatewayClass that a policy of the root namespace can target.
    pub(super) class: &'a str,
    pub(super) root_namespace: &'a str,
    /// Kind, namespace and name of the destination; none for a pod's own address.
    pub(super) service: Option<(TargetKind, &'a str, &'a str)>,
}

impl Targets {
    /// None for a policy without target references, which no waypoint enforces.
    pub(super) fn of<'a>(namespace: &str, references: impl Iterator<Item = &'a Located<TargetRef>>) -> Option<Self> {
        let targets: Vec<_> = references
            .filter(|reference| reference.namespace.is_empty())
            .filter_map(|reference| Some((reference.target()?, reference.name.clone())))
            .collect();
        (!targets.is_empty()).then(|| Self { namespace: namespace.to_owned(), targets })
    }

    /// Whether the policy is for a chain.
    pub(super) fn attach(&self, chain: &Chain<'_>) -> bool {
        self.targets.iter().any(|(kind, name)| match kind {
            TargetKind::Service | TargetKind::ServiceEntry => {
                chain.service == Some((*kind, self.namespace.as_str(), name.as_str()))
            }
            TargetKind::Gateway => self.namespace == *chain.waypoint.0 && *name == *chain.waypoint.1,
            TargetKind::GatewayClass => self.namespace == chain.root_namespace && name == chain.class,
        })
    }
}
