//! The engine: a world's policies compiled, and the trace of any flow through them.

use std::collections::BTreeSet;

use airtight_manifest::{Diagnostic, ObjectRef};

use super::attempt::attempt;
use super::branch::{Branch, combine};
use super::doubt::admit_doubt;
use super::flow::{Destination, Flow, FlowError, Source};
use super::policies::Policies;
use super::trace::Trace;
use super::walk::Walk;
use crate::policy::waypoint::{Bindings, WaypointGateway};
use crate::policy::{Decision, MeshSource};
use crate::world::{PodId, World};

/// All policies of a world, compiled.
#[derive(Debug)]
pub struct Engine<'w> {
    pub(super) policies: Policies<'w>,
}

impl<'w> Engine<'w> {
    /// Compiles the policies of `world`.
    #[must_use]
    pub fn compile(world: &'w World) -> Self {
        Self { policies: Policies::compile(world) }
    }

    /// The engine of `world`, which differs from this engine's own by the removal of `object` and by nothing else
    /// (see [`World::without`]): only what the object belongs to is compiled anew.
    #[must_use]
    pub fn without<'v>(&self, world: &'v World, object: &ObjectRef) -> Engine<'v> {
        Engine { policies: self.policies.without(world, object) }
    }

    /// The engine of `world`, in which `object` is written otherwise than in this engine's own, and nothing else (see
    /// [`World::with_changed`]): only the side that the object belongs to is compiled anew.
    #[must_use]
    pub fn changed<'v>(&self, world: &'v World, object: &ObjectRef) -> Engine<'v> {
        Engine { policies: self.policies.changed(world, object) }
    }

    /// The same engine, whose traces name at a default deny of the CNI the rules that nearly allow the hop. This costs a
    /// look at every rule.
    #[must_use]
    pub fn suggesting(&self) -> Self {
        Self { policies: self.policies.suggesting() }
    }

    /// The world that was compiled.
    #[must_use]
    pub fn world(&self) -> &'w World {
        self.policies.world
    }

    /// What is wrong with policies that the API server accepts and that do nothing, or less than they say.
    #[must_use]
    pub fn findings(&self) -> Vec<Diagnostic> {
        self.policies.findings()
    }

    /// Rules of the CNI of which others make nothing: an L7 rule beside one that allows all, a rule that the far end's
    /// policies cancel, a port that mesh peers never dial. It tries each rule on the pods that it is for, so ask once.
    #[must_use]
    pub fn idle_rules(&self) -> Vec<Diagnostic> {
        self.policies.cni.idle_rules(self.world())
    }

    /// The waypoints of everything that can have one.
    #[must_use]
    pub fn bindings(&self) -> &Bindings {
        &self.policies.bindings
    }

    /// Gateways as istiod sees them when it binds waypoints.
    #[must_use]
    pub fn waypoint_gateways(&self) -> &[WaypointGateway] {
        self.policies.waypoint_gateways()
    }

    /// What the destination's ztunnel does with a connection to a pod's port.
    #[must_use]
    pub fn ztunnel(&self, destination: PodId, port: u16, source: &MeshSource) -> Decision {
        self.policies.ztunnel.inbound(self.world(), destination, port, source)
    }

    /// The trace of a flow.
    ///
    /// # Errors
    /// When the flow names what the world does not have.
    pub fn trace(&self, flow: &Flow) -> Result<Trace, FlowError> {
        if !flow.after.is_empty() {
            return self.trace_after(flow);
        }
        if let (Source::User(user), Destination::Object(change)) = (&flow.from, &flow.to) {
            return Ok(attempt(self.world(), flow, user, change));
        }
        let branches = Walk::through(&self.policies).branches(flow)?;
        Ok(admit_doubt(self.world(), combine(flow, branches)))
    }

    /// The trace of a flow in the world that the requests before it led to.
    fn trace_after(&self, flow: &Flow) -> Result<Trace, FlowError> {
        let world = self.world().after(&flow.after)?;
        if let (Source::User(user), Destination::Object(change)) = (&flow.from, &flow.to) {
            return Ok(attempt(&world, flow, user, change));
        }
        let now = Flow { after: Vec::new(), ..flow.clone() };
        let trace = Engine::compile(&world).trace(&now)?;
        Ok(Trace { flow: flow.clone(), ..trace })
    }

    /// The objects that any branch of the flow names: the removal of another policy (see [`World::without`]) changes
    /// nothing about it. An attempt to change an object is answered by the API server, whatever was removed since.
    ///
    /// # Errors
    /// When the flow names what the world does not have.
    pub fn named_objects(&self, flow: &Flow) -> Result<BTreeSet<ObjectRef>, FlowError> {
        let branches = self.branches(flow)?;
        let checks = branches.iter().flat_map(|branch| &branch.hops).flat_map(|hop| &hop.checkpoints);
        Ok(checks.flat_map(|check| &check.decision.rules).map(|rule| (*rule.object).clone()).collect())
    }

    /// What the hops of any branch of the flow begin and end at, as a trace calls it (`namespace/workload`).
    ///
    /// # Errors
    /// When the flow names what the world does not have.
    pub fn ends(&self, flow: &Flow) -> Result<BTreeSet<String>, FlowError> {
        let branches = self.branches(flow)?;
        let hops = branches.into_iter().flat_map(|branch| branch.hops);
        Ok(hops.flat_map(|hop| [hop.from, hop.to]).collect())
    }

    /// The branches of a flow; none of an attempt to change an object.
    fn branches(&self, flow: &Flow) -> Result<Vec<Branch>, FlowError> {
        if flow.attempt().is_some() {
            return Ok(Vec::new());
        }
        if !flow.after.is_empty() {
            let world = self.world().after(&flow.after)?;
            return Engine::compile(&world).branches(&Flow { after: Vec::new(), ..flow.clone() });
        }
        Walk::through(&self.policies).branches(flow)
    }
}
