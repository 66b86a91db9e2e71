//! Whose flow each record tells of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use airtight_model::policy::Checkpoint;

use super::attempt::Attempt;
use super::fit::{Leg, Strength};
use super::record::Record;
use super::ways::Ways;

/// How far clocks of nodes may differ, and how late a packet may leave, in microseconds.
pub(super) const SLACK: i64 = 500_000;

/// From the client to a gateway, on to a waypoint, on to the workload: no way has more proxies in a row.
const LEGS: usize = 4;

/// Whom a record may tell of: all flows that it fits best, and none where it fits none.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    /// Flows by their index; none stands for traffic of others.
    candidates: BTreeSet<Option<usize>>,
    /// The legs that it fits best, by their index.
    legs: BTreeSet<usize>,
    /// Whether it tells of the client's own connection.
    pub(super) is_first: bool,
}

impl Owners {
    /// The one flow that it tells of.
    pub(super) fn only(&self) -> Option<usize> {
        let mut candidates = self.candidates.iter();
        match (candidates.next(), candidates.next()) {
            (Some(owner), None) => *owner,
            (Some(_) | None, _) => None,
        }
    }

    /// Whether it may tell of this flow.
    pub(super) fn include(&self, flow: usize) -> bool {
        self.candidates.contains(&Some(flow))
    }

    /// Whether it tells of nobody else's traffic, and all flows that it may tell of are so.
    pub(super) fn all(&self, is_so: impl Fn(usize) -> bool) -> bool {
        self.candidates.iter().all(|owner| owner.is_some_and(&is_so))
    }

    /// How many flows it may tell of.
    pub(super) fn count(&self) -> usize {
        self.candidates.len()
    }
}

/// The owners of each record, in the records' order.
///
/// What lies behind a proxy is known from the proxy's own record, so that the ways are followed proxy by proxy. A
/// proxy's record that may tell of several flows leads on for each of them, and one that tells of none for others'
/// traffic: what is ambiguous before a proxy stays so behind it.
pub(super) fn owners(attempts: &[Attempt], records: &[Record], ways: &Ways) -> (Vec<Leg>, Vec<Owners>) {
    let first: Vec<Leg> =
        attempts.iter().enumerate().map(|(index, attempt)| Leg::first(index, attempt, ways, SLACK)).collect();
    let mut legs = first.clone();
    let mut owners = assign(records, &legs);
    for _ in 1..LEGS {
        let mut next = first.clone();
        next.extend(behind(records, &legs, &owners));
        if next == legs {
            break;
        }
        legs = next;
        owners = assign(records, &legs);
    }
    (legs, owners)
}

fn behind(records: &[Record], legs: &[Leg], owners: &[Owners]) -> Vec<Leg> {
    let mut found = Vec::new();
    for (record, owners) in records.iter().zip(owners).filter(|(record, _)| record.proxy.is_some()) {
        let before: Vec<Option<&Leg>> =
            if owners.legs.is_empty() { vec![None] } else { owners.legs.iter().map(|leg| legs.get(*leg)).collect() };
        found.extend(before.into_iter().filter_map(|before| Leg::behind(record, before, SLACK)));
    }
    found
}

fn assign(records: &[Record], legs: &[Leg]) -> Vec<Owners> {
    let mut by_client: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
    for (index, leg) in legs.iter().enumerate() {
        by_client.entry(leg.client_ip()).or_default().push(index);
    }
    let all: Vec<usize> = (0..legs.len()).collect();
    let nobody = Vec::new();
    let candidates = |record: &Record| match record.checkpoint {
        // A mark tells even where an address was translated.
        Checkpoint::Waypoint | Checkpoint::Gateway => &all,
        Checkpoint::Admission
        | Checkpoint::DnsProxy
        | Checkpoint::ZtunnelOutbound
        | Checkpoint::CniEgress
        | Checkpoint::CniIngress
        | Checkpoint::ZtunnelInbound
        | Checkpoint::Application => record.client.and_then(|client| by_client.get(&client.ip)).unwrap_or(&nobody),
    };
    records.iter().map(|record| best(record, legs, candidates(record))).collect()
}

fn best(record: &Record, legs: &[Leg], candidates: &[usize]) -> Owners {
    let mut strongest: Option<Strength> = None;
    let mut owners = Owners::default();
    for index in candidates {
        let Some((leg, strength)) = legs.get(*index).and_then(|leg| Some((leg, leg.fits(record)?))) else { continue };
        if Some(strength) < strongest {
            continue;
        }
        if Some(strength) > strongest {
            strongest = Some(strength);
            owners = Owners::default();
        }
        owners.candidates.insert(leg.owner);
        owners.legs.insert(*index);
        owners.is_first |= leg.is_first;
    }
    owners
}
