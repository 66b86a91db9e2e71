//! One cell of both matrices: whether its flows end alike.

use airtight_manifest::RuleRef;
use airtight_model::path::reach::{Basis, Cell, CellVerdict};
use airtight_model::policy::{Checkpoint, Effect, Layer, Reason};

use super::document::Change;
use super::objects::Objects;

/// What becomes of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// One of the matrices has no such pair of ends.
    Absent,
    /// It ends alike.
    Same,
    /// It does not.
    Changed(Change),
    /// Requests decide on both sides.
    ByRequests,
    /// Neither end is known.
    InDoubt,
}

/// Compares the verdicts of a cell, and what decides where they are equal.
pub(super) fn held(was: &Cell<'_>, is: &Cell<'_>) -> Held {
    match (was.verdict, is.verdict) {
        (CellVerdict::Absent, _) | (_, CellVerdict::Absent) => Held::Absent,
        (CellVerdict::Unknown, CellVerdict::Unknown) => Held::InDoubt,
        (CellVerdict::ByRequest, CellVerdict::ByRequest) => Held::ByRequests,
        (CellVerdict::Unknown, _) | (_, CellVerdict::Unknown) => Held::Changed(Change::Unclear),
        (CellVerdict::Denied(_), CellVerdict::Allowed | CellVerdict::ByRequest)
        | (CellVerdict::ByRequest, CellVerdict::Allowed) => Held::Changed(Change::Opened),
        (CellVerdict::Allowed | CellVerdict::ByRequest, CellVerdict::Denied(_))
        | (CellVerdict::Allowed, CellVerdict::ByRequest) => Held::Changed(Change::Closed),
        (CellVerdict::Allowed, CellVerdict::Allowed) => same_if(layers(was) == layers(is)),
        (CellVerdict::Denied(layer), CellVerdict::Denied(other)) => same_if(layer == other && end(was) == end(is)),
    }
}

fn same_if(alike: bool) -> Held {
    if alike { Held::Same } else { Held::Changed(Change::Otherwise) }
}

/// Layers of which a rule let the flow on.
fn layers(cell: &Cell<'_>) -> Vec<Layer> {
    let mut layers: Vec<Layer> =
        cell.deciding().filter(|basis| !basis.rules.is_empty()).map(|basis| basis.checkpoint.layer()).collect();
    layers.sort_unstable();
    layers.dedup();
    layers
}

/// Where and why a denied flow ends, which is what its client sees.
fn end(cell: &Cell<'_>) -> Option<(Checkpoint, Reason)> {
    cell.deciding().next().map(|basis| (basis.checkpoint, basis.reason))
}

/// Whether every checkpoint decided alike, by rules that are the same on both sides.
pub(super) fn decided_alike(was: &Cell<'_>, is: &Cell<'_>, objects: [&Objects; 2]) -> bool {
    let alike = |(one, other): (&Basis, &Basis)| {
        (one.checkpoint, one.effect, one.reason) == (other.checkpoint, other.effect, other.reason)
            && one.rules.len() == other.rules.len()
            && std::iter::zip(&one.rules, &other.rules).all(|(one, other)| is_same(one, other, objects))
    };
    was.bases().count() == is.bases().count() && std::iter::zip(was.bases(), is.bases()).all(alike)
}

/// Whether flows of which it is only not known which backend they get end alike at every one of them. Checkpoints that look at
/// requests leave that open.
pub(super) fn ends_alike_everywhere(was: &Cell<'_>, is: &Cell<'_>) -> bool {
    let certain = |basis: &Basis| basis.effect != Effect::Unknown && !asks_for_more(basis.reason);
    let same = |(one, other): (&Basis, &Basis)| {
        certain(one) && (one.checkpoint, one.effect, one.reason) == (other.checkpoint, other.effect, other.reason)
    };
    was.bases().count() == is.bases().count() && std::iter::zip(was.bases(), is.bases()).all(same)
}

/// Whether another request, token or server name could fare otherwise.
fn asks_for_more(reason: Reason) -> bool {
    match reason {
        Reason::L7Allowed
        | Reason::L7Denied
        | Reason::L7Unparseable
        | Reason::SniDenied
        | Reason::DirectResponse
        | Reason::TokenMissing
        | Reason::TokenInvalid
        | Reason::NoRoute => true,
        Reason::NoPolicy
        | Reason::AllowRule
        | Reason::DefaultDeny
        | Reason::ExplicitDeny
        | Reason::HostExemption
        | Reason::Audited
        | Reason::Loopback
        | Reason::NotManaged
        | Reason::NameAllowed
        | Reason::NameRefused
        | Reason::SniAllowed
        | Reason::AuthenticationRequired
        | Reason::StrictMtls
        | Reason::NoAllowMatched
        | Reason::NotCaptured
        | Reason::ProbeBypass
        | Reason::Passthrough
        | Reason::Direct
        | Reason::ViaWaypoint
        | Reason::WaypointUnavailable
        | Reason::NoHealthyUpstream
        | Reason::RouteMatched
        | Reason::NoListener
        | Reason::BackendUnresolved
        | Reason::Listening
        | Reason::NotListening
        | Reason::ProtocolMismatch
        | Reason::NoSuchName
        | Reason::AdmissionRefused
        | Reason::InvalidObject
        | Reason::Admitted
        | Reason::Unmodelled => false,
    }
}

/// Whether two rules are one, of an object that did not change.
fn is_same(one: &RuleRef, other: &RuleRef, [before, after]: [&Objects; 2]) -> bool {
    one.object == other.object && one.rule == other.rule && before.has_same(after, &one.object)
}

/// The rules that make a cell what it is on each side: those that decide, and that the other side has not. Where the other
/// side has them all, what changed is no rule, and all that decide are named.
pub(super) fn makers<'a>(was: &Cell<'a>, is: &Cell<'a>, objects: [&Objects; 2]) -> [Vec<&'a RuleRef>; 2] {
    let own = |cell: &Cell<'a>, other: &Cell<'a>| -> Vec<&'a RuleRef> {
        let met: Vec<&RuleRef> = other.bases().flat_map(|basis| &basis.rules).collect();
        let is_news = |rule: &&RuleRef| !met.iter().any(|known| is_same(rule, known, objects));
        each_once(cell.deciding().flat_map(|basis| &basis.rules).filter(is_news))
    };
    let found = [own(was, is), own(is, was)];
    if found.iter().all(Vec::is_empty) {
        return [was, is].map(|cell| each_once(cell.deciding().flat_map(|basis| &basis.rules)));
    }
    found
}

fn each_once<'a>(rules: impl Iterator<Item = &'a RuleRef>) -> Vec<&'a RuleRef> {
    let mut rules: Vec<&RuleRef> = rules.collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}
