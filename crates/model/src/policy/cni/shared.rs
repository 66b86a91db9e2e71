//! Addresses that several names share: Cilium learns addresses, and lets an address through for whatever name it was
//! learned by.
//!
//! What a lookup teaches counts on the whole node and as long as the answer lives (Cilium `pkg/fqdn/namemanager`, the
//! identity of an address has a label for each selector that a name of it matches), so that a connection to a name which
//! no rule allows gets through where another name of its address was looked up.

use super::CniPolicy;
use super::entry::{PeerMatch, Peers};
use super::hop::CniHop;
use crate::policy::{Decision, Effect, Reason};
use crate::world::{Endpoint, PodId, World};

impl CniPolicy {
    /// The decision of the source's side where the address may have been learned by another name; none if none of its
    /// other names would be let through.
    pub(crate) fn by_another_name(&self, world: &World, hop: &CniHop<'_>, denied: &Decision) -> Option<Decision> {
        let (Endpoint::Host(_, address) | Endpoint::Address(address)) = hop.destination else { return None };
        if denied.reason != Reason::DefaultDeny || !self.has_names() {
            return None;
        }
        let hosts = world.hosts.iter().filter(|host| host.addresses.contains(&address));
        let others = hosts.flat_map(|host| &host.names).filter(|name| Some(&***name) != hop.resolved);
        others.map(|name| &**name).find_map(|name| {
            let learned = CniHop { resolved: Some(name), ..hop.clone() };
            let decision = self.decided(world, &learned, airtight_manifest::cilium::Direction::Egress);
            let open = decision.effect != Effect::Deny && self.somebody_looks_up(world, hop.source, name);
            let detail = format!(
                "{address} is the address of {name} as well, which toFQDNs lets through: Cilium lets the connection \
                 through where that name was looked up before"
            );
            open.then(|| Decision::unknown(decision.rules, detail))
        })
    }

    /// Whether the sender, or else any pod, may look a name up so that its addresses are learned.
    fn somebody_looks_up(&self, world: &World, source: Endpoint, name: &str) -> bool {
        let learns = |asking| self.dns(world, asking, name).reason == Reason::NameAllowed;
        learns(source) || (0..).map(PodId).take(world.pods.len()).any(|id| learns(Endpoint::Pod(id)))
    }

    fn has_names(&self) -> bool {
        let by_name = |peers: &Peers| match peers {
            Peers::Nobody | Peers::Everyone => false,
            Peers::Any(list) => list.iter().any(|peer| matches!(peer, PeerMatch::Name(_))),
        };
        self.entries.iter().any(|entry| by_name(&entry.peers))
    }
}
