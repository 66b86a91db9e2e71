//! Who ended each flow of a round, and what it passed.

use std::collections::BTreeSet;
use std::fmt;

use airtight_matrix::judge::Evidence;
use airtight_matrix::scenario::got_through;
use airtight_model::policy::{Checkpoint, Layer, Outcome, Rcode, Reason};
use serde::Serialize;

use super::assign::{Owners, SLACK, owners};
use super::attempt::Attempt;
use super::examine::PENDING;
use super::fit::Leg;
use super::record::{HBONE, Record, Says, Span};
use super::ways::Ways;

/// An observer that could not be read, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gap {
    /// Which observer.
    pub observer: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.observer, self.why)
    }
}

/// What observers say of one flow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribution {
    /// The layer that ended the flow, if exactly one observer's layer says so.
    pub denied_by: Option<Layer>,
    /// Why it did, if all that say so agree.
    pub reason: Option<Reason>,
    /// Layers that a flow passed that got through.
    pub passed: BTreeSet<Layer>,
    /// Layers whose proxies it went to by what others say, and which wrote nothing of it: a proxy writes when it has time.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unheard: BTreeSet<Layer>,
    /// Policies that observers name.
    pub named: BTreeSet<String>,
    /// Why no layer is named, for a flow that did not get through.
    pub unattributed: Option<String>,
    /// Whether other flows of the round stand in the way of an attribution: in a round of its own there may be one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub crowded: bool,
    /// The observers' lines, verbatim, in the order of time.
    pub logs: Vec<String>,
}

impl Attribution {
    /// Puts it into the evidence of an observation; what the client itself knows stays.
    pub fn fill(&self, evidence: &mut Evidence) {
        evidence.denied_by = self.denied_by;
        evidence.reason = self.reason;
        evidence.passed.clone_from(&self.passed);
        evidence.logs.extend(self.logs.iter().cloned());
    }
}

/// Attributes every flow of a round, in the order of `attempts`. The order of `records` has no bearing.
///
/// A layer is named only if a record tells of this flow and of no other, what it says explains what the client saw,
/// and no other layer claims to have ended the flow too. Drops by the CNI decide for several flows at once where all of
/// them came to nothing and no packet of theirs went on: flows of one pod to one peer share a connection in the mesh.
/// Everything else is no attribution, with the reason.
#[must_use]
pub fn attribute(attempts: &[Attempt], records: &[Record], ways: &Ways, gaps: &[Gap]) -> Vec<Attribution> {
    let (legs, owners) = owners(attempts, records, ways);
    let each = attempts.iter().enumerate();
    let round = Round { attempts, legs: &legs, records, owners: &owners };
    each.map(|(index, attempt)| Case::new(index, attempt, round).attribution(gaps, ways)).collect()
}

/// All flows that were tried side by side, and all records.
#[derive(Clone, Copy)]
struct Round<'a> {
    attempts: &'a [Attempt],
    legs: &'a [Leg],
    records: &'a [Record],
    owners: &'a [Owners],
}

/// A flow with all records that may tell of it, in the order of time.
struct Case<'a> {
    round: Round<'a>,
    attempt: &'a Attempt,
    flow: usize,
    leg: Option<&'a Leg>,
    told: Vec<(&'a Record, &'a Owners)>,
}

impl<'a> Case<'a> {
    fn new(flow: usize, attempt: &'a Attempt, round: Round<'a>) -> Self {
        let each = round.records.iter().zip(round.owners);
        let mut told: Vec<_> = each.filter(|(_, owners)| owners.include(flow)).collect();
        told.sort_by(|(one, _), (other, _)| (one.span, *one).cmp(&(other.span, *other)));
        Self { round, attempt, flow, leg: round.legs.get(flow), told }
    }

    fn attribution(&self, gaps: &[Gap], ways: &Ways) -> Attribution {
        let mut found = Attribution { logs: self.logs(), ..Attribution::default() };
        if got_through(&self.attempt.outcome) {
            found.passed = self.passed();
            found.unheard = self.unheard(ways, &found.passed);
            return found;
        }
        if self.attempt.answered_by.is_some() {
            self.answered(&mut found);
        } else {
            self.ended(&mut found, gaps);
        }
        found
    }

    /// A workload that answers by itself was reached, whatever it answered.
    fn answered(&self, found: &mut Attribution) {
        match self.explaining().map(|(record, _)| record.checkpoint.layer()).next() {
            None => {
                found.denied_by = Some(Layer::Application);
                found.passed = self.passed();
            }
            Some(layer) => {
                found.unattributed =
                    Some(format!("a workload says that it answered, and {layer} has a record of a denial"));
            }
        }
    }

    fn ended(&self, found: &mut Attribution, gaps: &[Gap]) {
        let sure = self.explaining().filter(|(record, owners)| self.is_sole(owners) || self.is_common(record, owners));
        let sure: Vec<&Record> = sure.map(|told| told.0).chain(self.pending()).collect();
        let claims = self.claims().map(|(record, _)| *record).chain(self.pending());
        let claims: BTreeSet<Layer> = claims.map(|record| record.checkpoint.layer()).collect();
        match (sure.first(), claims.len()) {
            (Some(record), 1) => {
                found.denied_by = Some(record.checkpoint.layer());
                found.reason = agreed(&sure);
                found.named = sure.iter().flat_map(|record| record.named.iter().cloned()).collect();
            }
            (Some(_), _) => {
                let layers: Vec<String> = claims.iter().map(ToString::to_string).collect();
                found.unattributed = Some(format!("{} each have a record of a denial", layers.join(" and ")));
            }
            (None, _) => {
                found.unattributed = Some(self.why_nobody(gaps));
                found.crowded = self.explaining().any(|(_, owners)| owners.count() > 1);
            }
        }
    }

    fn is_sole(&self, owners: &Owners) -> bool {
        owners.only() == Some(self.flow)
    }

    /// Whether a drop by the CNI is one of all flows that it may tell of: each of them came to nothing, none of their
    /// packets went on here, and there are as many connections as flows, or one that all flows share.
    fn is_common(&self, record: &Record, owners: &Owners) -> bool {
        let is_packet = matches!(record.checkpoint, Checkpoint::CniEgress | Checkpoint::CniIngress);
        let came_to_nothing = |flow: usize| {
            self.round
                .attempts
                .get(flow)
                .is_some_and(|attempt| !got_through(&attempt.outcome) && attempt.answered_by.is_none())
        };
        let beside =
            || self.told.iter().filter(|(other, _)| (other.checkpoint, other.wire) == (record.checkpoint, record.wire));
        let went_on = beside().any(|(other, _)| other.says == Says::Passed);
        let ports: BTreeSet<_> = beside().filter_map(|(other, _)| other.client?.port).collect();
        let is_shared = record.wire.is_some_and(|wire| wire.port() == HBONE);
        is_packet
            && owners.is_first
            && owners.all(came_to_nothing)
            && !went_on
            && (is_shared || ports.len() >= owners.count())
    }

    /// The drop behind a connection between proxies that an earlier flow opened and on which this one waited: ztunnel
    /// gives up after ten seconds, which is longer than a client waits (ztunnel `src/proxy/pool.rs`).
    fn pending(&self) -> Option<&'a Record> {
        if !matches!(self.attempt.outcome, Outcome::Timeout | Outcome::Reset | Outcome::TlsFailure) {
            return None;
        }
        let waited = self.told.iter().find(|(record, owners)| {
            record.checkpoint == Checkpoint::ZtunnelOutbound && self.is_sole(owners) && is_swallowed(record)
        });
        let (tunnel, _) = waited?;
        let during = Span { from: tunnel.span.from.saturating_sub(PENDING), to: tunnel.span.to }.widened(SLACK);
        let beside = || {
            self.round.records.iter().filter(move |record| {
                matches!(record.checkpoint, Checkpoint::CniEgress | Checkpoint::CniIngress)
                    && record.client.is_some_and(|client| client.ip == self.attempt.ip)
                    && record.wire == tunnel.wire
                    && during.contains(record.span.from)
            })
        };
        let went_on = beside().any(|record| record.checkpoint == Checkpoint::CniIngress && record.says == Says::Passed);
        beside().find(|record| record.denies()).filter(|_| !went_on)
    }

    /// Records of denials.
    fn claims(&self) -> impl Iterator<Item = &(&'a Record, &'a Owners)> {
        self.told.iter().filter(|(record, _)| record.denies())
    }

    /// Records of denials that lead to what the client saw.
    fn explaining(&self) -> impl Iterator<Item = &(&'a Record, &'a Owners)> {
        self.claims().filter(|(record, owners)| self.explains(record, owners.is_first))
    }

    fn explains(&self, record: &Record, is_first: bool) -> bool {
        let outcome = &self.attempt.outcome;
        if let Some(status) = record.status {
            return *outcome == Outcome::Http(status);
        }
        if !is_first {
            // A proxy makes its own answer of what befalls it, or is still waiting when the client gives up.
            let relayed = matches!(outcome, Outcome::Http(502..=504) | Outcome::Reset | Outcome::TlsFailure);
            return relayed || *outcome == Outcome::Timeout;
        }
        match record.checkpoint {
            Checkpoint::DnsProxy => *outcome == Outcome::DnsFailure(Rcode::Refused),
            Checkpoint::CniEgress | Checkpoint::CniIngress if self.leg.is_some_and(|leg| leg.asks(record)) => {
                matches!(outcome, Outcome::DnsFailure(Rcode::Timeout | Rcode::Servfail))
            }
            // ztunnel resets the client when its own connection came to nothing.
            Checkpoint::CniEgress | Checkpoint::CniIngress => match outcome {
                Outcome::Timeout | Outcome::Refused => true,
                Outcome::Reset => self.attempt.captured || record.request.is_some(),
                Outcome::TlsFailure => self.attempt.captured,
                Outcome::Connected | Outcome::Http(_) | Outcome::DnsFailure(_) | Outcome::ProbeError(_) => false,
            },
            Checkpoint::ZtunnelOutbound | Checkpoint::ZtunnelInbound | Checkpoint::Waypoint | Checkpoint::Gateway => {
                matches!(outcome, Outcome::Reset | Outcome::TlsFailure)
            }
            Checkpoint::Admission | Checkpoint::Application => false,
        }
    }

    fn passed(&self) -> BTreeSet<Layer> {
        let sole = self.told.iter().filter(|(record, owners)| self.is_sole(owners) && record.says == Says::Passed);
        sole.map(|(record, _)| record.checkpoint.layer()).collect()
    }

    /// Whoever dials a proxy's own address need not be told of by it.
    fn unheard(&self, ways: &Ways, passed: &BTreeSet<Layer>) -> BTreeSet<Layer> {
        let sole = self.told.iter().filter(|(record, owners)| self.is_sole(owners) && record.says == Says::Passed);
        let towards = sole.filter_map(|(record, _)| record.wire).map(|wire| wire.ip());
        let between = towards.filter(|ip| self.attempt.to.is_none_or(|to| to.ip() != *ip));
        let layers = between.filter_map(|ip| ways.proxies.get(&ip)).map(|checkpoint| checkpoint.layer());
        layers.filter(|layer| !passed.contains(layer)).collect()
    }

    /// What says nothing is left out, and so are repeated passes of one checkpoint.
    fn logs(&self) -> Vec<String> {
        let mut passes = BTreeSet::new();
        let telling = self.told.iter().filter(|(record, _)| match record.says {
            Says::Nothing => false,
            Says::Passed => passes.insert((record.checkpoint, record.wire, &record.request)),
            Says::Denied(_) | Says::Ended(_) => true,
        });
        telling.map(|(record, _)| record.line.clone()).collect()
    }

    fn why_nobody(&self, gaps: &[Gap]) -> String {
        if let Outcome::ProbeError(_) = self.attempt.outcome {
            return "the probe itself failed".to_owned();
        }
        if let Some((record, owners)) = self.explaining().next() {
            let (layer, count) = (record.checkpoint.layer(), owners.count());
            return format!("{layer} has a record of a denial that fits {count} flows");
        }
        let mut words: Vec<String> = Vec::new();
        if let Some((record, _)) = self.claims().next() {
            let layer = record.checkpoint.layer();
            words.push(format!("{layer} has a record of a denial that does not explain {}", self.attempt.outcome));
        }
        let ended = self.told.iter().filter(|(_, owners)| self.is_sole(owners));
        let ended: BTreeSet<&str> = ended.filter_map(|(record, _)| said(record)).collect();
        words.extend(ended.into_iter().map(str::to_owned));
        if words.is_empty() {
            words.push("no observer has a record of a denial".to_owned());
        }
        words.extend(gaps.iter().map(|gap| format!("not read: {gap}")));
        words.join("; ")
    }
}

/// Whether ztunnel says that nothing came back from the other proxy (ztunnel `src/proxy.rs`, `MaybeHBONENetworkPolicyError`).
fn is_swallowed(record: &Record) -> bool {
    said(record).is_some_and(|words| words.contains("connection timed out, maybe a NetworkPolicy is blocking HBONE"))
}

fn said(record: &Record) -> Option<&str> {
    match &record.says {
        Says::Ended(words) => Some(words),
        Says::Passed | Says::Denied(_) | Says::Nothing => None,
    }
}

/// The one reason that records give; none if they differ. A record that gives none has no vote.
fn agreed(records: &[&Record]) -> Option<Reason> {
    let reasons: BTreeSet<Reason> = records
        .iter()
        .filter_map(|record| match record.says {
            Says::Denied(reason) => reason,
            Says::Passed | Says::Ended(_) | Says::Nothing => None,
        })
        .collect();
    let mut reasons = reasons.into_iter();
    match (reasons.next(), reasons.next()) {
        (Some(reason), None) => Some(reason),
        (Some(_) | None, _) => None,
    }
}
