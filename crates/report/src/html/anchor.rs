//! Fragments: where links in the page lead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use airtight_manifest::{Location, ObjectRef};
use airtight_matrix::run::RunRecord;

use crate::options::Options;
use crate::place::Places;
use crate::text::one_line;

/// A link to a case.
pub(super) struct CaseLink {
    /// Fragment, without `#`; empty if the case is not in the record.
    pub(super) anchor: String,
    /// The case's id.
    pub(super) id: String,
    /// Its place among the cases of the page; none if it is not in the record.
    pub(super) place: Option<usize>,
}

/// The places of cases, those in a row as `FIRST-LAST`, so that a policy that decides in all of them takes no room.
pub(super) fn places(cases: &[CaseLink]) -> String {
    let mut places: Vec<usize> = cases.iter().filter_map(|case| case.place).collect();
    places.sort_unstable();
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match rows.last_mut() {
            Some((_, last)) if place <= *last + 1 => *last = place,
            Some(_) | None => rows.push((place, place)),
        }
    }
    let rows =
        rows.into_iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    rows.collect::<Vec<_>>().join(" ")
}

/// What there is to link to.
pub(super) struct Targets<'a> {
    /// Places on the page by id.
    cases: BTreeMap<&'a str, usize>,
    policies: BTreeSet<&'a ObjectRef>,
    places: Places,
    source_url: Option<&'a str>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(record: &'a RunRecord, options: &'a Options) -> Self {
        Self {
            cases: in_order(record).enumerate().map(|(place, id)| (id, place)).collect(),
            policies: record.policies.iter().map(|policy| &*policy.rule.object).collect(),
            places: Places::of(record),
            // Any other scheme could run something.
            source_url: options
                .source_url
                .as_deref()
                .filter(|url| url.starts_with("https://") || url.starts_with("http://")),
        }
    }

    /// Where a place can be read on the web; empty if nobody said where.
    pub(super) fn source(&self, at: &Location) -> String {
        self.source_url.map(|url| self.places.link(at, url)).unwrap_or_default()
    }

    /// A link to a case; no link if the record does not hold it.
    pub(super) fn case(&self, id: &str) -> CaseLink {
        let place = self.cases.get(id).copied();
        let anchor = if place.is_some() { case(id) } else { String::new() };
        CaseLink { anchor, id: one_line(id), place }
    }

    /// Links to cases.
    pub(super) fn cases<T: AsRef<str>>(&self, ids: &[T]) -> Vec<CaseLink> {
        ids.iter().map(|id| self.case(id.as_ref())).collect()
    }

    /// The fragment of a policy object; empty if the record does not hold it.
    pub(super) fn policy(&self, object: &ObjectRef) -> String {
        if self.policies.contains(object) { policy(object) } else { String::new() }
    }
}

/// The ids of the cases as they stand on the page: scenario by scenario, in the order of their first cases.
fn in_order(record: &RunRecord) -> impl Iterator<Item = &str> {
    let mut scenarios: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ids: Vec<(usize, &str)> = Vec::new();
    for case in &record.cases {
        let next = scenarios.len();
        ids.push((*scenarios.entry(&case.case.scenario).or_insert(next), &case.case.id));
    }
    ids.sort_by_key(|(scenario, _)| *scenario);
    ids.into_iter().map(|(_, id)| id)
}

/// The fragment of a case.
pub(super) fn case(id: &str) -> String {
    fragment("case", id)
}

/// The fragment of a policy object.
pub(super) fn policy(object: &ObjectRef) -> String {
    fragment("policy", &object.to_string())
}

/// Letters, digits, `.` and `-` stay; every other byte becomes `_` and two hex digits, so that two names never meet.
fn fragment(kind: &str, name: &str) -> String {
    let mut out = format!("{kind}-");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "_{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_in_a_row_take_no_room() {
        let link = |place| CaseLink { anchor: String::new(), id: String::new(), place };
        let all = [Some(4), Some(1), Some(2), None, Some(3), Some(9), Some(9)].map(link);
        assert_eq!((places(&all), places(&[])), ("1-4 9".to_owned(), String::new()));
    }

    #[test]
    fn fragments_are_safe_and_distinct() {
        assert_eq!(case("MCP-01"), "case-MCP-01");
        assert_eq!(case("a b\"<"), "case-a_20b_22_3c");
        assert_ne!(case("a_20"), case("a "));
    }
}
