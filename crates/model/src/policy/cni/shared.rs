//! Addresses that several names share: Cilium learns addresses, and lets an address through for whatever name it was
//! learned by.
//!
//! What a lookup teaches counts on the whole node and as long as the answer lives (Cilium `pkg/fqdn/namemanager`, the
//! identity of an address has a label for each selector that a name of it matches), so that a connection to a name which
//! no rule allows gets through where another name of its address was looked up.

use std::net::IpAddr;

use airtight_manifest::RuleRef;
use airtight_manifest::cilium::Direction;

use super::CniPolicy;
use super::hop::CniHop;
use crate::policy::{Decision, Effect, Reason};
use crate::world::{Endpoint, PodId, World};

impl CniPolicy {
    /// The decision of the source's side about a name where its address may have been learned by another one. A flow to the
    /// bare address looks nothing up, and nothing is learned for it; what it says names the name that would change that.
    pub(crate) fn aware_of_other_names(&self, world: &World, hop: &CniHop<'_>, decision: Decision) -> Decision {
        let Some((address, name, rules)) = self.other_name(world, hop, &decision) else { return decision };
        if hop.resolved.is_none() {
            let detail = format!(
                "{}; as long as somebody's lookup of {name} counts, Cilium lets its address through",
                decision.detail
            );
            return Decision { detail, ..decision };
        }
        let detail = format!(
            "{address} is the address of {name} as well, which toFQDNs lets through: Cilium lets the connection through \
             where that name was looked up before"
        );
        Decision::unknown(rules, detail)
    }

    /// Another name of the destination's address that a rule lets through, once it was looked up.
    fn other_name<'w>(
        &self,
        world: &'w World,
        hop: &CniHop<'_>,
        denied: &Decision,
    ) -> Option<(IpAddr, &'w str, Vec<RuleRef>)> {
        let (Endpoint::Host(_, address) | Endpoint::Address(address)) = hop.destination else { return None };
        if denied.reason != Reason::DefaultDeny || self.names().next().is_none() {
            return None;
        }
        let hosts = world.hosts.iter().filter(|host| host.addresses.contains(&address));
        let others = hosts.flat_map(|host| &host.names).filter(|name| Some(&***name) != hop.resolved);
        others.map(|name| &**name).find_map(|name| {
            let learned = CniHop { resolved: Some(name), ..hop.clone() };
            let decision = self.decided(world, &learned, Direction::Egress);
            let open = decision.effect != Effect::Deny && self.somebody_looks_up(world, hop.source, name);
            open.then_some((address, name, decision.rules))
        })
    }

    /// Whether the sender, or else any pod, may look a name up so that its addresses are learned.
    fn somebody_looks_up(&self, world: &World, source: Endpoint, name: &str) -> bool {
        let learns = |asking| self.dns(world, asking, name).reason == Reason::NameAllowed;
        learns(source) || (0..).map(PodId).take(world.pods.len()).any(|id| learns(Endpoint::Pod(id)))
    }
}
