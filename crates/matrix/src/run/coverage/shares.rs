//! Coverage by layer, control and claim.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Fate, MutantRecord, Share, Shares};
use crate::run::CaseRecord;

/// The shares of all that cases stand for; `tried` has each mutant with the layer of its object.
pub(super) fn shares<'r>(cases: &[CaseRecord], tried: impl Iterator<Item = (&'r MutantRecord, String)>) -> Shares {
    let mut shares = Shares::default();
    let of_case: BTreeMap<&str, &CaseRecord> = cases.iter().map(|case| (case.case.id.as_str(), case)).collect();
    for case in cases {
        for (map, names) in [(&mut shares.controls, &case.case.controls), (&mut shares.claims, &case.case.claims)] {
            for name in names {
                map.entry(name.clone()).or_default().cases += 1;
            }
        }
    }
    for (mutant, layer) in tried {
        shares.layers.entry(layer).or_default().add(&mutant.fate);
        let Fate::Killed { by } = &mutant.fate else { continue };
        let killers: Vec<&CaseRecord> = by.iter().filter_map(|id| of_case.get(id.as_str()).copied()).collect();
        count(&mut shares.controls, killers.iter().flat_map(|case| &case.case.controls).collect());
        count(&mut shares.claims, killers.iter().flat_map(|case| &case.case.claims).collect());
    }
    shares
}

fn count(shares: &mut BTreeMap<String, Share>, names: BTreeSet<&String>) {
    for name in names {
        shares.entry(name.clone()).or_default().kills += 1;
    }
}
