//! Which allowed flows no case asserts.

use std::collections::{BTreeMap, BTreeSet};

use airtight_model::path::reach::{Cell, CellVerdict, Nearness, Reachability, Scope, View};
use airtight_model::path::{Destination, Engine, Flow, Source};
use airtight_model::world::World;

use super::super::draft::{Aim, Site, by_site, cell_ends, gets_through, is_named_aim};
use super::record::OpenFlow;
use super::risk::{order, risks};
use crate::judge::Verdict;
use crate::run::CaseRecord;
use crate::scenario::Expectation;

/// Every allowed flow that no passing case asserts, the riskiest first.
pub(super) fn unasserted(engine: &Engine<'_>, cases: &[CaseRecord]) -> Vec<OpenFlow> {
    let scope = Scope { view: View::Usual, named_hosts: true, ..Scope::default() };
    let reach = Reachability::compute(engine, &scope).folded();
    let asserted = asserted(engine.world(), cases);
    let sites = by_site(engine, is_named_aim);
    let mut seen = BTreeSet::new();
    let mut open: Vec<OpenFlow> =
        reach.cells().filter_map(|cell| open_flow(engine, &reach, &cell, (&asserted, &sites), &mut seen)).collect();
    open.sort_by(|a, b| (order(&a.risks), &a.to, &a.from).cmp(&(order(&b.risks), &b.to, &b.from)));
    open
}

type Ends = (Source, Site);

fn open_flow(
    engine: &Engine<'_>,
    reach: &Reachability<'_, '_>,
    cell: &Cell<'_>,
    (asserted, sites): (&BTreeSet<Ends>, &BTreeMap<Site, Vec<Aim>>),
    seen: &mut BTreeSet<Ends>,
) -> Option<OpenFlow> {
    // What runs in its node's network reaches the pods there, whatever policies say.
    let near = [reach.rows()[cell.row].near, reach.targets()[cell.target].near];
    if near.contains(&Some(Nearness::SameNode)) {
        return None;
    }
    let by_request = match cell.verdict {
        CellVerdict::Allowed => false,
        CellVerdict::ByRequest => true,
        CellVerdict::Denied(_) | CellVerdict::Unknown | CellVerdict::Absent => return None,
    };
    let ends = cell_ends(engine, reach, cell)?;
    if asserted.contains(&ends) || !seen.insert(ends.clone()) {
        return None;
    }
    let (source, site) = ends;
    let flow = if by_request { passing(engine, &source, sites.get(&site)?)? } else { bare(&source, &site) };
    let mut rules: Vec<String> = cell.deciding().flat_map(|basis| &basis.rules).map(ToString::to_string).collect();
    rules.dedup();
    Some(OpenFlow {
        from: reach.row_name(cell.row),
        to: reach.target_name(cell.target),
        by_request,
        risks: risks(reach, cell),
        flow,
        rules,
    })
}

/// A request that passes, of those that policies speak of.
fn passing(engine: &Engine<'_>, source: &Source, aims: &[Aim]) -> Option<Flow> {
    let suiting = aims.iter().filter(|aim| aim.suits(source, engine.world()));
    suiting.map(|aim| aim.flow(source)).find(|flow| gets_through(engine, flow))
}

fn bare(source: &Source, (to, protocol, port): &Site) -> Flow {
    Flow {
        from: source.clone(),
        to: to.clone(),
        protocol: *protocol,
        port: *port,
        request: None,
        tls: None,
        after: Vec::new(),
    }
}

/// What passing allowed cases assert, by the names that cells have.
fn asserted(world: &World, cases: &[CaseRecord]) -> BTreeSet<Ends> {
    let allowed = cases.iter().filter(|record| {
        record.judgement.verdict == Verdict::Pass && matches!(record.case.expect, Expectation::Allow(_))
    });
    allowed.map(|record| &record.case.flow).map(|flow| ends(world, flow)).collect()
}

fn ends(world: &World, flow: &Flow) -> Ends {
    let workload = |namespace: &str, name: &str| {
        let pod = world.workload(namespace, name).next();
        pod.map_or_else(|| name.to_owned(), |pod| pod.workload.to_string())
    };
    let from = match &flow.from {
        Source::Workload(namespace, name) => Source::Workload(namespace.clone(), workload(namespace, name)),
        Source::Node(name) => Source::Node(alike(world, name)),
        source @ (Source::Outside | Source::Kubelet | Source::User(_)) => source.clone(),
    };
    let to = match &flow.to {
        Destination::Pod(namespace, name) => Destination::Pod(namespace.clone(), workload(namespace, name)),
        Destination::Host(name) => Destination::Host(first_name(world, name)),
        to @ (Destination::Service(..)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_)) => to.clone(),
    };
    (from, (to, flow.protocol, flow.port))
}

/// The first node that runs the API server like this one, or does not.
fn alike(world: &World, name: &str) -> String {
    let known = world.nodes.iter().find(|node| &*node.name == name);
    let first = known.and_then(|known| world.nodes.iter().find(|node| node.control_plane == known.control_plane));
    first.map_or_else(|| name.to_owned(), |node| node.name.to_string())
}

fn first_name(world: &World, name: &str) -> String {
    let host = world.hosts.iter().find(|host| host.names.iter().any(|known| **known == *name));
    host.and_then(|host| host.names.first()).map_or_else(|| name.to_owned(), ToString::to_string)
}
