//! Addresses for pods and Services that have none written down.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// Hands out addresses of each range in order, skipping those that are taken.
#[derive(Debug)]
pub(super) struct Allocator {
    ranges: Vec<(IpNet, u128)>,
    taken: BTreeSet<IpAddr>,
}

impl Allocator {
    /// An allocator over `ranges` (one for each address family); the first ten of each stay free for infrastructure.
    pub(super) fn new(ranges: &[IpNet]) -> Self {
        Self { ranges: ranges.iter().map(|range| (*range, 10)).collect(), taken: BTreeSet::new() }
    }

    /// Marks an address that was written down.
    pub(super) fn take(&mut self, address: IpAddr) {
        self.taken.insert(address);
    }

    /// The next free address of every range.
    pub(super) fn next(&mut self) -> Vec<IpAddr> {
        let Self { ranges, taken } = self;
        ranges.iter_mut().filter_map(|(range, index)| next_free(range, index, taken)).collect()
    }
}

fn next_free(range: &IpNet, index: &mut u128, taken: &mut BTreeSet<IpAddr>) -> Option<IpAddr> {
    loop {
        let address = nth(range, *index)?;
        *index += 1;
        if taken.insert(address) {
            return Some(address);
        }
    }
}

/// The address at `index` in `range`; none behind its end.
fn nth(range: &IpNet, index: u128) -> Option<IpAddr> {
    let address = match range.network() {
        IpAddr::V4(base) => IpAddr::from(u32::from(base).checked_add(u32::try_from(index).ok()?)?.to_be_bytes()),
        IpAddr::V6(base) => IpAddr::from(u128::from(base).checked_add(index)?.to_be_bytes()),
    };
    range.contains(&address).then_some(address)
}
