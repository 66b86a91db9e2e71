//! A host outside the cluster.

use std::net::IpAddr;

use crate::path::branch::Branch;
use crate::path::checks::{check, cni_checks, host_check};
use crate::path::dial::Dial;
use crate::path::peer::Peer;
use crate::policy::{Checkpoint, Decision, Outcome, Reason};
use crate::world::{HostId, World};

/// The far end, under the name by which it was looked up.
pub(super) fn peer<'w>(world: &'w World, address: IpAddr, host: Option<HostId>, name: Option<&str>) -> Peer<'w> {
    match (host, name) {
        (Some(id), name) => Peer::host(world, id, address, name),
        (None, Some(name)) => Peer { label: name.to_owned(), ..Peer::address(address) },
        (None, None) => Peer::address(address),
    }
}

/// The last hop of a flow that leaves the cluster.
pub(super) fn branch<'w>(dial: Dial<'_, 'w>, to: &Peer<'w>, host: Option<HostId>, port: Option<u16>) -> Branch {
    let wire = dial.plain(port);
    let mut checks = cni_checks(dial, to, wire);
    checks.push(match host {
        Some(id) => host_check(dial.world(), id, dial.connection, port),
        None => check(
            Checkpoint::Application,
            Decision::deny(Reason::NotListening, Outcome::Timeout, format!("no host has the address {}", to.address)),
        ),
    });
    dial.answered(to, wire, checks)
}
