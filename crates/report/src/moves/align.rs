//! Which sources and destinations of two matrices are the same.
//!
//! A class of pods is told by its workload. Where policies tell the pods of a workload apart, pods of one name belong
//! together, then those with the same labels and account; a class that is left without its like is held against every one of
//! its workload, so that no change escapes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use airtight_model::path::reach::{Class, GridTarget, Nearness, Place, Reachability, Row, Who};
use airtight_model::world::{Pod, Protocol};

use super::document::Only;

/// The same source, or the same destination, in both matrices: its index in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) before: usize,
    pub(super) after: usize,
}

/// What two matrices have in common, and what not.
pub(super) struct Aligned {
    pub(super) rows: Vec<Pair>,
    pub(super) targets: Vec<Pair>,
    pub(super) only_before: Only,
    pub(super) only_after: Only,
}

type Home = (String, String);

impl Aligned {
    pub(super) fn of(before: &Reachability<'_, '_>, after: &Reachability<'_, '_>) -> Self {
        let (homes_before, homes_after) = (homes(before), homes(after));
        let partners = partners(before, after, &homes_before, &homes_after);
        let targets = targets(before, after, &partners);
        let matched = |side: fn(&Pair) -> usize| targets.iter().map(side).collect::<BTreeSet<usize>>();
        Self {
            rows: rows(before, after, &partners),
            only_before: only(before, &homes_before, &homes_after, &matched(|pair| pair.before)),
            only_after: only(after, &homes_after, &homes_before, &matched(|pair| pair.after)),
            targets,
        }
    }
}

/// The classes of each workload.
fn homes(reach: &Reachability<'_, '_>) -> BTreeMap<Home, Vec<usize>> {
    let mut homes: BTreeMap<Home, Vec<usize>> = BTreeMap::new();
    for (index, class) in reach.classes().iter().enumerate() {
        homes.entry(home(reach, class)).or_default().push(index);
    }
    homes
}

fn home(reach: &Reachability<'_, '_>, class: &Class) -> Home {
    let pod = first(reach, class);
    (pod.namespace.to_string(), pod.workload.to_string())
}

fn first<'w>(reach: &Reachability<'_, 'w>, class: &Class) -> &'w Pod {
    reach.world().pod(class.pods[0])
}

/// The classes of the later matrix that are the same as one of the earlier.
fn partners(
    before: &Reachability<'_, '_>,
    after: &Reachability<'_, '_>,
    homes_before: &BTreeMap<Home, Vec<usize>>,
    homes_after: &BTreeMap<Home, Vec<usize>>,
) -> HashMap<usize, Vec<usize>> {
    let mut partners: HashMap<usize, Vec<usize>> = HashMap::new();
    for (home, ours) in homes_before {
        let Some(theirs) = homes_after.get(home) else { continue };
        for (one, other) in paired((before, ours), (after, theirs)) {
            partners.entry(one).or_default().push(other);
        }
    }
    partners
}

type Classes<'a> = (&'a Reachability<'a, 'a>, &'a [usize]);

fn paired(before: Classes<'_>, after: Classes<'_>) -> BTreeSet<(usize, usize)> {
    let every = || before.1.iter().flat_map(|one| after.1.iter().map(|other| (*one, *other)));
    if before.1.len() == 1 || after.1.len() == 1 {
        return every().collect();
    }
    let mut found: BTreeSet<(usize, usize)> =
        every().filter(|(one, other)| !names(before.0, *one).is_disjoint(&names(after.0, *other))).collect();
    add_for_the_lonely(&mut found, every().filter(|(one, other)| alike(pod(before.0, *one), pod(after.0, *other))));
    add_for_the_lonely(&mut found, every());
    found
}

/// Adds pairs of which one has none yet.
fn add_for_the_lonely(found: &mut BTreeSet<(usize, usize)>, pairs: impl Iterator<Item = (usize, usize)>) {
    let ones: BTreeSet<usize> = found.iter().map(|(one, _)| *one).collect();
    let others: BTreeSet<usize> = found.iter().map(|(_, other)| *other).collect();
    found.extend(pairs.filter(|(one, other)| !ones.contains(one) || !others.contains(other)));
}

fn names<'w>(reach: &Reachability<'_, 'w>, class: usize) -> BTreeSet<&'w str> {
    let world = reach.world();
    reach.classes()[class].pods.iter().map(|id| &*world.pod(*id).name).collect()
}

fn pod<'w>(reach: &Reachability<'_, 'w>, class: usize) -> &'w Pod {
    first(reach, &reach.classes()[class])
}

fn alike(one: &Pod, other: &Pod) -> bool {
    one.labels == other.labels && one.service_account == other.service_account && one.host_network == other.host_network
}

fn rows(
    before: &Reachability<'_, '_>,
    after: &Reachability<'_, '_>,
    partners: &HashMap<usize, Vec<usize>>,
) -> Vec<Pair> {
    let mut places: HashMap<Source, Vec<usize>> = HashMap::new();
    for (index, row) in after.rows().iter().enumerate() {
        places.entry(Source::of(row)).or_default().push(index);
    }
    let mut pairs = Vec::new();
    for (index, row) in before.rows().iter().enumerate() {
        let fitting = Source::of(row).partners(partners).into_iter().filter_map(|source| places.get(&source)).flatten();
        let near = fitting.filter(|other| fits(row.near, after.rows()[**other].near));
        pairs.extend(near.map(|other| Pair { before: index, after: *other }));
    }
    pairs
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Class(usize),
    Node { control_plane: bool },
    Outside,
}

impl Source {
    fn of(row: &Row) -> Self {
        match row.who {
            Who::Class(class) => Self::Class(class.0 as usize),
            Who::Node { control_plane } => Self::Node { control_plane },
            Who::Outside => Self::Outside,
        }
    }

    fn partners(self, classes: &HashMap<usize, Vec<usize>>) -> Vec<Self> {
        match self {
            Self::Class(class) => classes.get(&class).into_iter().flatten().copied().map(Self::Class).collect(),
            Self::Node { .. } | Self::Outside => vec![self],
        }
    }
}

/// Where it makes a difference on one side alone, either end of the other is held against it.
fn fits(one: Option<Nearness>, other: Option<Nearness>) -> bool {
    one.is_none() || other.is_none() || one == other
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Aim {
    Class(usize),
    Named(String),
}

type Port = (Protocol, u16);

fn targets(
    before: &Reachability<'_, '_>,
    after: &Reachability<'_, '_>,
    partners: &HashMap<usize, Vec<usize>>,
) -> Vec<Pair> {
    let mut places: HashMap<(Aim, Port), Vec<usize>> = HashMap::new();
    for (index, target) in after.targets().iter().enumerate() {
        places.entry((aim(after, index, target), port(target))).or_default().push(index);
    }
    let mut pairs = Vec::new();
    for (index, target) in before.targets().iter().enumerate() {
        let aims = match aim(before, index, target) {
            Aim::Class(class) => partners.get(&class).into_iter().flatten().copied().map(Aim::Class).collect(),
            named @ Aim::Named(_) => vec![named],
        };
        for aim in aims {
            let fitting = places.get(&(aim, port(target))).into_iter().flatten();
            let near = fitting.filter(|other| fits(target.near, after.targets()[**other].near));
            pairs.extend(near.map(|other| Pair { before: index, after: *other }));
        }
    }
    pairs
}

fn port(target: &GridTarget) -> Port {
    (target.protocol, target.port)
}

fn aim(reach: &Reachability<'_, '_>, index: usize, target: &GridTarget) -> Aim {
    match &target.place {
        Place::Class(class) => Aim::Class(class.0 as usize),
        Place::Service(_) => Aim::Named(format!("service {}", reach.target_name(index))),
        Place::Host(_) => Aim::Named(format!("host {}", reach.target_name(index))),
        Place::Gateway(_) => Aim::Named(reach.target_name(index)),
    }
}

/// What has no like on the other side.
fn only(
    reach: &Reachability<'_, '_>,
    ours: &BTreeMap<Home, Vec<usize>>,
    theirs: &BTreeMap<Home, Vec<usize>>,
    matched: &BTreeSet<usize>,
) -> Only {
    let alone: BTreeSet<&Home> = ours.keys().filter(|home| !theirs.contains_key(*home)).collect();
    let of_a_known_workload = |target: &GridTarget| match &target.place {
        Place::Class(class) => !alone.contains(&home(reach, &reach.classes()[class.0 as usize])),
        Place::Service(_) | Place::Host(_) | Place::Gateway(_) => true,
    };
    let lonely = reach.targets().iter().enumerate().filter(|(index, _)| !matched.contains(index));
    let destinations: BTreeSet<String> = lonely
        .filter(|(_, target)| of_a_known_workload(target))
        .map(|(index, _)| super::words::target(reach, index))
        .collect();
    Only {
        workloads: alone.into_iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect(),
        destinations: destinations.into_iter().collect(),
    }
}
