//! Rounds: which flows are tried at the same moment.

use std::collections::BTreeMap;

use crate::scenario::PlannedCase;

/// Packs cases into rounds of at most `size` flows, in the order of the matrix; a case and all denied cases whose
/// twin it is are never parted, even if they alone exceed the size.
pub(super) fn rounds(cases: &[PlannedCase], tried: &[usize], size: usize) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for mut family in families(cases, tried) {
        match rounds.last_mut() {
            Some(round) if round.len() + family.len() <= size.max(1) => round.append(&mut family),
            Some(_) | None => rounds.push(family),
        }
    }
    for round in &mut rounds {
        round.sort_unstable();
    }
    rounds
}

/// Parts cases so that no two of one round go from the same place to the same other: who logs connections and not
/// requests cannot tell such flows apart.
pub(super) fn apart(cases: &[PlannedCase], again: &[usize]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut met: BTreeMap<(String, String), usize> = BTreeMap::new();
    for index in again {
        let flow = &cases[*index].case.flow;
        let before = met.entry((flow.from.to_string(), flow.to.to_string())).or_default();
        match rounds.get_mut(*before) {
            Some(round) => round.push(*index),
            None => rounds.push(vec![*index]),
        }
        *before += 1;
    }
    rounds
}

/// Cases that share a twin, with the twin; in the order of their first members.
fn families(cases: &[PlannedCase], tried: &[usize]) -> Vec<Vec<usize>> {
    let heads: BTreeMap<&str, usize> = tried.iter().map(|index| (cases[*index].case.id.as_str(), *index)).collect();
    let mut families: Vec<Vec<usize>> = Vec::new();
    let mut family_of: BTreeMap<usize, usize> = BTreeMap::new();
    for index in tried {
        let twin = cases[*index].case.twin.as_deref().and_then(|twin| heads.get(twin));
        let head = *twin.unwrap_or(index);
        let family = *family_of.entry(head).or_insert_with(|| {
            families.push(Vec::new());
            families.len() - 1
        });
        families[family].push(*index);
    }
    families
}
