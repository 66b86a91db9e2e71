//! Every source at every aim, traced once: who gets through by which rules, who is stopped by which.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use airtight_manifest::RuleRef;
use airtight_model::path::{Engine, Flow, Source};
use airtight_model::policy::{Checkpoint, Effect, Layer, Outcome, Reason};
use rayon::prelude::*;

use super::aim::{Aim, aims, sources};
use super::ledger::{Ledger, RuleId, TriedId};
use crate::judge::{Evidence, Observation};
use crate::model::Model;
use crate::scenario::got_through;

/// The rank of a proxy as a source: the last.
pub(super) const PROXY: u8 = 3;

/// All that was tried.
pub(super) struct Survey {
    pub(super) sources: Vec<Source>,
    pub(super) aims: Vec<Aim>,
    pub(super) tried: Vec<Tried>,
    /// The rules that were met.
    pub(super) ledger: Ledger,
    /// The flows of each aim.
    ranges: Vec<Range<TriedId>>,
    /// Sources that are proxies.
    proxies: BTreeSet<usize>,
    /// Aims by target and port, whatever the request.
    sites: BTreeMap<Site, Vec<usize>>,
}

type Site = (airtight_model::path::Destination, airtight_model::world::Protocol, Option<u16>);

/// One flow and how it ended.
pub(super) struct Tried {
    pub(super) source: usize,
    pub(super) aim: usize,
    pub(super) end: Ending,
    /// Whether nothing need answer there.
    pub(super) edge: bool,
    /// Rules of the checkpoint that ended it.
    pub(super) denied_by: Vec<RuleId>,
    pub(super) hops: usize,
}

/// How a flow ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// It got through.
    Through {
        outcome: Outcome,
        /// Who answered.
        by: Option<String>,
    },
    /// A layer ended it.
    Denied {
        layer: Layer,
        outcome: Outcome,
        /// What failed was the lookup before the flow itself.
        at_lookup: bool,
        /// Where nothing would answer: why the layer ended it all the same, which its case has to say.
        because: Option<Reason>,
    },
    /// It ended, and no policy is needed to explain why.
    Vacuous,
    /// The model cannot tell.
    Unknown(String),
}

/// How many aims are tried side by side: what was seen at one is forgotten once its rules are written down.
const BATCH: usize = 64;

/// How each source fares at an aim that suits it.
fn observe(engine: &Engine<'_>, sources: &[Source], aim: &Aim) -> Vec<(usize, Observation)> {
    let suiting = sources.iter().enumerate().filter(|(_, source)| aim.suits(source, engine.world()));
    suiting.map(|(index, source)| (index, Model::new(engine).observe_one(&aim.flow(source)))).collect()
}

impl Survey {
    pub(super) fn of(engine: &Engine<'_>) -> Self {
        let world = engine.world();
        let (sources, aims) = (sources(world), aims(world));
        let is_proxy = |source: &Source| match source {
            Source::Workload(namespace, name) => {
                world.workload(namespace, name).all(|pod| pod.role != airtight_model::world::Role::Workload)
            }
            Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => false,
        };
        let proxies = (0..sources.len()).filter(|index| is_proxy(&sources[*index])).collect();
        let mut ledger = Ledger::default();
        let (mut tried, mut ranges): (Vec<Tried>, Vec<Range<TriedId>>) = (Vec::new(), Vec::new());
        let mut sites: BTreeMap<Site, Vec<usize>> = BTreeMap::new();
        for (batch, some) in aims.chunks(BATCH).enumerate() {
            let seen: Vec<Vec<(usize, Observation)>> =
                some.par_iter().map(|aim| observe(engine, &sources, aim)).collect();
            for (aim_id, seen) in (batch * BATCH..).zip(seen) {
                let first = tried.len();
                for (source, seen) in &seen {
                    tried.push(written_down(&mut ledger, tried.len(), (*source, aim_id), seen, false));
                }
                ranges.push(first..tried.len());
            }
        }
        for (aim_id, aim) in aims.iter().enumerate() {
            sites.entry((aim.to.clone(), aim.protocol, aim.port)).or_default().push(aim_id);
        }
        Self { sources, aims, tried, ledger, ranges, proxies, sites }
    }

    /// How the same source fares at an edge: an aim of its own, at which nothing need answer.
    pub(super) fn probe(&self, engine: &Engine<'_>, source: usize, aim: &Aim) -> Observation {
        Model::new(engine).observe_one(&aim.flow(&self.sources[source]))
    }

    /// Adds what `probe` saw.
    pub(super) fn add(&mut self, source: usize, aim: Aim, seen: &Observation) -> TriedId {
        let id = self.tried.len();
        self.tried.push(written_down(&mut self.ledger, id, (source, self.aims.len()), seen, true));
        self.ranges.push(id..id + 1);
        self.aims.push(aim);
        id
    }

    /// The flow of one source at an aim, if it was tried.
    pub(super) fn find(&self, source: usize, wanted: impl Fn(&Aim) -> bool) -> impl Iterator<Item = TriedId> {
        let aims = self.aims.iter().enumerate().filter(move |(_, aim)| wanted(aim));
        aims.filter_map(move |(aim, _)| self.at(source, aim))
    }

    pub(super) fn flow(&self, id: TriedId) -> Flow {
        let tried = &self.tried[id];
        self.aims[tried.aim].flow(&self.sources[tried.source])
    }

    pub(super) fn source(&self, id: TriedId) -> &Source {
        &self.sources[self.tried[id].source]
    }

    /// How good an example the source is; less is better. Workloads make the clearest ones, and a user outside of a
    /// gateway is as good; a proxy sends what others ask it to.
    pub(super) fn source_rank(&self, id: TriedId) -> u8 {
        let source = self.tried[id].source;
        match &self.sources[source] {
            Source::Workload(..) if self.proxies.contains(&source) => PROXY,
            Source::Workload(..) | Source::Outside => 0,
            Source::Node(_) => 1,
            Source::Kubelet | Source::User(_) => 2,
        }
    }

    pub(super) fn aim(&self, id: TriedId) -> &Aim {
        &self.aims[self.tried[id].aim]
    }

    /// The flows of other sources at the same aim.
    pub(super) fn same_aim(&self, id: TriedId) -> impl Iterator<Item = TriedId> {
        self.ranges[self.tried[id].aim].clone().filter(move |other| *other != id)
    }

    /// The rules that ended a denied flow.
    pub(super) fn stopping(&self, denied: TriedId) -> Vec<RuleRef> {
        self.tried[denied].denied_by.iter().map(|rule| self.ledger.rule(*rule).clone()).collect()
    }

    /// The flow of one source at an aim.
    fn at(&self, source: usize, aim: usize) -> Option<TriedId> {
        self.ranges[aim].clone().find(|id| self.tried[*id].source == source)
    }

    /// The flows of the same source that differ in one thing of the request.
    pub(super) fn same_site(&self, id: TriedId) -> Vec<TriedId> {
        let aim = self.aim(id);
        let site = (aim.to.clone(), aim.protocol, aim.port);
        let others = self.sites.get(&site).into_iter().flatten();
        let near = others.filter(|other| one_difference(aim, &self.aims[**other]));
        near.filter_map(|other| self.at(self.tried[id].source, *other)).collect()
    }

    /// The flows of the same source to another host, address or name of the same kind.
    pub(super) fn same_kind(&self, id: TriedId) -> Vec<TriedId> {
        use airtight_model::path::Destination as To;
        let aim = self.aim(id);
        let comparable = |other: &Aim| match (&aim.to, &other.to) {
            (To::Host(_) | To::Address(_), To::Host(_) | To::Address(_)) | (To::Name(_), To::Name(_)) => true,
            (
                To::Host(_)
                | To::Address(_)
                | To::Name(_)
                | To::Service(..)
                | To::Pod(..)
                | To::Gateway(..)
                | To::Node(_)
                | To::Object(_),
                _,
            ) => false,
        };
        let alike = |other: &Aim| {
            aim.to != other.to
                && (aim.protocol, aim.port) == (other.protocol, other.port)
                && aim.request.is_none()
                && other.request.is_none()
                && aim.tls.is_some() == other.tls.is_some()
        };
        let others = self.aims.iter().enumerate().filter(|(_, other)| comparable(other) && alike(other));
        others.filter_map(|(other, _)| self.at(self.tried[id].source, other)).collect()
    }
}

/// Whether two requests to one place differ in exactly one thing.
fn one_difference(a: &Aim, b: &Aim) -> bool {
    let (Some(mine), Some(other)) = (&a.request, &b.request) else { return false };
    let things = [
        mine.method != other.method,
        mine.path != other.path,
        mine.host != other.host,
        mine.headers != other.headers,
        mine.token != other.token,
    ];
    things.into_iter().filter(|differs| *differs).count() == 1 && a.tls.is_some() == b.tls.is_some()
}

/// A flow and how it ended, with what was met on its way written down.
fn written_down(
    ledger: &mut Ledger,
    id: TriedId,
    (source, aim): (usize, usize),
    seen: &Observation,
    edge: bool,
) -> Tried {
    let end = ending(seen, edge);
    let mut tried = Tried { source, aim, end, edge, denied_by: Vec::new(), hops: 0 };
    let Some(trace) = &seen.evidence.trace else { return tried };
    tried.hops = trace.hops.len();
    for check in trace.checks() {
        let alone = check.decision.rules.len() == 1 || check.checkpoint == Checkpoint::Gateway;
        for rule in &check.decision.rules {
            let rule = ledger.id(rule);
            ledger.meet(id, rule);
            if check.decision.effect == Effect::Allow {
                ledger.let_on(id, rule, alone);
            }
        }
    }
    if let Some(denial) = trace.denial() {
        tried.denied_by = denial.decision.rules.iter().map(|rule| ledger.id(rule)).collect();
    }
    tried
}

/// How an observation of the model ended; `edge`: nothing need answer there.
pub(super) fn ending(seen: &Observation, edge: bool) -> Ending {
    let Some(outcome) = &seen.outcome else {
        return Ending::Unknown(seen.undecided.clone().unwrap_or_default());
    };
    let evidence = &seen.evidence;
    if got_through(outcome) && evidence.denied_by.is_none() {
        return Ending::Through { outcome: outcome.clone(), by: evidence.answered_by.clone() };
    }
    let because = match (nothing_there(evidence), edge) {
        (None, _) => None,
        (Some(Reason::NotListening), true) if evidence.reason != Some(Reason::NotListening) => evidence.reason,
        (Some(_), _) => return Ending::Vacuous,
    };
    match evidence.denied_by {
        Some(layer @ (Layer::Cni | Layer::Ztunnel | Layer::Waypoint | Layer::Gateway)) => {
            let at_lookup = matches!(outcome, Outcome::DnsFailure(_));
            Ending::Denied { layer, outcome: outcome.clone(), at_lookup, because }
        }
        Some(Layer::Admission | Layer::Application) | None => Ending::Vacuous,
    }
}

/// Why the flow would have ended without any policy.
fn nothing_there(evidence: &Evidence) -> Option<Reason> {
    let known = [
        Reason::NotListening,
        Reason::NoHealthyUpstream,
        Reason::ProtocolMismatch,
        Reason::NoSuchName,
        Reason::L7Unparseable,
    ];
    let checks = evidence.trace.iter().flat_map(airtight_model::path::Trace::checks);
    let denials = checks.filter(|check| check.decision.effect == Effect::Deny).map(|check| check.decision.reason);
    let mut found: Vec<Reason> = denials.filter(|reason| known.contains(reason)).collect();
    // That nothing listens weighs least.
    found.sort_by_key(|reason| *reason == Reason::NotListening);
    found.first().copied()
}
