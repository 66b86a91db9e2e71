//! A world's policies, compiled: what each layer is asked on the way of a flow.

use std::sync::Arc;

use airtight_manifest::gateway_api::FromNamespaces;
use airtight_manifest::{Diagnostic, Enforcer, ObjectRef};

use super::lookups::Lookups;
use crate::policy::cni::CniPolicy;
use crate::policy::gateway::GatewayPolicy;
use crate::policy::waypoint::{AllowedNamespaces, Bindings, WaypointFor, WaypointGateway, WaypointPolicy};
use crate::policy::ztunnel::ZtunnelPolicy;
use crate::policy::{gateway, waypoint, ztunnel};
use crate::world::{GatewayKey, World};

/// All policies of a world, one field per layer.
#[derive(Debug, Clone)]
pub(super) struct Policies<'w> {
    pub(super) world: &'w World,
    pub(super) cni: Arc<CniPolicy>,
    pub(super) ztunnel: Arc<ZtunnelPolicy>,
    pub(super) waypoints: Arc<WaypointPolicy>,
    waypoint_gateways: Arc<[WaypointGateway]>,
    pub(super) bindings: Arc<Bindings>,
    pub(super) gateways: Arc<GatewayPolicy>,
    /// Whether default denies are to name the rules that nearly allow what they end.
    pub(super) suggests: bool,
    /// Lookups that were traced already.
    pub(super) lookups: Arc<Lookups>,
}

impl<'w> Policies<'w> {
    /// Compiles the policies of `world`.
    pub(super) fn compile(world: &'w World) -> Self {
        Self::beside(Arc::new(CniPolicy::compile(world)), world)
    }

    /// Those of `world`, which lacks `object` and nothing else: of the CNI's policies and all others only those are
    /// compiled anew that the object belongs to, since neither side reads what the other is made of.
    pub(super) fn without<'v>(&self, world: &'v World, object: &ObjectRef) -> Policies<'v> {
        if Enforcer::of(object) != Some(Enforcer::Cni) {
            return Policies::beside(Arc::clone(&self.cni), world);
        }
        self.with_cni(world, self.cni.without(world, object))
    }

    /// Those of `world`, in which `object` is written otherwise, and nothing else.
    pub(super) fn changed<'v>(&self, world: &'v World, object: &ObjectRef) -> Policies<'v> {
        if Enforcer::of(object) == Some(Enforcer::Cni) {
            self.with_cni(world, CniPolicy::compile(world))
        } else {
            Policies::beside(Arc::clone(&self.cni), world)
        }
    }

    fn with_cni<'v>(&self, world: &'v World, cni: CniPolicy) -> Policies<'v> {
        Policies {
            world,
            cni: Arc::new(cni),
            ztunnel: Arc::clone(&self.ztunnel),
            waypoints: Arc::clone(&self.waypoints),
            waypoint_gateways: Arc::clone(&self.waypoint_gateways),
            bindings: Arc::clone(&self.bindings),
            gateways: Arc::clone(&self.gateways),
            suggests: self.suggests,
            lookups: Arc::default(),
        }
    }

    /// The same, which name the rules that nearly allow what a default deny ends.
    pub(super) fn suggesting(&self) -> Self {
        Self { suggests: true, lookups: Arc::default(), ..self.clone() }
    }

    /// Compiles the policies of the mesh and of the gateways.
    fn beside(cni: Arc<CniPolicy>, world: &'w World) -> Self {
        let waypoint_gateways = waypoint_gateways(world);
        let bindings = Bindings::compile(world, &waypoint_gateways);
        Self {
            world,
            cni,
            ztunnel: Arc::new(ZtunnelPolicy::compile(world, &bindings)),
            waypoints: Arc::new(WaypointPolicy::compile(world)),
            waypoint_gateways: waypoint_gateways.into(),
            bindings: Arc::new(bindings),
            gateways: Arc::new(GatewayPolicy::compile(world)),
            suggests: false,
            lookups: Arc::default(),
        }
    }

    /// What is wrong with policies that the API server accepts and that do nothing, or less than they say.
    pub(super) fn findings(&self) -> Vec<Diagnostic> {
        let mut findings = self.cni.findings().to_vec();
        findings.extend(self.cni.lint(self.world));
        findings.extend(self.gateways.findings());
        findings.extend(ztunnel::lint(self.world));
        findings.extend(waypoint::lint(self.world, &self.bindings, &self.waypoint_gateways));
        findings
    }

    /// Gateways as istiod sees them when it binds waypoints.
    pub(super) fn waypoint_gateways(&self) -> &[WaypointGateway] {
        &self.waypoint_gateways
    }

    /// The waypoint of a Gateway, as istiod binds it.
    pub(super) fn waypoint(&self, key: &GatewayKey) -> Option<&WaypointGateway> {
        self.waypoint_gateways.iter().find(|gateway| gateway.key == *key)
    }
}

/// Gateways as istiod's waypoint binding sees them; which proxies serve them is the world's to say.
fn waypoint_gateways(world: &World) -> Vec<WaypointGateway> {
    gateway::waypoint_gateways(world)
        .into_iter()
        .map(|facts| WaypointGateway {
            key: facts.key,
            class: facts.class.as_str().into(),
            waypoint_for: WaypointFor::of_label(&facts.waypoint_for),
            allowed_from: match (facts.allowed, facts.selector) {
                (FromNamespaces::All, _) => AllowedNamespaces::All,
                (FromNamespaces::Selector, Some(selector)) => AllowedNamespaces::Selector(selector),
                _ => AllowedNamespaces::Same,
            },
            ready: facts.programmed,
            origin: facts.origin,
        })
        .collect()
}
